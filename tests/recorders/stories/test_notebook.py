"""In a notebook a recording is its summary and a small picture; nothing in it is taken for markup."""

import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

import dyn
from dyn.recorders.experiment import record_experiment
from dyn.recorders.reading.selection import select
from dyn.recorders.stories.notebook import levels_svg
from dyn.recorders.stories.story import tell
from dyn.recorders.stories.summary import summarize


@pytest.fixture
def recording(tiny, tmp_path):
    with dyn.open(record_experiment(tiny, tmp_path / "tiny.h5")) as opened:
        yield opened


def curves(recording) -> list[np.ndarray]:
    """Return the points of the features' curves and of the loss, which is the last."""
    svg = ElementTree.fromstring(levels_svg(select(recording)))
    paths = [path.attrib["d"] for path in svg.iter("path") if path.attrib.get("fill") == "none"]
    return [np.array([point.split() for point in d[1:].replace("M", "L").split("L")], float) for d in paths]


def test_a_recording_is_its_summary_and_its_curves(recording):
    html = recording._repr_html_()
    assert "tiny.h5: complete, 13 rows" in html
    assert html.count("<svg") == html.count("</svg>") == 1
    *features, loss = curves(recording)
    assert len(features) == 4
    D = recording.features["W"]["dimensionality"][:]
    # One pixel of 138 for each part of D; coordinates have one decimal.
    heights = {tuple(np.round(1 - (points[:, 1] - 8) / 138, 2)) for points in features}
    for values in D.T:
        assert any(np.allclose(drawn, values, atol=0.01) for drawn in heights)
    assert len(loss) == 13
    assert (np.diff(loss[:, 0]) > 0).all()


def test_the_loss_goes_down_where_it_falls(recording):
    loss = recording.scalars["expected_loss"][:]
    drawn = curves(recording)[-1][:, 1]
    assert drawn[loss.argmax()] == drawn.min()
    assert drawn[loss.argmin()] == drawn.max()


def test_a_script_in_a_name_stays_text(tmp_path):
    model = torch.nn.Module()
    name = "<script>alert(1)<!--script>"
    model.register_parameter(name, torch.nn.Parameter(torch.eye(3)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    path = tmp_path / "<b>&run.h5"
    dyn.attach(model, optimizer, path, features={name: "columns"}).close()
    with dyn.open(path) as recording:
        for html in (recording._repr_html_(), summarize(recording)._repr_html_(), tell(recording)._repr_html_()):
            assert "<script" not in html
            assert "<b>" not in html
            assert "&lt;script&gt;alert(1)" in html


def test_values_that_are_missing_are_gaps(tmp_path):
    model = torch.nn.Linear(3, 2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with dyn.attach(model, optimizer, tmp_path / "run.h5"):
        for k in range(4):
            model.weight.data[0, 0] = torch.nan if k == 2 else 1.0
            optimizer.zero_grad()
            optimizer.step()
    with dyn.open(tmp_path / "run.h5") as recording:
        html = recording._repr_html_()
    assert "nan" not in html.lower().partition("<svg")[2]


def test_without_features_the_summary_is_all(tmp_path):
    model = torch.nn.Linear(3, 2)
    dyn.attach(model, torch.optim.SGD(model.parameters(), lr=0.1), tmp_path / "run.h5", features=None).close()
    with dyn.open(tmp_path / "run.h5") as recording:
        html = recording._repr_html_()
    assert "weight  2 × 3" in html
    assert "<svg" not in html


def test_many_rows_and_features_stay_small(tmp_path):
    model = torch.nn.Linear(200, 8)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with dyn.attach(model, optimizer, tmp_path / "run.h5"):
        for _ in range(1500):
            optimizer.step()
    with dyn.open(tmp_path / "run.h5") as recording:
        # Sixty curves of three hundred points at ten letters each.
        assert len(recording._repr_html_()) < 400_000


def test_a_closed_recording_says_so(recording):
    recording.close()
    assert "tiny.h5" in recording._repr_html_()
    assert "closed" in recording._repr_html_()


def test_no_matplotlib_is_loaded(recording):
    code = f"import sys, dyn; dyn.open({str(recording.path)!r})._repr_html_(); print('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
