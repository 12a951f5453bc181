"""Engines: the same sweep to the same bytes on loky, a dask cluster of two workers, and ray."""

import sys

import pytest

from dyn.dynamics.errors import MissingExtraError, RecordingError, SettingError
from dyn.recorders.sweeps.engines import engine
from dyn.recorders.sweeps.run import run_sweep


@pytest.fixture
def whole(small, tmp_path) -> bytes:
    """The result of this process alone, which is that of loky's (test_run.py)."""
    run_sweep(small, tmp_path / "alone.h5", workers=1)
    return (tmp_path / "alone.h5").read_bytes()


def test_a_dask_cluster_gives_the_same_file(small, whole, tmp_path):
    from distributed import LocalCluster

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        address = cluster.scheduler_address
        outcome = run_sweep(small, tmp_path / "dask.h5", engine_name="dask", address=address)
    assert (outcome.trained, outcome.failures) == (4, ())
    assert outcome.path.read_bytes() == whole


def test_ray_gives_the_same_file(small, whole, tmp_path):
    outcome = run_sweep(small, tmp_path / "ray.h5", engine_name="ray", workers=2)
    assert (outcome.trained, outcome.failures) == (4, ())
    assert outcome.path.read_bytes() == whole


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [("dusk", {}, "did you mean dask"), ("loky", {"address": "tcp://somewhere:1"}, "this machine")],
)
def test_what_is_no_engine_is_refused(name, options, message):
    with pytest.raises(SettingError, match=message), engine(name, **options):
        pass


@pytest.mark.parametrize(("name", "package"), [("dask", "distributed"), ("ray", "ray")])
def test_an_engine_that_is_not_installed_is_named_with_its_extra(name, package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=r"\[sweep\]"), engine(name):
        pass


def test_a_cluster_that_does_not_answer_is_named():
    import dask

    with (
        dask.config.set({"distributed.comm.timeouts.connect": "200ms"}),
        pytest.raises(RecordingError, match=r"tcp://127\.0\.0\.1:9"),
        engine("dask", address="tcp://127.0.0.1:9"),
    ):
        pass
