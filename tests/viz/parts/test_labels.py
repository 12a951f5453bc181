"""Labels: stamped, they look as if they had been drawn."""

import matplotlib
import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from dyn.viz.parts.labels import Counter, Label
from dyn.viz.parts.style import unhinted


def drawn(kind: type[Text], x: float, text: str = "feature 17") -> tuple[Figure, np.ndarray]:
    figure = Figure(figsize=(3, 1), dpi=100)
    canvas = FigureCanvasAgg(figure)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set_axis_off()
    ax.add_artist(kind(x, 0.5, text, ha="center", va="center", fontsize=13, color="#0072B2"))
    with unhinted():
        canvas.draw()
    return figure, np.asarray(canvas.buffer_rgba()).astype(int)


def ink(pixels: np.ndarray) -> tuple[float, np.ndarray]:
    """Return how much ink there is, and the centre of it in pixels."""
    darkness = 765.0 - pixels[..., :3].sum(axis=-1)
    y, x = np.indices(darkness.shape)
    return darkness.sum(), np.array([(darkness * x).sum(), (darkness * y).sum()]) / darkness.sum()


@pytest.mark.parametrize("x", [0.3, 0.5, 0.641])
def test_a_stamp_looks_like_the_text(x):
    stamped, written = (ink(drawn(kind, x)[1]) for kind in (Label, Text))
    # A stamp lies on whole pixels, letters may lie on parts of them.
    assert stamped[0] == pytest.approx(written[0], rel=0.03)
    np.testing.assert_allclose(stamped[1], written[1], atol=0.75)


def test_the_same_text_is_set_once(monkeypatch):
    figure, _ = drawn(Label, 0.5)
    label = next(each for each in figure.axes[0].get_children() if isinstance(each, Label))
    monkeypatch.setattr(Label, "_make", lambda *_: pytest.fail("set again"))
    label.set_position((0.4, 0.5))
    figure.canvas.draw()


def test_a_stamp_is_not_cut_off_by_what_lies_outside_the_axes():
    figure, _ = drawn(Label, 0.99, "0")
    label = next(each for each in figure.axes[0].get_children() if isinstance(each, Label))
    (stamp,) = label._stamps.values()
    assert stamp.pixels[..., 3].max() > 200


def test_a_vector_graphic_keeps_its_text(tmp_path):
    figure, _ = drawn(Label, 0.5)
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        figure.savefig(tmp_path / "a.svg")
    assert "feature 17" in (tmp_path / "a.svg").read_text()


def test_a_counter_shows_its_number():
    figure = Figure()
    counter = Counter(figure, 0.1, 0.5, 20_000, fontsize=12)
    for number, text in [(0, "0"), (17, "17"), (1_500, "1 500"), (20_000, "20 000")]:
        counter.show(number)
        assert counter.text == text
    places = [artist.get_position()[0] for artist in counter.artists]
    assert (np.diff(places) > 0).all()
