"""A small training to record, and readers of the outcome."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import dyn
from dyn.recorders.file.store import Store
from dyn.recorders.ring.ring import Ring
from dyn.recorders.step.row import RowFiller
from dyn.recorders.step.state import HotPath, PythonHotPath


class Regression:
    """A layer that is fit to one fixed batch, so that every loss can be computed again from W and b."""

    def __init__(self, optimizer: Callable[..., torch.optim.Optimizer] = torch.optim.SGD, **options: Any):
        generator = torch.Generator().manual_seed(0)
        self.x = torch.rand(8, 3, generator=generator)
        self.target = torch.rand(8, 4, generator=generator)
        self.model = nn.Linear(3, 4)
        for p in self.model.parameters():
            nn.init.normal_(p, generator=generator)
        self.optimizer = optimizer(self.model.parameters(), **{"lr": 0.1, **options})
        self.losses: list[float] = []

    def loss(self, weight: Tensor, bias: Tensor) -> Tensor:
        return (nn.functional.linear(self.x, weight, bias) - self.target).square().mean()

    def loss_of_row(self, recording: dyn.Recording, row: int) -> float:
        weight, bias = (torch.from_numpy(recording.parameters[name][row]) for name in ("weight", "bias"))
        return float(self.loss(weight, bias))

    def step(self, recorder: dyn.Recorder | None = None, **scalars: Any) -> None:
        """Take one step as LBFGS wants it, which suits every optimizer; every evaluation of the loss is logged."""

        def closure() -> Tensor:
            self.optimizer.zero_grad()
            loss = self.loss(self.model.weight, self.model.bias)
            loss.backward()
            if recorder is not None:
                recorder.log(loss=loss, **scalars)
            # torch warns where a loss with a graph becomes a number.
            return loss.detach()

        if isinstance(self.optimizer, torch.optim.LBFGS):
            self.losses.append(float(self.optimizer.step(closure)))
        else:
            self.losses.append(float(closure()))
            self.optimizer.step()

    def train(self, steps: int, recorder: dyn.Recorder | None = None) -> "Regression":
        for _ in range(steps):
            self.step(recorder)
        return self

    def state(self) -> list[np.ndarray]:
        """Copies of weight and bias."""
        return [p.detach().numpy().copy() for p in self.model.parameters()]


@pytest.fixture(scope="session")
def make_regression() -> type[Regression]:
    return Regression


@pytest.fixture
def regression() -> Regression:
    return Regression()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.h5"


@pytest.fixture(params=["in C", "in Python"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How the usual step is taken; a test that asks for it runs both ways."""
    if request.param == "in Python":
        monkeypatch.setattr(RowFiller, "_prepare_quick_way", lambda _: None)
    elif HotPath is PythonHotPath:
        assert "CI" not in os.environ, "the extension recorders/step/_hotpath.c was not built"
        pytest.skip("the extension in C was not built")
    return request.param


@pytest.fixture
def recorded(path: Path) -> Path:
    """A finished recording of ten steps."""
    regression = Regression()
    with dyn.attach(regression.model, regression.optimizer, path, config={"lr": 0.1}) as recorder:
        regression.train(10, recorder)
    return path


@pytest.fixture
def left() -> Callable[..., Regression]:
    """A function that leaves a recording as a training does whose process dies, with its ring, and gives its training.

    With a small ring some of its rows are in the file.
    """

    def leave(path: Path, steps: int = 6, **options: Any) -> Regression:
        run = Regression()
        recorder = dyn.attach(run.model, run.optimizer, path, writer="inline", **options)
        run.train(steps, recorder)
        recorder._writer.abandon()
        recorder._ring.release()
        recorder._detach()
        return run

    return leave


@pytest.fixture
def small_ring(monkeypatch: pytest.MonkeyPatch) -> int:
    """A ring that is full, and so written to the file, after this many rows."""
    for least_or_most in ("_RING_ROWS", "_LEAST_ROWS"):
        monkeypatch.setattr(f"dyn.recorders.writing.start.{least_or_most}", 4)
    return 4


@pytest.fixture
def elsewhere() -> Callable[[str, Path], Any]:
    """A function that computes an expression of the recording *r* at a path, in a process of its own."""

    def evaluate(expression: str, path: Path) -> Any:
        program = f"import dyn, json, sys\nwith dyn.open(sys.argv[1]) as r: print(json.dumps({expression}))"
        command = [sys.executable, "-c", program, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return evaluate


@pytest.fixture(scope="session")
def graveyard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of trainings that were killed; see killed_training.py."""
    if not hasattr(os, "fork"):
        pytest.skip("no fork on this system")
    folder = tmp_path_factory.mktemp("graveyard")
    program = Path(__file__).with_name("killed_training.py")
    subprocess.run([sys.executable, str(program), str(folder)], check=True, timeout=300)
    return folder


@pytest.fixture
def killed(graveyard: Path, tmp_path: Path) -> Callable[[str], tuple[Path, np.ndarray]]:
    """A function that lays what a killed training left into the test's folder, and tells the truth about its steps."""

    def exhume(name: str) -> tuple[Path, np.ndarray]:
        for file in graveyard.glob(f"{name}.h5*"):
            shutil.copyfile(file, tmp_path / file.name)
        return tmp_path / f"{name}.h5", np.fromfile(graveyard / f"{name}.truth").reshape(-1, 18)

    return exhume


@pytest.fixture
def as_truth() -> Callable[[Any], np.ndarray]:
    """A function that puts the rows of a Recording, or of a plain HDF5 file, in the way of the truth."""

    def rows_of(source: Any) -> np.ndarray:
        if isinstance(source, dyn.Recording):
            scalars, parameters = source.scalars, source.parameters
            arrays = [source.step, scalars["loss"], parameters["weight"], parameters["bias"]]
        else:
            arrays = [source[name] for name in ("step", "scalars/loss", "parameters/weight", "parameters/bias")]
        return np.column_stack([np.asarray(array).reshape(len(array), -1) for array in arrays])

    return rows_of


@pytest.fixture
def around_each_call() -> Callable[..., AbstractContextManager[None]]:
    """A context in which an action is done before and after each call of some functions: those that write."""
    writing = [(os, "pwrite"), (os, "ftruncate"), (Path, "replace"), (Path, "unlink"), (Path, "write_bytes")]
    writing += [(Store, "_append"), (Store, "_commit"), (Store, "_close_live"), (Ring, "_set_word")]

    @contextmanager
    def around(action: Callable[[], None], functions: Sequence[tuple[Any, str]] = writing) -> Iterator[None]:
        def watched(function: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **options: Any) -> Any:
                action()
                result = function(*args, **options)
                action()
                return result

            return call

        with pytest.MonkeyPatch.context() as patch:
            for owner, name in functions:
                patch.setattr(owner, name, watched(getattr(owner, name)))
            yield

    return around


@pytest.fixture
def snapshots(
    around_each_call: Callable[..., Any], tmp_path: Path
) -> Callable[[Path], AbstractContextManager[list[Path]]]:
    """A context that copies a recording at each moment at which its writer may be killed; it gives the copies."""

    @contextmanager
    def taken(path: Path) -> Iterator[list[Path]]:
        copies: list[Path] = []

        def copy() -> None:
            folder = tmp_path / f"moment_{len(copies)}"
            folder.mkdir()
            for file in path.parent.glob(f"{path.name}*"):
                shutil.copyfile(file, folder / file.name)
            copies.append(folder / path.name)

        with around_each_call(copy):
            yield copies

    return taken
