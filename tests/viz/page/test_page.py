"""The page as a file: whole, small, safe, and true to the recording."""

import base64
import hashlib
import json
import re

import h5py
import numpy as np
import pytest
from click.testing import CliRunner

import dyn
from dyn.cli import main
from dyn.dynamics.errors import OutputExistsError, RecordingError, SettingError
from dyn.dynamics.jumps import detect_jumps
from dyn.recorders.reading.selection import select
from dyn.viz import write_page
from dyn.viz.page.data import page_data

EVIL = "<script>window.harm=1</script><!--"


def data_of(page: str) -> dict:
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert match
    return json.loads(match[1])


def values(packed: dict, *shape: int) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed["data"]), dtype=packed["dtype"]).reshape(shape)


@pytest.fixture(scope="module")
def page(solid):
    return solid.read_text()


def test_the_page_loads_nothing(page):
    assert not re.search(r"<(?:link|script|img)[^>]*\s(?:src|href)=\"(?!data:,)", page)
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy
    assert policy[1].startswith("default-src 'none'; script-src 'sha256-")
    assert "connect-src" not in policy[1]


def test_no_script_but_the_page_s_own_may_run(page):
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts]
    assert len(hashes) == 3
    assert re.findall(r"'sha256-([^']*)'", page) == hashes


def test_the_features_are_where_the_recording_has_them(geometry, page):
    frames = data_of(page)["frames"]
    rows = np.searchsorted(geometry.step[:], frames["step"])
    W = geometry.parameters["W"][:][rows]
    points = values(frames["points"], len(rows), 6, 3) * frames["unit"]
    np.testing.assert_array_equal(geometry.step[:][rows], frames["step"])
    # Three dimensions are shown as they are, on one scale; half a unit is the rounding.
    scale = np.linalg.norm(W) / np.linalg.norm(points)
    np.testing.assert_allclose(points * scale, W.swapaxes(1, 2), atol=0.6 * scale * frames["unit"] + 1e-4)
    assert {0, 3000} <= set(frames["step"])


def test_the_octahedron_at_the_end_has_eight_faces_and_twelve_edges(page):
    frames = data_of(page)["frames"]
    assert (frames["faceCounts"][-1], frames["edgeCounts"][-1]) == (8, 12)
    assert len(values(frames["edges"], -1, 2)) == sum(frames["edgeCounts"])


def test_curves_hold_the_recorded_extremes(geometry, page, every_step_of):
    data = data_of(page)["dimensionality"]
    curves = values(data["values"], 6, -1)
    np.testing.assert_array_equal(np.nanmax(curves, axis=1), every_step_of.max(axis=0))
    np.testing.assert_array_equal(np.nanmin(curves, axis=1), every_step_of.min(axis=0))
    step = values(data["step"], -1)
    assert (step[0], step[-1]) == (geometry.step[0], geometry.step[-1])


def test_the_marks_are_the_jumps_and_every_end_of_one_is_shown(geometry, page, every_step_of):
    data = data_of(page)
    jumps = detect_jumps(every_step_of, geometry.scalars["expected_loss"][:], geometry.step[:])
    marks = [mark for mark in data["marks"] if mark["kind"] == "jump"]
    assert [(mark["start"], mark["end"]) for mark in marks] == [(jump.start, jump.end) for jump in jumps]
    ends = {mark[end] for mark in data["marks"] for end in ("start", "end")}
    assert len(marks) < len(data["marks"])
    assert ends <= set(data["frames"]["step"])


def test_a_recording_with_evil_names_stays_text(tmp_path):
    path = tmp_path / f"{EVIL.replace('/', '')}.h5"
    write_recording(path, rows=50, features=3, config={EVIL: EVIL})
    with dyn.open(path) as recording:
        page = write_page(recording, tmp_path / "a.html").read_text()
    assert page.count("<script") == 4
    assert "<!--" not in page
    assert [EVIL, EVIL] in data_of(page)["settings"]


