"""A training goes on with a compact recording, and with a compressed one only after that was undone."""

import numpy as np
import pytest

import dyn
from dyn.dynamics.errors import SettingError
from dyn.recorders.reading.recording import snapshot_of
from dyn.recorders.rewriting.compact import compact


@pytest.mark.usefixtures("small_ring")
def test_a_compact_recording_is_continued(make_regression, path, monkeypatch):
    # As if ten rows were worth another order.
    monkeypatch.setattr("dyn.recorders.rewriting.chunking._LEAST_ROWS", 4)
    run = make_regression()
    with dyn.attach(run.model, run.optimizer, path) as recorder:
        run.train(10, recorder)
    compact(path)
    with dyn.attach(run.model, run.optimizer, path, resume=True) as recorder:
        run.train(5, recorder)
        with dyn.open(path) as live:
            # From the file, which is being written, and from the ring.
            assert live.features["weight"]["norm"].chunks == (11, 1)
            assert 11 < snapshot_of(live).filed < len(live)
            np.testing.assert_allclose(
                live.features["weight"]["norm"], np.linalg.norm(live.parameters["weight"], axis=1), rtol=1e-6
            )
        run.train(15, recorder)
    with dyn.open(path) as recording:
        assert recording.step[:].tolist() == list(range(31))
        assert recording.scalars["loss"][:30].tolist() == pytest.approx(run.losses)
        W, norm = recording.parameters["weight"][:], recording.features["weight"]["norm"][:]
        np.testing.assert_allclose(norm, np.linalg.norm(W, axis=1), rtol=1e-6)
    compact(path)
    with dyn.open(path) as recording:
        assert recording.features["weight"]["norm"].chunks == (31, 1)


def test_a_compressed_recording_is_not_continued(make_regression, path):
    run = make_regression()
    with dyn.attach(run.model, run.optimizer, path) as recorder:
        run.train(3, recorder)
    compact(path, compression="gzip")
    before = path.read_bytes()
    with pytest.raises(SettingError, match=r"run\.h5 is compressed, .* dyn compact .*run\.h5 --compress none"):
        dyn.attach(run.model, run.optimizer, path, resume=True)
    assert path.read_bytes() == before
    compact(path, compression="none")
    with dyn.attach(run.model, run.optimizer, path, resume=True) as recorder:
        run.train(3, recorder)
    assert len(dyn.open(path)) == 7
