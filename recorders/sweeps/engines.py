"""Engines: who runs the tasks of a sweep, behind joblib's one interface."""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from joblib import cpu_count, parallel_config

from ...dynamics.errors import MissingExtraError, RecordingError, SettingError, unknown_name


@contextmanager
def engine(name: str = "loky", *, address: str | None = None, workers: int | None = None) -> Iterator[None]:
    """While it lasts, joblib runs on this engine: loky, processes of this machine; dask or ray, a cluster.

    address: where a cluster's scheduler is; without one, a cluster of this machine is started, and ended after.
    workers: how many tasks run at a time, by default one for each core, or whatever a cluster has.

    Raises SettingError for an unknown engine or an address that it does not take, MissingExtraError where it is not
    installed, RecordingError where nothing answers at the address.
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
    except ImportError as error:
        raise MissingExtraError.for_feature("the engine dask", "sweep") from error
    here = {"n_workers": workers or cpu_count(), "threads_per_worker": 1, "dashboard_address": None}
    try:
        client = Client(address) if address else Client(**here)
    except OSError as error:
        raise RecordingError(f"no dask scheduler answers at address={address!r}: {error}") from error
    with client, parallel_config("dask", n_jobs=workers or -1):
        yield


@contextmanager
def _ray(address: str | None, workers: int | None) -> Iterator[None]:
    try:
        import ray
        from ray.util.joblib import register_ray
    except ImportError as error:
        raise MissingExtraError.for_feature("the engine ray", "sweep") from error
    try:
        cores = None if address else workers or cpu_count()
        ray.init(address or "local", num_cpus=cores, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, ValueError) as error:
        raise RecordingError(f"no ray cluster answers at address={address!r}: {error}") from error
    register_ray()
    try:
        with parallel_config("ray", n_jobs=workers or -1):
            yield
    finally:
        ray.shutdown()


_ENGINES: dict[str, Callable[[str | None, int | None], AbstractContextManager[None]]] = {
    "loky": _loky,
    "dask": _dask,
    "ray": _ray,
}