def write_recording(path, rows: int, features: int, config: dict) -> None:
    """Write a recording in which nothing repeats: the worst case for the size of its page."""
    rng = np.random.default_rng(0)
    W = rng.uniform(-1, 1, (rows, 3, features)).astype("f4")
    with h5py.File(path, "w", libver=("v110", "v110")) as file:
        file.attrs.update(format="learning-dynamics", format_version=1, status="complete", created="")
        file.attrs.update(config=json.dumps(config), software="the tests")
        file["committed"] = [rows]
        file["step"], file["time"] = np.arange(rows), np.arange(rows, dtype=float)
        file["scalars/loss"] = rng.uniform(1, 2, rows)
        file["features/W/dimensionality"] = rng.uniform(0, 1, (rows, features)).astype("f4")
        file["parameters/W"] = W
        file["parameters/W"].attrs["features"] = "columns"


@pytest.mark.parametrize(("rows", "features"), [(20_000, 6), (1_500, 400)])
def test_a_page_is_at_most_six_megabytes(tmp_path, rows, features):
    write_recording(tmp_path / "a.h5", rows, features, {})
    with dyn.open(tmp_path / "a.h5") as recording:
        assert write_page(recording, tmp_path / "a.html").stat().st_size <= 6e6


def test_a_diverged_run_is_shown_as_far_as_it_is_finite(tmp_path):
    write_recording(tmp_path / "a.h5", 100, 4, {})
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        for name in ("parameters/W", "features/W/dimensionality", "scalars/loss"):
            file[name][50:] = np.nan
    with dyn.open(tmp_path / "a.h5") as recording:
        data = data_of(write_page(recording, tmp_path / "a.html").read_text())
    points = values(data["frames"]["points"], 100, 4, 3)
    assert points[49].any()
    assert not points[50:].any()


def test_a_member_of_an_ensemble_is_chosen(ensemble):
    data = page_data(select(ensemble, instance=2))
    assert ["instance", "2"] in [list(setting) for setting in data["settings"]]
    np.testing.assert_allclose(
        values(data["dimensionality"]["values"], 5, -1)[:, -1], ensemble.features["W"]["dimensionality"][-1, 2]
    )


@pytest.mark.parametrize(
    ("name", "options", "error", "words"),
    [
        ("a.pdf", {}, SettingError, "use .html"),
        ("a.html", {"instance": 1}, SettingError, "instance=1"),
        ("a.html", {"parameter": "V"}, SettingError, "'V'"),
        ("none/a.html", {}, RecordingError, "no directory"),
    ],
)
def test_what_cannot_be_had_is_named(geometry, tmp_path, name, options, error, words):
    with pytest.raises(error, match=words):
        write_page(geometry, tmp_path / name, **options)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_page_is_kept_unless_told_otherwise(geometry, tmp_path):
    (tmp_path / "a.html").write_text("precious")
    with pytest.raises(OutputExistsError, match=r"a\.html exists"):
        write_page(geometry, tmp_path / "a.html")
    assert (tmp_path / "a.html").read_text() == "precious"
    assert "precious" not in write_page(geometry, tmp_path / "a.html", overwrite=True).read_text()


def test_dyn_report_writes_a_page_beside(geometry, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["report", str(geometry.path)])
    assert (result.exit_code, result.stdout) == (0, "geometry.html\n")
    assert (tmp_path / "geometry.html").read_text().startswith("<!doctype html>")


def test_the_users_own_names_are_shown_and_run_nothing(tmp_path):
    write_recording(tmp_path / "a.h5", 50, 2, {})
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["parameters/W"].attrs["labels"] = json.dumps([EVIL, "<b>&amp;"])
    with dyn.open(tmp_path / "a.h5") as recording:
        page = write_page(recording, tmp_path / "a.html").read_text()
    assert page.count("<script") == 4
    assert EVIL not in page
    assert data_of(page)["names"][0].startswith(EVIL[:20])
