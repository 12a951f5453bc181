"""Who empties the ring: the training itself, between two steps, or a process of its own beside it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Protocol

import numpy as np

from ...dynamics.errors import RecordingError, unknown_name
from ..file.store import Store
from ..ring.channels import Channel
from ..ring.forks import close, own, when_forked
from ..ring.ring import Ring
from ..schedule.trigger import Trigger, TriggerFilter
from .drain import Derivation, Drain, finish
from .repair import make_whole
from .start import Start, WriterKind

# A reader that does not know of the ring is at most this far behind, in seconds, unless writing takes long: then no
# more than one part in two hundred of the training's time is spent on it.
_LATENCY = 2.0
_WRITING_SHARE = 200
# A row of more bytes takes a training longer to write than it takes a process to be told of it.
_LARGE_ROW = 2**18
# A writer that does nothing for so long while it is waited for is taken for lost; so long it has for dying, in seconds.
_PATIENCE, _DYING = 60.0, 5.0
# How often a training that waits for the writer looks again, in seconds.
_PAUSE = 0.0002
# What NumPy may multiply by has threads that wait for work by spinning: they would take the training's cores.
_ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL")}
# The process has the training's own search path, wherever the toolkit was found.
_PROGRAM = f"""
import json, sys
arguments = json.loads(sys.argv[1])
sys.path[:] = arguments.pop("path")
from {__package__}.writer_process import main
main(**arguments)
"""


class Writer(Protocol):
    """Empties the ring."""

    # From this row on, or from this moment, the training asks for room before it fills a row.
    limit: int
    due: float
    # Seconds that the training has waited for room.
    waited: float

    def make_room(self, row: int) -> bool:
        """Make room for row *row*, waiting if need be; False where there is none and it shall not be waited for."""
        ...

    def close(self) -> None:
        """Write the rows that are left and close the file; the ring says with which status."""
        ...

    def abandon(self) -> None:
        """Stop writing, and leave the file and the ring as they are."""
        ...


class InlineWriter:
    """Writes in the training's own process, whenever the ring is full or a reader has waited long enough."""

    def __init__(self, ring: Ring, path: Path, trigger: Trigger | None = None):
        self.waited = 0.0
        self.limit = ring.capacity
        self.due = time.perf_counter() + _LATENCY
        self._ring = ring
        self._drain = Drain(ring, Store(path), trigger and TriggerFilter(trigger))

    def make_room(self, row: int) -> bool:
        """Write every row that is complete."""
        began = time.perf_counter()
        self._drain.take(self._ring.complete)
        ended = time.perf_counter()
        self.limit = self._ring.tail + self._ring.capacity
        self.due = ended + max(_LATENCY, _WRITING_SHARE * (ended - began))
        return row < self.limit

    def derive(self, derivation: Derivation, sample: Mapping[str, np.ndarray], attributes: Mapping[str, str]) -> None:
        """Record what *derivation* computes, from the row on that is written next."""
        self._drain.derive(derivation, sample, attributes)

    def close(self) -> None:
        """Write the rows that are left and close the file; the ring says with which status."""
        finish(self._drain)

    def abandon(self) -> None:
        """Stop writing, and leave the file and the ring as they are."""
        self._drain.store.abandon()


