"""Every end of a process, of a training, its writer or a forked child, crossed with every way to the file.

A run is forked from this process, which has loaded everything. Its training's parameters after k steps are all k; it
tells in shared memory how many steps have returned, and which processes it has. When all of them are gone, the file is
looked at by the way of the run, with dyn.open; repaired by that way; and looked at with plain h5py.
"""

import code
import ctypes
import gc
import itertools
import mmap
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from struct import Struct
from typing import Any

import h5py
from counting import Counting, record, wrong_rows
from torch.optim import SGD

import dyn
from dyn.dynamics.errors import DynError
from dyn.recorders.file.hdf5 import dataset_at
from dyn.recorders.ring.paths import is_live
from dyn.recorders.writing import start, writer
from dyn.recorders.writing.repair import repair
from dyn.recorders.writing.start import WriterKind

CHILD_ENDS = ("return", "exception", "sys.exit", "os._exit", "exec", "SIGTERM", "SIGKILL")
ENDS = (*CHILD_ENDS, "kernel restart")
WRITER_ENDS = ("SIGKILL", "SIGTERM", "SIGSTOP")
LINKS = ("symbolic link", "linked folder", "hard link", "hard link elsewhere")
WAYS = ("path", "relative", *LINKS, "moved with its ring", "moved from its ring", "moved without its ring")
WRITERS = ("inline", "process")
# So many rows has a ring, and so many steps are taken before anything ends, and at most before something else does.
_RING, _FIRST, _MOST = 64, 48, 150
# A process that does not end, or a recording that goes on counting as live, is waited for so long, in seconds.
_PATIENCE = 60.0
_GO, _STOP, _RELEASE = 1, 2, 4


@dataclass(frozen=True)
class Run:
    """How the training ends, who else does, how and when, seen from the training's end; who writes, and the way."""

    writer: WriterKind
    way: str
    end: str
    whose: str = ""
    other_end: str = ""
    order: str = ""

    def __str__(self) -> str:
        other = f", its {self.whose} {self.order} by {self.other_end}" if self.whose else ""
        return f"{self.writer}, {self.way}: the training by {self.end}{other}"


def all_runs() -> Iterator[Run]:
    """Yield every run: what ends alone, a child before and after each end, and a writer."""
    for kind, way, end in itertools.product(WRITERS, WAYS, ENDS):
        yield Run(kind, way, end)
    for kind, way, other, order in itertools.product(WRITERS, WAYS, CHILD_ENDS, ("before", "after")):
        for end in ("SIGKILL", "return"):
            yield Run(kind, way, end, "child", other, order)
    for way, other, order in itertools.product(WAYS, WRITER_ENDS, ("before", "after")):
        for end in ("SIGKILL", "return", "exec"):
            # A writer of a training that closes has ended before it.
            if (end, order) != ("return", "after"):
                yield Run("process", way, end, "writer", other, order)


class Board:
    """What a training tells of itself, in shared memory: its steps, its processes; and what it is told."""

    _WORD = Struct("<q")

    def __init__(self):
        self._memory = mmap.mmap(-1, mmap.PAGESIZE)

    def __getitem__(self, name: str) -> int:
        return self._WORD.unpack_from(self._memory, 8 * self._NAMES.index(name))[0]

    def __setitem__(self, name: str, value: int) -> None:
        self._WORD.pack_into(self._memory, 8 * self._NAMES.index(name), value)

    _NAMES = ("steps", "writer", "child", "told", "reached")

    def wait(self, name: str, bits: int) -> None:
        """Wait for others."""
        while self[name] & bits != bits:
            time.sleep(0.0005)


class Ended(BaseException):
    """Carries a forked process to the outermost level, where an interpreter ends."""

    def __init__(self, act: Callable[[], Any]):
        self.act = act


def end(how: str) -> None:
    """End this process; by returning, for what ends by itself."""
    if how == "exception":
        raise RuntimeError
    if how == "sys.exit":
        sys.exit(0)
    if how == "os._exit":
        os._exit(0)
    if how == "exec":
        os.execv("/bin/sleep", ["sleep", "600"])
    if how.startswith("SIG"):
        signal.raise_signal(signal.Signals[how])


