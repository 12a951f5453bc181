"""rrd, as Rerun's own reader reads it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rerun.chunk import RrdReader

from dyn.dynamics.errors import SettingError
from dyn.recorders.export import export


def read(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return the steps and the values of each entity."""
    found: dict[str, tuple[list[int], list[Any]]] = {}
    for chunk in RrdReader(path).stream().to_chunks():
        if not chunk.is_static:
            batch = chunk.to_record_batch()
            steps, values = found.setdefault(str(chunk.entity_path), ([], []))
            steps += batch.column("step").to_pylist()
            (data,) = (name for name in batch.schema.names if name.split(":")[-1] in ("scalars", "vectors"))
            values += batch.column(data).to_pylist()
    return {entity: (np.array(steps), np.array(values)) for entity, (steps, values) in found.items()}


def styles(path: Path) -> dict[str, dict[str, Any]]:
    chunks = [chunk for chunk in RrdReader(path).stream().to_chunks() if chunk.is_static]
    return {str(chunk.entity_path): chunk.to_record_batch().to_pylist()[0] for chunk in chunks}


def test_series_and_arrows_are_read_back_bit_by_bit(rich, tmp_path, arrays_of):
    found, arrays = read(export(rich, tmp_path / "run.rrd")), arrays_of(rich)
    assert set(found) == {
        "/scalars/loss",
        "/scalars/train/loss.x",
        "/features/enc.0.weight/dimensionality",
        *(f"/features/many/dimensionality/{k}" for k in (0, 1)),
        "/features/emb/edding/dimensionality",
        "/parameters/enc.0.weight",
        *(f"/parameters/many/{k}" for k in (0, 1)),
        "/parameters/emb/edding",
    }
    steps, loss = found["/scalars/loss"]
    known = ~np.isnan(arrays["scalars/loss"])
    np.testing.assert_array_equal(steps, arrays["step"][known])
    np.testing.assert_array_equal(loss[:, 0], arrays["scalars/loss"][known])
    steps, D = found["/features/many/dimensionality/1"]
    np.testing.assert_array_equal(steps, arrays["step"])
    np.testing.assert_array_equal(D, arrays["features/many/dimensionality"][:, 1])
    # An arrow for each feature: the columns of a weight, the rows of an embedding.
    columns = arrays["parameters/enc.0.weight"].swapaxes(1, 2)
    np.testing.assert_array_equal(found["/parameters/enc.0.weight"][1], columns)
    np.testing.assert_array_equal(found["/parameters/emb/edding"][1], arrays["parameters/emb/edding"])
    # Rerun has 32 bits for a place.
    planar = arrays["parameters/many"][:, 1].swapaxes(1, 2).astype(np.float32)
    np.testing.assert_array_equal(found["/parameters/many/1"][1], planar)


def test_a_feature_has_one_name_and_one_colour_in_lines_and_arrows(rich, tmp_path):
    found = styles(export(rich, tmp_path / "run.rrd"))
    lines, arrows = found["/features/emb/edding/dimensionality"], found["/parameters/emb/edding"]
    assert lines["SeriesLines:names"] == arrows["Arrows3D:labels"] == [f"feature {k}" for k in range(4)]
    assert lines["SeriesLines:colors"] == arrows["Arrows3D:colors"]
    assert len(set(lines["SeriesLines:colors"])) == 4


def test_flat_probes_are_drawn_when_they_are_selected(rich, tmp_path, arrays_of):
    found = read(export(rich, tmp_path / "run.rrd", select=["probes/*"]))
    assert set(found) == {"/probes/loss", "/probes/dead"}
    np.testing.assert_array_equal(found["/probes/dead"][1], arrays_of(rich)["probes/dead"])


def test_what_has_no_picture_is_refused(rich, tmp_path):
    with pytest.raises(SettingError, match=r"none of these is drawn; select a scalar or features"):
        export(rich, tmp_path / "run.rrd", select=["half", "deep"])
    assert not (tmp_path / "run.rrd").exists()


def test_an_empty_recording_has_no_rows(make, path, tmp_path):
    make(path, {"W": np.empty((0, 2, 3))}, {}, {"loss": np.empty(0)}, W="columns")
    assert read(export(path, tmp_path / "run.rrd")) == {}
