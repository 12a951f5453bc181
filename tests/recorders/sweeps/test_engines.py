"""Engines: the same sweeps to the same bytes on ray, and on dask with workers elsewhere of which one is killed."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from joblib import Parallel, delayed

from dyn.dynamics.errors import MissingExtraError, RecordingError, SettingError
from dyn.recorders.sweeps.engines import engine
from dyn.recorders.sweeps.paper import plan_sweep
from dyn.recorders.sweeps.plan import SweepPlan
from dyn.recorders.sweeps.run import run_sweep


@pytest.fixture
def same(small, troubled, tmp_path) -> Callable[..., None]:
    """A function that runs three sweeps on an engine and holds each to the file that this process alone makes.

    The first trains on samples, and a worker is killed in the middle of it; the second keeps trajectories; the third
    trains on the population loss.
    """
    settings = ("n_features=3", "n_hidden=2", "batch_size=16", "steps=20", "every=5", "evaluation_size=64")
    recorded = plan_sweep("energy-levels", ["lr=0.1,0.01"], settings, repeat=2, recorded=True)
    exact = plan_sweep("phase-2x1", ["density=0.2,0.9", "importance_extra=0.5,2"], repeat=2)

    def check(**options) -> None:
        pairs: list[tuple[SweepPlan, SweepPlan]] = [
            (troubled("kill once"), small),
            (recorded, recorded),
            (exact, exact),
        ]
        for k, (plan, alone) in enumerate(pairs):
            outcome = run_sweep(plan, tmp_path / f"{k}.h5", **options)
            assert (outcome.trained, outcome.failures) == (len(plan.cut()[0]), ())
            run_sweep(alone, tmp_path / f"{k}-alone.h5", workers=1)
            assert outcome.path.read_bytes() == (tmp_path / f"{k}-alone.h5").read_bytes()
        assert not (tmp_path / "trouble").exists()

    return check


@contextmanager
def dask_worker(address: str, folder: Path, path: Path) -> Iterator[None]:
    """A worker as another machine starts it: by the command, in a folder of its own, with *path* to import from.

    Nothing starts it again once it is dead.
    """
    folder.mkdir()
    command = [sys.executable, "-m", "dask", "worker", address, "--nthreads", "1", "--no-dashboard", "--no-nanny"]
    options = {"cwd": folder, "env": os.environ | {"PYTHONPATH": str(path)}}
    worker = subprocess.Popen(command, **options, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        worker.terminate()
        worker.wait()


@pytest.mark.slow
def test_dask_workers_elsewhere_give_the_same_files(same, tmp_path, pytestconfig):
    from distributed import LocalCluster

    with ExitStack() as stack:
        cluster = stack.enter_context(LocalCluster(n_workers=0, dashboard_address=":0"))
        address = cluster.scheduler_address
        for name in ("here", "there"):
            stack.enter_context(dask_worker(address, tmp_path / name, pytestconfig.rootpath))
        same(engine_name="dask", address=address)


@pytest.mark.slow
def test_ray_gives_the_same_file(small, tmp_path):
    outcome = run_sweep(small, tmp_path / "ray.h5", engine_name="ray", workers=2)
    assert (outcome.trained, outcome.failures) == (4, ())
    run_sweep(small, tmp_path / "alone.h5", workers=1)
    assert outcome.path.read_bytes() == (tmp_path / "alone.h5").read_bytes()


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


@pytest.mark.parametrize("name", ["dask", "ray"])
@pytest.mark.parametrize("address", ["nonsense", "tcp://", "10.0.0.1:port", "10.0.0.1:99999", "auto"])
def test_what_is_no_address_is_refused(name, address):
    with pytest.raises(SettingError, match=r"such as tcp://10\.0\.0\.1:8786"), engine(name, address=address):
        pass


@pytest.mark.parametrize("name", ["dask", "ray"])
def test_a_cluster_that_does_not_answer_is_named(name):
    # Port 9, where nobody listens; the clients of both would go on trying.
    with pytest.raises(RecordingError, match=r"127\.0\.0\.1:9"), engine(name, address="127.0.0.1:9"):
        pass


@pytest.mark.slow
def test_a_cluster_without_workers_is_named(monkeypatch):
    from distributed import LocalCluster

    monkeypatch.setattr("dyn.recorders.sweeps.engines._PATIENCE", 1)
    with (
        LocalCluster(n_workers=0, dashboard_address=":0") as cluster,
        pytest.raises(RecordingError, match=r"no worker for 1 s"),
        engine("dask", address=cluster.scheduler_address),
    ):
        pass


class Unreadable:
    """A function that no worker can read, as where the package is missing there."""

    def __call__(self):
        raise AssertionError("never called")

    def __reduce__(self):
        return int, ("no number",)


@pytest.mark.slow
def test_what_no_worker_can_read_is_not_waited_for():
    from distributed import LocalCluster

    with (
        LocalCluster(n_workers=1, processes=False, protocol="tcp://", dashboard_address=":0") as cluster,
        engine("dask", address=cluster.scheduler_address),
        pytest.raises(Exception, match=r"no number|deserial"),
    ):
        Parallel()([delayed(Unreadable())()])
