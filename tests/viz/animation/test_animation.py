"""The animation: what is asked for comes out, or one line says why not."""

import imageio.v3 as iio
import numpy as np
import pytest
import torch
from PIL import Image

import dyn
from dyn.dynamics.errors import OutputExistsError, SettingError
from dyn.viz import animate

SMALL = {"seconds": 0.5, "fps": 10, "size": (320, 180)}


@pytest.mark.slow
def test_mp4(geometry, tmp_path):
    path = animate(geometry, tmp_path / "a.mp4", seconds=1, fps=12, size=(320, 180))
    frames = iio.imread(path, plugin="pyav")
    assert frames.shape == (12, 180, 320, 3)
    assert iio.immeta(path, plugin="pyav")["fps"] == 12
    assert np.abs(frames[0].astype(int) - frames[-1]).mean() > 0.5
    assert [left.name for left in tmp_path.iterdir()] == ["a.mp4"]


def test_gif(geometry, tmp_path):
    with Image.open(animate(geometry, tmp_path / "a.gif", **SMALL)) as gif:
        assert (gif.size, gif.n_frames) == ((320, 180), 5)


def test_stills(geometry, tmp_path):
    pattern = animate(geometry, tmp_path / "%02d.png", **SMALL)
    assert pattern == tmp_path / "%02d.png"
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"0{k}.png" for k in range(1, 6)]


@pytest.mark.parametrize("clock", ["step", "log"])
def test_another_clock_and_a_camera_that_stays(geometry, tmp_path, clock):
    assert animate(geometry, tmp_path / "a.gif", clock=clock, turn=0, **SMALL).exists()


def test_a_single_row_is_a_still_picture(tmp_path):
    model = torch.nn.Linear(4, 3)
    dyn.attach(model, torch.optim.SGD(model.parameters(), lr=0.1), tmp_path / "run.h5").close()
    with dyn.open(tmp_path / "run.h5") as recording:
        assert animate(recording, tmp_path / "a.gif", **SMALL).exists()


@pytest.mark.parametrize("project", ["moving", "pca", [0, 3]])
def test_more_dimensions_than_three_are_projected(ensemble, tmp_path, project):
    assert animate(ensemble, tmp_path / "a.gif", instance=1, project=project, **SMALL).exists()


def shown(monkeypatch) -> list[tuple[str, int | None]]:
    """Collect which runs are drawn."""
    runs = []

    def draw_frames(footages, take, _workers, progress):
        runs.extend((run.selection.recording.path.stem, run.selection.instance) for run in footages)
        for _ in progress(range(len(take.steps))):
            yield np.zeros((take.size[1], take.size[0], 4), dtype=np.uint8)

    monkeypatch.setattr("dyn.viz.animation.draw_frames", draw_frames)
    return runs


def test_a_small_ensemble_is_shown_as_a_whole(ensemble, tmp_path, monkeypatch):
    runs = shown(monkeypatch)
    animate(ensemble, tmp_path / "a.gif", **SMALL)
    assert runs == [("ensemble", 0), ("ensemble", 1), ("ensemble", 2)]


def test_of_a_large_one_the_first_is_shown(phase_diagram, tmp_path, monkeypatch):
    runs = shown(monkeypatch)
    animate(phase_diagram, tmp_path / "a.gif", **SMALL)
    assert runs == [("phase-2x1", 0)]


def test_members_and_recordings_are_shown_as_chosen(ensemble, geometry, tmp_path, monkeypatch):
    runs = shown(monkeypatch)
    animate(ensemble, tmp_path / "a.gif", instance=(2, 0), **SMALL)
    animate([geometry, ensemble], tmp_path / "b.gif", **SMALL)
    assert runs == [("ensemble", k) for k in (2, 0)] + [("geometry", None)] + [("ensemble", k) for k in range(3)]


def test_one_dimension_is_a_line(phase_diagram, tmp_path):
    assert animate(phase_diagram, tmp_path / "a.gif", instance=5, **SMALL).exists()


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("a.avi", {}, "'.avi'"),
        ("a.png", {}, "a-%04d.png"),
        ("a.mp4", {"size": (321, 180)}, "322x180"),
        ("a.gif", {"fps": 60}, "fps=60"),
        ("a.gif", {"seconds": 0.0}, "seconds=0"),
        ("a.gif", {"seconds": float("nan")}, "seconds=nan"),
        ("a.gif", {"clock": "sundial"}, "'sundial'"),
        ("a.gif", {"project": "sideways"}, "'sideways'"),
        ("a.gif", {"project": "1,2"}, "project='1,2': W has 3 hidden dimensions, all shown; leave it out"),
        ("a.gif", {"project": "pca"}, "project='pca'"),
        ("a.gif", {"workers": 0}, "workers=0"),
        ("a.gif", {"instance": 1}, "no ensemble"),
        ("a.html", {"instance": 0}, "no ensemble"),
        (
            "a.html",
            {"fps": 60, "size": (640, 360)},
            r"page has a time line of its own, where fps=60, size=\(640, 360\)",
        ),
        ("a.html", {"clock": "log"}, "clock=log is of no use; leave it out, or make an mp4"),
    ],
)
def test_what_cannot_be_had_is_named(geometry, tmp_path, name, options, words):
    with pytest.raises(SettingError, match=words):
        animate(geometry, tmp_path / name, **options)
    assert list(tmp_path.iterdir()) == []


def test_more_runs_than_can_be_seen_are_refused(phase_diagram, tmp_path):
    with pytest.raises(SettingError, match="13 runs"):
        animate(phase_diagram, tmp_path / "a.gif", instance=range(13))
    with pytest.raises(SettingError, match="0 runs"):
        animate([], tmp_path / "a.gif")


def test_a_page_shows_one_run(geometry, ensemble, tmp_path):
    with pytest.raises(SettingError, match="one run"):
        animate([geometry, geometry], tmp_path / "a.html")
    with pytest.raises(SettingError, match="one run"):
        animate(ensemble, tmp_path / "a.html", instance=[0, 1])


def test_an_existing_movie_is_kept(geometry, tmp_path):
    (tmp_path / "a.gif").write_text("precious")
    with pytest.raises(OutputExistsError, match=r"a\.gif exists"):
        animate(geometry, tmp_path / "a.gif")
    assert (tmp_path / "a.gif").read_text() == "precious"


def test_a_movie_that_fails_leaves_nothing(geometry, tmp_path):
    def fail(frames):
        yield frames[0]
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        animate(geometry, tmp_path / "a.gif", progress=fail, **SMALL)
    assert list(tmp_path.iterdir()) == []