class ProcessWriter:
    """Has a process of its own write the rows: no torch in it, and no lock that it shares with the training."""

    def __init__(self, ring: Ring, path: Path, trigger: Trigger | None = None, *, wait: bool):
        self.waited = 0.0
        self.limit = ring.capacity
        # Room is asked for when there is none, and every second to see whether the process still lives.
        self.due = time.perf_counter() + _LATENCY
        self._ring = ring
        self._wait = wait
        # How many rows were safe when that was last looked at, and since when it is so while room is asked for.
        self._seen, self._since = 0, time.perf_counter()
        # The writer sees it closed when the training is gone, also where another program has taken its place.
        reader, writer = os.pipe()
        self._lifeline = own(writer)
        try:
            self._process = _start(ring, path, trigger, reader)
        except BaseException:
            close(self._lifeline)
            raise
        finally:
            os.close(reader)
        when_forked(self)

    @property
    def pid(self) -> int:
        """The number of the writer's process."""
        return self._process.pid

    def make_room(self, row: int) -> bool:
        """See how far the writer is, and wait until there is a slot for row *row*."""
        began = time.perf_counter()
        self.limit = self._ring.tail + self._ring.capacity
        while row >= self.limit:
            self._check()
            self._lose_patience()
            if not self._wait:
                return False
            time.sleep(_PAUSE)
            self.limit = self._ring.tail + self._ring.capacity
        self._check()
        ended = time.perf_counter()
        self.waited += ended - began
        self.due = ended + _LATENCY
        self._since = ended
        return True

    def close(self) -> None:
        """Wait until the writer, which the ring tells that no more rows come, has closed the file."""
        self._since = time.perf_counter()
        while self._process.poll() is None:
            self._lose_patience()
            time.sleep(_PAUSE)
        self._check_outcome()

    def abandon(self) -> None:
        """Stop the writer, which leaves the file and the ring as they are."""
        with suppress(RecordingError):
            self._end_by_force()

    def leave_to_parent(self) -> None:
        """Be no parent of the writer, in a forked child."""
        self._process.returncode = 0

    def _lose_patience(self) -> None:
        """Raise WriterLostError where the writer, which is waited for, has done nothing for too long."""
        tail, now = self._ring.tail, time.perf_counter()
        if tail != self._seen:
            self._seen, self._since = tail, now
        if now - self._since > _PATIENCE:
            self._end_by_force()
            raise WriterLostError(f"its writer did nothing for {_PATIENCE:g} seconds")

    def _end_by_force(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
            try:
                self._process.wait(_DYING)
            except subprocess.TimeoutExpired as error:
                # As where it waits for a disk that does not answer.
                raise RecordingError("its writer hangs, and cannot be ended") from error
        self._let_go()

    def _let_go(self) -> None:
        if self._lifeline >= 0:
            close(self._lifeline)
            self._lifeline = -1

    def _check(self) -> None:
        if self._process.poll() is not None:
            self._check_outcome()
            raise RecordingError("its writer ended before the training")

    def _check_outcome(self) -> None:
        self._let_go()
        if self._process.returncode > 0:
            raise RecordingError(self._ring.message or "its writer failed")
        if self._process.returncode < 0:
            raise WriterLostError(f"its writer was killed by signal {-self._process.returncode}")


class WriterLostError(RecordingError):
    """The writer process is gone; the training can write by itself."""


def choose_writer(kind: WriterKind, channels: Sequence[Channel]) -> WriterKind:
    """Return which writer is meant: one in the training for small rows, a process of its own for large ones."""
    if kind not in ("auto", "inline", "process"):
        raise unknown_name("writer", kind, ("auto", "inline", "process"))
    if kind != "auto":
        return kind
    return "process" if sum(channel.nbytes for channel in channels) > _LARGE_ROW and sys.executable else "inline"


def start_writer(start: Start, trigger: Trigger | None, *, wait: bool) -> Writer:
    """Return the writer of a recording that begins."""
    if start.kind == "process":
        return ProcessWriter(start.ring, start.path, trigger, wait=wait)
    return InlineWriter(start.ring, start.path, trigger)


def take_over(lost: Writer, ring: Ring, path: Path, trigger: Trigger | None) -> InlineWriter:
    """Return a writer in this process that goes on where a lost one stopped."""
    make_whole(path)
    writer = InlineWriter(ring, path, trigger)
    writer.waited = lost.waited
    return writer


def _start(ring: Ring, path: Path, trigger: Trigger | None, lifeline: int) -> subprocess.Popen[bytes]:
    """Start the process; it shares the training's locks, and no signal of the training's terminal reaches it."""
    locks = [lock.descriptor for lock in (ring.lock, ring.claim) if lock is not None]
    arguments = {
        "path": sys.path,
        "ring": str(ring.path),
        "recording": str(path),
        "training": os.getpid(),
        # Its standard input.
        "lifeline": 0,
        "trigger": None if trigger is None else asdict(trigger),
    }
    return subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, json.dumps(arguments)],
        stdin=lifeline,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **_ONE_THREAD},
        pass_fds=locks,
        start_new_session=True,
    )
