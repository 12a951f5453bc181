"""Engines: who runs the tasks of a sweep, behind joblib's one interface."""

import logging
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from joblib import Parallel, cpu_count, delayed, parallel_config

from ...dynamics.errors import MissingExtraError, RecordingError, SettingError, unknown_name
from ..interrupts import interrupts_held_back

# How many seconds a cluster may take to answer, and to have its first worker.
_PATIENCE = 30


def start_workers(job: Callable[[], object]) -> None:
    """Have the engine start its workers now, with a *job*; Ctrl-C is for the one who hands out the work, not for them.

    What a terminal sends reaches every process; workers would each end with a traceback of their own. The job loads
    what the work will need: loky ends a worker whose memory grows much after its first job.
    """
    with interrupts_held_back():
        Parallel()([delayed(job)()])


@contextmanager
def engine(name: str = "loky", *, address: str | None = None, workers: int | None = None) -> Iterator[None]:
    """While it lasts, joblib runs on this engine: loky, processes of this machine; dask or ray, a cluster.

    address: where a cluster's scheduler is; without one, a cluster of this machine is started, and ended after.
    workers: how many tasks run at a time, by default one for each core, or whatever a cluster has.

    Raises SettingError for an unknown engine or an address that it does not take, MissingExtraError where it is not
    installed, RecordingError where nothing answers at the address, or the cluster has no workers, or not so many.
    """
    if name not in _ENGINES:
        raise unknown_name("engine", name, _ENGINES)
    with _ENGINES[name](address, workers):
        yield


@contextmanager
def _loky(address: str | None, workers: int | None) -> Iterator[None]:
    if address is not None:
        raise SettingError(f"address={address!r} is for the engines dask and ray; loky runs on this machine")
    with parallel_config("loky", n_jobs=workers or cpu_count(), inner_max_num_threads=1):
        yield


@contextmanager
def _dask(address: str | None, workers: int | None) -> Iterator[None]:
    try:
        from distributed import Client
        from joblib._dask import DaskDistributedBackend
    except ImportError as error:
        raise MissingExtraError.for_feature("the engine dask", "sweep") from error

    class Cluster(DaskDistributedBackend):
        """joblib's own, past two of its traps."""

        def effective_n_jobs(self, n_jobs: int) -> int:
            # With one worker so far joblib would run all tasks in this process.
            return max(2, super().effective_n_jobs(n_jobs))

        def submit(self, func: Callable[..., Any], callback: Callable[[Any], None] | None = None) -> Future[Any]:
            # joblib hears of results only, and would wait for ever for a task that killed all its workers.
            future = super().submit(func, callback)
            if callback is not None:
                future.add_done_callback(lambda done: callback(error) if (error := done.exception()) else None)
            return future

    here = {"n_workers": workers or cpu_count(), "threads_per_worker": 1, "dashboard_address": ":0"}
    if address:
        _check_address(address)
    try:
        with interrupts_held_back():
            client = Client(address, timeout=_PATIENCE) if address else Client(**here)
    except (OSError, ValueError) as error:
        raise RecordingError(f"no dask scheduler answers at address={address!r}: {error}") from error
    with client:
        try:
            client.wait_for_workers(1, timeout=_PATIENCE)
        except TimeoutError as error:
            raise RecordingError(
                f"the dask scheduler at address={address!r} has had no worker for {_PATIENCE} s; start some"
            ) from error
        with parallel_config(Cluster(client=client), n_jobs=workers or -1):
            yield


@contextmanager
def _ray(address: str | None, workers: int | None) -> Iterator[None]:
    try:
        import ray
        from ray.util.joblib import register_ray
    except ImportError as error:
        raise MissingExtraError.for_feature("the engine ray", "sweep") from error
    if address:
        _check_address(address)
    cores = None if address else workers or cpu_count()
    try:
        ray.init(address or "local", num_cpus=cores, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError) as error:
        raise RecordingError(f"no ray cluster answers at address={address!r}: {error}") from error
    register_ray()
    try:
        there = int(ray.cluster_resources().get("CPU", 0))
        if there < (workers or 1):
            raise RecordingError(f"the ray cluster at address={address!r} has {there} cores for {workers or 1} workers")
        with parallel_config("ray", n_jobs=workers or -1):
            yield
    finally:
        ray.shutdown()


def _check_address(address: str) -> None:
    """Hold an address to its form, and see that something listens there, for which ray would wait for minutes."""
    host, _, port = address.rpartition("//")[2].rpartition(":")
    if not (host and port.isdecimal() and int(port) < 2**16):
        raise SettingError(
            f"address={address!r} is not that of a scheduler, such as tcp://10.0.0.1:8786 or 10.0.0.1:6379"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_PATIENCE).close()
    except OSError as error:
        raise RecordingError(f"nothing answers at address={address!r}: {error}; is the cluster running?") from error


_ENGINES: dict[str, Callable[[str | None, int | None], AbstractContextManager[None]]] = {
    "loky": _loky,
    "dask": _dask,
    "ray": _ray,
}
