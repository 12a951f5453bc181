"""Frames drawn by several processes, handed on in their order."""

import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection

import numpy as np

from ...dynamics.errors import RecordingError, SettingError
from ...recorders.interrupts import interrupts_held_back
from ...recorders.reading.recording import open_recording
from ..playback.footage import Footage, FootageSource
from .scene import Scene, Take

_MOST_WORKERS = 64


def check_workers(workers: int, runs: Sequence[Footage]) -> None:
    """Raise SettingError for a number of workers that cannot be had.

    Processes that open a recording one after the other while it is written would see different runs.
    """
    if not 1 <= workers <= _MOST_WORKERS:
        raise SettingError(f"workers={workers} is not 1 to {_MOST_WORKERS}")
    for run in runs:
        if workers > 1 and run.selection.recording.status == "recording":
            raise SettingError(f"workers={workers}: {run.selection.recording.path} is still being written; use 1")


def draw_frames(
    runs: Sequence[Footage], take: Take, workers: int, progress: Callable[[Iterable[int]], Iterable[int]]
) -> Iterator[np.ndarray]:
    """Yield the pixels of every frame, in order; they hold until the next frame. *progress* wraps the numbers."""
    frames = progress(range(len(take.steps)))
    if workers == 1:
        yield from map(Scene(runs, take).draw, frames)
        return
    with _started(runs, take, workers) as connections:
        for frame in frames:
            try:
                drawn = connections[frame % workers].recv()
            except EOFError:
                raise RecordingError(f"a worker ended before it had drawn frame {frame}; use workers=1") from None
            if isinstance(drawn, Exception):
                raise drawn
            yield drawn


@contextmanager
def _started(runs: Sequence[Footage], take: Take, workers: int) -> Iterator[list[Connection]]:
    """Start the workers and give what each of them sends its frames through; end them however this ends."""
    # A process that is forked would take along whatever other threads of this one were doing.
    context = multiprocessing.get_context("spawn")
    sources = [run.source for run in runs]
    processes, connections = [], []
    try:
        for k in range(workers):
            receiver, sender = context.Pipe(duplex=False)
            frames = range(k, len(take.steps), workers)
            processes.append(context.Process(target=_work, args=(sources, take, frames, sender), daemon=True))
            with interrupts_held_back():
                processes[-1].start()
            connections.append(receiver)
            # The only other end is the worker's then, and its death is noticed.
            sender.close()
        yield connections
    finally:
        for process in processes:
            process.terminate()
            process.join()


def _work(sources: Sequence[FootageSource], take: Take, frames: Iterable[int], sender: Connection) -> None:
    """Draw some of the frames; sending waits until the one before has been taken, so few are held."""
    try:
        with ExitStack() as stack:
            runs = [Footage.again(source, stack.enter_context(open_recording(source.path))) for source in sources]
            scene = Scene(runs, take)
            for frame in frames:
                sender.send(scene.draw(frame))
    except Exception as error:
        sender.send(error)
