"""A sweep of a few small tasks, and tasks that misbehave."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path

import cloudpickle
import pytest

from dyn.recorders.sweeps.paper import plan_sweep
from dyn.recorders.sweeps.plan import SweepPlan
from dyn.recorders.sweeps.tasks import SweepTask

SMALL = ("n_features=4", "n_hidden=2", "batch_size=16", "steps=20", "evaluation_size=64", "density=0.5")


@pytest.fixture
def small() -> SweepPlan:
    """Four tasks, one for each rate, each of two models."""
    return plan_sweep("energy-levels", ["lr=0.1,0.03,0.01,0.003"], SMALL, repeat=2)


@dataclass(frozen=True)
class Misbehaving(SweepTask):
    """A task that raises as long as a file is there, or removes it and kills its worker."""

    trouble: str = ""
    file: Path = Path()

    def train(self):
        if self.file.exists() and self.trouble == "raise":
            raise ValueError("out of luck")
        if self.file.exists():
            self.file.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return super().train()


@dataclass(frozen=True)
class Troubled(SweepPlan):
    """A plan whose second task misbehaves."""

    trouble: str = ""
    file: Path = field(default_factory=Path)

    def cut(self):
        tasks, failures = super().cut()
        parts = {each.name: getattr(tasks[1], each.name) for each in fields(SweepTask)}
        return [tasks[0], Misbehaving(**parts, trouble=self.trouble, file=self.file), *tasks[2:]], failures


@pytest.fixture
def troubled(small: SweepPlan, tmp_path: Path) -> Iterator[Callable[[str], Troubled]]:
    """A function that returns the small plan with a task that misbehaves until trouble is removed."""
    file = tmp_path / "trouble"
    file.touch()
    # Workers cannot import this file.
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    parts = {each.name: getattr(small, each.name) for each in fields(SweepPlan)}
    yield lambda trouble: Troubled(**parts, trouble=trouble, file=file)
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])