class Training:
    """A training that is recorded; what the forked process of a run does."""

    def __init__(self, run: Run, path: Path, board: Board):
        self.run, self.path, self.board = run, path, board
        self.chance = random.Random(str(run))

    def __call__(self) -> None:
        """Train and end, or be ended."""
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        start._RING_ROWS = start._LEAST_ROWS = _RING
        writer._PATIENCE = 0.5
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(os.open(self.path.parent.parent / "stderr", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
        warnings.simplefilter("ignore")
        if self.run.end == "kernel restart":
            os.setsid()
            sys.ps1 = ">>> "
            code.InteractiveInterpreter({"train": self.train}).runsource("train()")
        else:
            self.train()

    def train(self) -> None:
        """Take steps until the end."""
        if self.run.way == "relative":
            os.chdir(self.path.parent)
        self.model = Counting(4)
        self.optimizer = SGD(self.model.parameters(), lr=1.0)
        # It lives on when this returns.
        global recorder
        recorder = dyn.attach(
            self.model, self.optimizer, way_to(self.run, self.path), features=None, writer=self.run.writer
        )
        self.recorder = recorder
        self.step(_FIRST)
        if isinstance(recorder._writer, writer.ProcessWriter):
            self.board["writer"] = recorder._writer.pid
        self.board["reached"] |= _GO
        self.board.wait("told", _GO)
        if self.run.whose == "child":
            self.fork()
        if self.run.whose == "writer" and self.run.order == "before":
            os.kill(self.board["writer"], signal.Signals[self.run.other_end])
            self.step(_MOST)
        is_ended = self.run.end in ("SIGTERM", "SIGKILL", "kernel restart")
        self.board["reached"] |= _STOP
        self.step(10**9 if is_ended else self.chance.randrange(_MOST))
        end(self.run.end)

    def fork(self) -> None:
        """Have a child, which ends before the training or after it."""
        child = os.fork()
        if not child:
            # Nothing of it reaches the recording.
            self.step(10, count=False)
            if self.run.order == "after":
                self.board.wait("told", _RELEASE)
            if self.run.other_end == "exec":
                os.execv("/bin/true", ["true"])
            end(self.run.other_end)
            raise Ended(lambda: None)
        self.board["child"] = child
        if self.run.order == "before":
            os.waitpid(child, 0)
            self.step(_MOST)

    def step(self, steps: int, *, count: bool = True) -> None:
        """Take so many steps."""
        for _ in range(steps):
            for p in self.model.parameters():
                p.grad = -p.new_ones(p.shape)
            taken = self.board["steps"]
            late = {f"late{taken // 100}": 0.0} if taken % 100 == 99 else {}
            self.recorder.log(loss=float(taken), **late)
            self.optimizer.step()
            if count:
                self.board["steps"] = taken + 1


def way_to(run: Run, path: Path) -> Path:
    """Return how a run names its file while it is being written."""
    ways = {"relative": Path(path.name), "symbolic link": path.parent.parent / "link.h5"}
    ways["linked folder"] = path.parent.parent / "folder" / path.name
    return ways.get(run.way, path)


def perform(run: Run) -> str:
    """Do a run and return the verdict: good, told (rows that are in a ring which is not there), or what is wrong."""
    top = Path(tempfile.mkdtemp(prefix="dyn-"))
    path, board = top / "here" / "run.h5", Board()
    path.parent.mkdir()
    (top / "there").mkdir()
    (top / "link.h5").symlink_to("here/run.h5")
    (top / "folder").symlink_to("here")
    training = os.fork()
    if not training:
        raise Ended(Training(run, path, board))
    try:
        return _judge(run, path, board, training)
    except WrongError as wrong:
        return str(wrong)
    except (DynError, OSError, RuntimeError) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        board["told"] |= _RELEASE
        _sweep_up({training, board["writer"], board["child"]} - {0})
        shutil.rmtree(top)


class WrongError(Exception):
    """A run that lost or harmed something; the text says what."""


def _judge(run: Run, path: Path, board: Board, training: int) -> str:
    _await(lambda: board["reached"] & _GO, "the training did not begin")
    with _within(path.parent if run.way == "relative" else None):
        _look_while_live(run, path, board)
        board["told"] |= _GO
        _finish(run, path, board, training)
        return _look_after(run, path, _moved(run, path), board["steps"])


@contextmanager
def _within(folder: Path | None) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder or before)
    try:
        yield
    finally:
        os.chdir(before)


def _look_while_live(run: Run, path: Path, board: Board) -> None:
    """See that a live recording is one by each way, and is left alone."""
    place = way_to(run, path)
    if run.way.startswith("hard link"):
        place = path.parent.parent / ("here" if run.way == "hard link" else "there") / "hard.h5"
        os.link(path, place)
    with dyn.open(place) as recording:
        if (recording.status, len(recording)) != ("recording", board["steps"]):
            raise WrongError(f"while it is recorded it is {recording.status} with {len(recording)} rows")
    try:
        repair(place)
    except DynError:
        return
    raise WrongError("a live recording was repaired")


def _finish(run: Run, path: Path, board: Board, training: int) -> None:
    """End what does not end by itself, and wait until nobody writes; then let a child that is left end too."""
    chance = random.Random(f"{run} from outside")
    if run.end in ("SIGTERM", "SIGKILL", "kernel restart"):
        _await(lambda: board["reached"] & _STOP, "the training did not go on")
        time.sleep(0.02 * chance.random())
        number = signal.SIGTERM if run.end == "SIGTERM" else signal.SIGKILL
        (os.killpg if run.end == "kernel restart" else os.kill)(training, number)
    if run.end == "exec":
        _await(lambda: Path(f"/proc/{training}/comm").read_text() == "sleep\n", "the training did not end")
    else:
        _await(lambda: os.waitpid(training, os.WNOHANG)[0], "the training did not end")
    if run.whose == "writer":
        with suppress(ProcessLookupError):
            if run.order == "after":
                os.kill(board["writer"], signal.Signals[run.other_end])
            if run.other_end == "SIGSTOP":
                # It hangs for ever, and who waits for it ends it.
                os.kill(board["writer"], signal.SIGKILL)
    _await(lambda: not is_live(path), "it counts as live")
    board["told"] |= _RELEASE
    if run.whose == "child":
        _await(lambda: _is_gone(board["child"]), "the child did not end")


def _moved(run: Run, path: Path) -> Path:
    """Move the file as the run has it, and return by which way it is looked at."""
    there = path.parent.parent / "there"
    if run.way.startswith("hard link"):
        return path.parent.parent / ("here" if run.way == "hard link" else "there") / "hard.h5"
    if not run.way.startswith("moved"):
        return way_to(run, path)
    place = there / "moved.h5"
    if run.way == "moved without its ring":
        (there / "lost").mkdir()
    for file in list(path.parent.iterdir()):
        suffix = file.name.removeprefix(path.name)
        if not suffix or (run.way == "moved with its ring"):
            file.rename(f"{place}{suffix}")
        elif run.way == "moved without its ring" and suffix == ".ring":
            file.rename(there / "lost" / "ring")
    return place


def _look_after(run: Run, path: Path, place: Path, steps: int) -> str:
    """Look at what is left, repair it, and look again."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with dyn.open(place) as recording:
            rows, status = len(recording), recording.status
            arrays = (recording.scalars["loss"], recording.parameters["W"], recording.parameters["b"])
            if wrong_rows(recording.step[:], *(each[:] for each in arrays)):
                raise WrongError("dyn.open has wrong rows")
        repaired = repair(place)
    is_told = any("rows after step" in str(each.message) for each in caught)
    if rows < steps and not (is_told and run.way == "moved without its ring"):
        raise WrongError(f"dyn.open lacks {steps - rows} rows of {steps}")
    if run.end in ("return", "sys.exit") and status != "complete":
        raise WrongError(f"it is {status}")
    with h5py.File(place, "r") as file:
        parts = [dataset_at(file, name)[:] for name in ("step", "scalars/loss", "parameters/W", "parameters/b")]
    if len(parts[0]) < rows or repaired.rows != len(parts[0]) or wrong_rows(*parts):
        raise WrongError("the repaired file lacks rows, or has wrong ones")
    top = path.parent.parent
    left = sorted(each.name for folder in ("here", "there") for each in Path(top, folder).iterdir())
    # A journal, or half of one, stays where a file was that was moved without it.
    drafts = {"run.h5.journal", "run.h5.journal.new"} if run.way.startswith("moved") else set[str]()
    if not set(left) <= {"run.h5", "hard.h5", "moved.h5", "lost", *drafts}:
        raise WrongError(f"files are left behind: {left}")
    noise = top / "stderr"
    if noise.exists() and any(word in noise.read_text() for word in ("HDF5", "Fatal", "Exception ignored")):
        raise WrongError(f"a process said: {noise.read_text()[-300:]}")
    return "told" if rows < steps else "good"


def _await(is_so: Callable[[], Any], otherwise: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not is_so():
        if time.monotonic() > deadline:
            raise WrongError(otherwise)
        time.sleep(0.0005)


def _is_gone(process: int) -> bool:
    try:
        return os.waitpid(process, os.WNOHANG)[0] == process
    except ChildProcessError:
        return True


def _sweep_up(processes: set[int]) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
        deadline = time.monotonic() + _PATIENCE
        while not _is_gone(process) and time.monotonic() < deadline:
            time.sleep(0.001)


def prepare() -> None:
    """Load what is loaded late, once for all; be the parent of those whose parent has ended, to wait for them."""
    with tempfile.TemporaryDirectory() as folder:
        record(Path(folder, "run.h5"), size=4, steps=3, late=2)
    # An interpreter that ends looks at everything else, which is then copied.
    gc.freeze()
    pr_set_child_subreaper = 36
    ctypes.CDLL(None).prctl(pr_set_child_subreaper, 1, 0, 0, 0)


def outermost(act: Callable[[], Any]) -> None:
    """Do something that forks runs; each of their processes ends where its caller does, as an interpreter."""
    try:
        act()
    except Ended as ended:
        act = ended.act
    else:
        return
    with suppress(Ended):
        act()
