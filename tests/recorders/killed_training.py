"""Trainings that are killed, each with its writer or without; a program: python killed_training.py FOLDER.

Training NAME records into NAME.h5 and tells the truth in NAME.truth: step, loss, weight and bias as 18 doubles for each
step that has returned.
"""

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

import dyn
from dyn.recorders.ring.lock import is_held
from dyn.recorders.ring.paths import ring_path
from dyn.recorders.writing import start

_RECORD_BYTES = 18 * 8
_SECONDS = 300.0
# A recording holds 256 scalars.
_MOST_LATE = 200

TRAININGS: dict[str, dict[str, Any]] = {
    "inline": {"writer": "inline"},
    "inline_late": {"writer": "inline", "late": True},
    "orphan": {"writer": "process"},
    "both": {"writer": "process"},
    "both_late": {"writer": "process", "late": True},
    "full_ring": {"writer": "process"},
    "at_once": {"writer": "process"},
}


def make() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    model = torch.nn.Linear(3, 4)
    return model, torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)


def train(folder: Path, name: str, *, late: bool = False, **options: Any) -> None:
    """Train for ever, with a ring of eight rows; *late*: with a new scalar every twenty steps."""
    start._RING_ROWS = start._LEAST_ROWS = 8
    generator = torch.Generator().manual_seed(0)
    x, target = torch.rand(8, 3, generator=generator), torch.rand(8, 4, generator=generator)
    model, optimizer = make()
    truth = os.open(folder / f"{name}.truth", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    recorder = dyn.attach(model, optimizer, folder / f"{name}.h5", **options)
    if options["writer"] == "process":
        (folder / f"{name}.writer").write_text(str(recorder._writer._process.pid))
    for step in range(sys.maxsize):
        optimizer.zero_grad()
        loss = (model(x) - target).square().mean()
        loss.backward()
        known = [step, loss.item(), *model.weight.flatten().tolist(), *model.bias.tolist()]
        recorder.log(loss=loss, **({f"late_{step // 20}": step} if late and step < 20 * _MOST_LATE else {}))
        optimizer.step()
        os.write(truth, np.array(known).tobytes())


def kill(folder: Path, name: str, training: int) -> None:
    """Kill a training, and its writer unless that is to finish by itself."""
    text = folder / f"{name}.writer"
    writer = int(text.read_text()) if text.exists() else None
    if writer is not None and name == "full_ring":
        os.kill(writer, signal.SIGSTOP)
        wait_for(lambda: has_stopped_for_want_of_room(folder, name))
    # One that is stopped does not notice that its writer is gone.
    os.kill(training, signal.SIGSTOP)
    if writer is not None and name != "orphan":
        os.kill(writer, signal.SIGKILL)
    os.kill(training, signal.SIGKILL)
    os.waitpid(training, 0)


def has_stopped_for_want_of_room(folder: Path, name: str) -> bool:
    before = steps(folder, name)
    time.sleep(0.2)
    return steps(folder, name) == before


def steps(folder: Path, name: str) -> int:
    truth = folder / f"{name}.truth"
    return truth.stat().st_size // _RECORD_BYTES if truth.exists() else 0


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _SECONDS
    while not condition():
        if time.monotonic() > deadline:
            sys.exit("a training did not get that far")
        time.sleep(0.002)


def main(folder: Path) -> None:
    # Loads what torch and the toolkit load late, once for all.
    dyn.attach(*make(), folder / "warm_up.h5", writer="inline").close()
    trainings = {}
    for name, options in TRAININGS.items():
        trainings[name] = os.fork()
        if not trainings[name]:
            train(folder, name, **options)
    # Before its writer has even begun, which takes a while.
    trainings = {"at_once": trainings.pop("at_once"), **trainings}
    for name, training in trainings.items():
        enough = 1 if name == "at_once" else 100
        wait_for(lambda name=name, enough=enough: steps(folder, name) >= enough)
        kill(folder, name, training)
    for name in trainings:
        wait_for(lambda name=name: not is_held(ring_path(folder / f"{name}.h5")))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
