"""Running a sweep: its tasks on an engine, past workers that die, and then the result."""

import ctypes
import os
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from joblib import Parallel, delayed

from ...dynamics.errors import RecordingError
from ...dynamics.training.loop import check_device
from ..experiment import one_thread
from ..ring.lock import hold
from ..ring.paths import check_path, real
from .engines import engine, start_workers
from .plan import Failure, SweepPlan
from .result import is_result_of, write_result
from .task_files import SealedFolder
from .tasks import SweepTask

# Of glibc's malloc.h; the second cannot be more than 32 MB in older versions.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT, _FROM_HEAP = 2**30, 2**25

Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Outcome:
    """A sweep's result, how many tasks it trained and how many were done before, and the points that failed.

    diverged is how many models were trained and ended with numbers that are not finite.
    """

    path: Path
    trained: int
    found: int
    failures: tuple[Failure, ...]
    diverged: int


def run_sweep(
    plan: SweepPlan,
    path: str | os.PathLike[str],
    *,
    engine_name: str = "loky",
    address: str | None = None,
    workers: int | None = None,
    retry: bool = False,
    overwrite: bool = False,
    report: Report = lambda _done, _total: None,
) -> Outcome:
    """Train every task of *plan* that is not done yet, and write the result to *path*.

    Each task leaves a sealed file in the folder ``PATH.tasks``, which all workers have to reach; a sweep that was
    interrupted skips what is sealed when it is run again. Points that fail have NaN in the result, and the folder
    stays, until they are tried again with *retry* and none fails. The same plan gives the same file on every engine
    and with any number of workers, on machines of one kind.

    engine_name, address, workers: as in engine(). report is told, again and again, how many of how many tasks are
    done. Raises OutputExistsError where a file is there that is no result of this plan's unfinished sweep, and must not
    be replaced, or another sweep is at it at this moment, SettingError where it is to train on a device that this
    machine does not have, and what engine() and write_result() raise.
    """
    # What devices the workers of a cluster have, they alone know.
    if plan.way == "samples" and address is None:
        check_device(plan.experiment.device)
    given, path = Path(path).absolute(), real(Path(path))
    tasks, _ = plan.cut()
    folder = SealedFolder(Path(f"{path}.tasks"))
    folder.drop_damaged(task.name for task in tasks)
    is_unfinished = any(_is_settled(task, folder) for task in tasks) and is_result_of(plan, path)
    check_path(path, overwrite=overwrite or is_unfinished)
    mark = Path(f"{path}.lock")
    lock = hold(mark)
    try:
        outcome = _run_alone(plan, path, folder, engine_name, address, workers, report, retry=retry)
        return replace(outcome, path=given)
    finally:
        lock.remove(mark)


def _run_alone(
    plan: SweepPlan,
    path: Path,
    folder: SealedFolder,
    engine_name: str,
    address: str | None,
    workers: int | None,
    report: Report,
    *,
    retry: bool,
) -> Outcome:
    tasks, failures = plan.cut()
    if retry:
        folder.forgive(task.name for task in tasks)
    found = [task for task in tasks if _is_settled(task, folder)]
    waiting = [task for task in tasks if not _is_settled(task, folder)]
    if waiting:
        with engine(engine_name, address=address, workers=workers):
            _run(waiting, folder, lambda done: report(len(found) + done, len(tasks)), workers)
    failures += [Failure(plan.points(task.place), reason) for task in tasks if (reason := folder.failure(task.name))]
    diverged = write_result(path, plan, [task for task in tasks if folder.has(task.name)], folder, failures)
    if not any(folder.failure(task.name) for task in tasks):
        folder.discard(task.name for task in tasks)
    return Outcome(path, len(waiting), len(found), tuple(failures), diverged)


def _is_settled(task: SweepTask, folder: SealedFolder) -> bool:
    return folder.has(task.name) or folder.failure(task.name) is not None


def _run(tasks: Sequence[SweepTask], folder: SealedFolder, tell: Callable[[int], None], at_once: int | None) -> None:
    """Run tasks until each is sealed or has failed, whatever becomes of the workers."""
    folder.make()

    def attempt(some: Sequence[SweepTask]) -> str:
        parallel = _Parallel(tell, done=len(tasks) - len(waiting), at_once=at_once)
        return _broke(parallel, (delayed(run_task)(task, folder) for task in some))

    waiting, before = list(tasks), None
    while waiting and waiting != before:
        before = waiting
        attempt(waiting)
        waiting = [task for task in waiting if not _is_settled(task, folder)]
    # No task got through, so that one of those that ran together kills its worker. Alone it harms no other.
    for task in waiting:
        reason = attempt([task])
        if _is_settled(task, folder):
            continue
        if not reason:
            raise RecordingError(f"results do not arrive in {folder.path}; put the output on a disk that workers share")
        # Where the engine itself is gone no task is to blame.
        if _broke(_Parallel(lambda _: None, done=0, at_once=1), [delayed(os.getpid)()]):
            raise RecordingError(f"the workers are gone ({reason}); the same command goes on with what is not done")
        folder.fail(task.name, f"its worker died: {reason}")


def _be_ready() -> None:
    """Do nothing; whoever is to do it has loaded this module, and torch with it."""


def _broke(parallel: Parallel, jobs: Iterable[Any]) -> str:
    """Run jobs; return what broke the engine, each having errors of its own for workers that die, or nothing."""
    try:
        start_workers(_be_ready)
        parallel(jobs)
    except RecordingError as error:
        # ray puts a traceback in front.
        raise RecordingError(str(error).strip().splitlines()[-1]) from error
    except Exception as error:
        return " ".join(str(error).split())[:200] or type(error).__name__
    return ""


def run_task(task: SweepTask, folder: SealedFolder) -> None:
    """Train a task and seal what it left, or why it failed; this is what a worker does.

    Raises RecordingError where the folder is not there, or cannot be written.
    """
    if not folder.path.is_dir():
        raise RecordingError(
            f"{folder.path} is not there on {platform.node()}; put the output on a disk that workers share"
        )
    keep_freed_memory()
    with one_thread():
        try:
            arrays = task.train()
        except Exception as error:
            folder.fail(task.name, f"{type(error).__name__}: {error}")
        else:
            folder.seal(task.name, arrays)


class _Parallel(Parallel):
    """joblib's Parallel with tasks sent one by one, *at_once* or all of them, which tells how many are done.

    All, so that workers which join a cluster later have their share.
    """

    def __init__(self, tell: Callable[[int], None], *, done: int, at_once: int | None):
        options: dict[str, Any] = {"batch_size": 1, "pre_dispatch": at_once or "all"}
        super().__init__(**options)
        self._tell, self._before = tell, done

    def print_progress(self) -> None:
        """Tell how far it is; joblib calls this after each task."""
        self._tell(self._before + self.n_completed_tasks)


@cache
def keep_freed_memory() -> None:
    """Have the C library keep up to a gigabyte that this process has freed, where it is glibc.

    A step's arrays have a few hundred kilobytes. By itself glibc gives such memory back to the system and asks for it
    again at the next step, page by page, which on a virtual machine took as long as the training. It stays so until the
    process ends, also where the sweep's own process is the only worker.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        # Another C library, or Windows, which has no library without a name.
        return
    mallopt(_TRIM_THRESHOLD, _KEPT)
    mallopt(_MMAP_THRESHOLD, _FROM_HEAP)
