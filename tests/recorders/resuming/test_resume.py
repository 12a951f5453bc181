"""A training that goes on from a checkpoint is the one that was never interrupted, bit for bit."""

import random
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler

import dyn
from dyn.dynamics.errors import RecordingError, SettingError
from dyn.dynamics.experiments import find_experiment
from dyn.recorders.compact import compact
from dyn.recorders.experiment import record_experiment
from dyn.recorders.resuming.branch import branch_of
from dyn.recorders.writing.repair import repair

STEPS, MORE, PACE = 60, 500, 7
OPTIMIZERS: dict[str, Callable[[list[nn.Parameter]], torch.optim.Optimizer]] = {
    "SGD": lambda p: torch.optim.SGD(p, 0.05, momentum=0.9),
    "Adam": lambda p: torch.optim.Adam(p, 1e-2),
    "AdamW": lambda p: torch.optim.AdamW(p, 1e-2),
    "LBFGS": lambda p: torch.optim.LBFGS(p, 0.1, max_iter=2, history_size=5),
    "Muon": lambda p: torch.optim.Muon(p, 1e-2),
}


@pytest.fixture(autouse=True)
def one_thread():
    """Small matrices are not worth threads, which wait for each other on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


class Run:
    """A training with dropout, running averages and random data, all from the generators."""

    def __init__(self, optimizer: str, seed: int = 0):
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        random.seed(seed)
        bias = optimizer != "Muon"
        norm = nn.BatchNorm1d(8, affine=bias)
        self.model = nn.Sequential(nn.Linear(6, 8, bias=bias), norm, nn.Dropout(0.2), nn.Linear(8, 3, bias=bias))
        self.optimizer = OPTIMIZERS[optimizer](list(self.model.parameters()))
        self.schedule: LRScheduler = CosineAnnealingLR(self.optimizer, STEPS + MORE)
        self.generator = np.random.default_rng(seed)

    def train(self, begin: int, end: int) -> None:
        for _ in range(begin, end):
            shift = self.generator.normal() + np.random.rand() + random.random()  # noqa: NPY002
            x = torch.randn(16, 6) + shift
            self.optimizer.step(lambda x=x: self._loss(x))
            self.schedule.step()

    def _loss(self, x: Tensor) -> Tensor:
        self.optimizer.zero_grad()
        loss = (self.model(x) - x[:, :3]).square().mean()
        loss.backward()
        return loss

    def state(self) -> list[bytes]:
        return [each.numpy().tobytes() for each in self.model.state_dict().values()]


def recorded(path, optimizer, steps=STEPS, **options):
    run = Run(optimizer)
    options = {"checkpoint_every": PACE} | options
    with dyn.attach(run.model, run.optimizer, path, **options) as recorder:
        recorder.keep(run.schedule, run.generator)
        run.train(0, steps)
    return run


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_continued_run_equals_the_uninterrupted_one(tmp_path, optimizer):
    recorded(tmp_path / "run.h5", optimizer)
    step = random.Random(optimizer).choice(range(0, STEPS, PACE))
    whole = Run(optimizer)
    whole.train(0, step + MORE)
    continued = Run(optimizer, seed=9)
    with dyn.open(tmp_path / "run.h5") as recording:
        assert recording.checkpoints == [*range(0, STEPS, PACE), STEPS]
        begin = recording.resume_into(
            continued.model, continued.optimizer, continued.schedule, continued.generator, step=step
        )
    continued.train(begin, step + MORE)
    assert begin == step
    assert continued.state() == whole.state()


def test_the_end_of_a_run_is_a_checkpoint(tmp_path):
    run, longer = recorded(tmp_path / "run.h5", "Adam"), Run("Adam", seed=9)
    with dyn.open(tmp_path / "run.h5") as recording:
        recording.resume_into(longer.model, longer.optimizer, longer.schedule, longer.generator, step=STEPS)
    assert longer.state() == run.state()
    longer.train(STEPS, STEPS + 50)
    whole = Run("Adam")
    whole.train(0, STEPS + 50)
    assert longer.state() == whole.state()


def test_a_step_without_a_checkpoint_names_the_nearest(tmp_path):
    run = recorded(tmp_path / "run.h5", "Adam")
    with dyn.open(tmp_path / "run.h5") as recording, pytest.raises(SettingError, match="nearest: 7 and 14"):
        recording.resume_into(run.model, run.optimizer, run.schedule, run.generator, step=10)


def test_a_recording_without_checkpoints_says_how_they_are_kept(tmp_path):
    run = Run("Adam")
    with dyn.attach(run.model, run.optimizer, tmp_path / "run.h5") as recorder:
        run.train(0, 3)
        with pytest.raises(SettingError, match="checkpoint_every=K"):
            recorder.keep(run.schedule)
    with dyn.open(tmp_path / "run.h5") as recording, pytest.raises(RecordingError, match="checkpoint_every=K"):
        recording.resume_into(run.model, run.optimizer, step=0)


def test_what_does_not_fit_is_refused(tmp_path):
    recorded(tmp_path / "run.h5", "Adam")
    other, fitting = Run("SGD"), Run("Adam")
    before = other.state()
    with dyn.open(tmp_path / "run.h5") as recording:
        with pytest.raises(SettingError, match="got SGD"):
            recording.resume_into(other.model, other.optimizer, other.schedule, other.generator, step=7)
        with pytest.raises(SettingError, match="no state of a Random"):
            recording.resume_into(fitting.model, fitting.optimizer, random.Random(0), step=7)
        with pytest.warns(UserWarning, match="CosineAnnealingLR"):
            recording.resume_into(fitting.model, fitting.optimizer, fitting.generator, step=7)
    assert other.state() == before


@pytest.mark.parametrize("every", [0, -1, 2.5, True, "7"])
def test_a_pace_that_is_none_is_refused(tmp_path, every):
    run = Run("Adam")
    with pytest.raises(SettingError, match="checkpoint_every="):
        dyn.attach(run.model, run.optimizer, tmp_path / "run.h5", checkpoint_every=every)
    assert not any(tmp_path.iterdir())


def test_checkpoints_of_a_live_recording_are_read_and_survive_compacting(tmp_path):
    path, run = tmp_path / "run.h5", Run("Adam")
    with dyn.attach(run.model, run.optimizer, path, checkpoint_every=5) as recorder:
        recorder.keep(run.schedule, run.generator)
        run.train(0, 12)
        with dyn.open(path) as recording:
            assert recording.checkpoints == [0, 5, 10]
    compact(path)
    whole = Run("Adam")
    whole.train(0, 40)
    continued = Run("Adam", seed=3)
    with dyn.open(path) as recording:
        assert recording.checkpoints == [0, 5, 10, 12]
        continued.train(
            recording.resume_into(
                continued.model, continued.optimizer, continued.schedule, continued.generator, step=10
            ),
            40,
        )
        recording.to_xarray()
    assert continued.state() == whole.state()
    assert [each.name for each in tmp_path.iterdir()] == ["run.h5"]


def test_rows_are_the_same_with_checkpoints_and_without(tmp_path):
    recorded(tmp_path / "with.h5", "Adam", checkpoint_every=1)
    recorded(tmp_path / "few.h5", "Adam", checkpoint_every=1000)
    with dyn.open(tmp_path / "with.h5") as many, dyn.open(tmp_path / "few.h5") as few:
        assert many.checkpoints == [*range(STEPS + 1)]
        assert few.checkpoints == [0, STEPS]
        assert np.array_equal(many.step[:], np.arange(STEPS + 1))
        assert all(np.array_equal(many.parameters[name][:], few.parameters[name][:]) for name in few.parameters)


def test_steps_taken_back_take_their_checkpoints_with_them(tmp_path):
    run = recorded(tmp_path / "run.h5", "Adam")
    with dyn.attach(run.model, run.optimizer, tmp_path / "run.h5", resume=20, checkpoint_every=100):
        run.train(20, 25)
    with dyn.open(tmp_path / "run.h5") as recording:
        assert recording.checkpoints == [0, 7, 14, 20, 25]


KILLED = """
import os, signal, sys
import torch, dyn
torch.manual_seed(0)
model = torch.nn.Linear(40, 40)
optimizer = torch.optim.Adam(model.parameters())
recorder = dyn.attach(model, optimizer, sys.argv[1], checkpoint_every=10)
for k in range(36):
    optimizer.zero_grad()
    model(torch.randn(8, 40)).square().mean().backward()
    optimizer.step()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_kill_loses_no_checkpoint(tmp_path):
    path = tmp_path / "run.h5"
    subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    with dyn.open(path) as recording:
        assert (recording.status, recording.checkpoints) == ("aborted", [0, 10, 20, 30])
    log = tmp_path / "run.h5.checkpoints"
    # As a kill in the middle of writing one leaves it: its length is not there yet.
    with log.open("ab") as file:
        file.write(bytes(100))
    kept = [continued_weights(path)]
    repair(path)
    assert not log.exists()
    assert [*kept, kept[0]] == [kept[0], continued_weights(path)]


def continued_weights(path):
    model = nn.Linear(40, 40)
    optimizer = torch.optim.Adam(model.parameters())
    with dyn.open(path) as recording:
        recording.resume_into(model, optimizer, step=30)
        assert torch.equal(model.weight.detach(), torch.from_numpy(recording.parameters["weight"][30]))
    return [each.numpy().tobytes() for each in (model.weight.detach(), optimizer.state[model.weight]["exp_avg"])]


def test_a_branch_with_nothing_changed_is_the_run_itself(tmp_path):
    entry = find_experiment("geometry").with_settings(steps=60)
    record_experiment(entry, tmp_path / "run.h5", checkpoint_every=20)
    with dyn.open(tmp_path / "run.h5") as run:
        for name, changes in (("same.h5", {}), ("other.h5", {"lr": 0.01})):
            branch = branch_of(run, 40)
            changed = branch.experiment.with_settings(**changes)
            record_experiment(changed, tmp_path / name, branch=branch)
        with dyn.open(tmp_path / "same.h5") as same, dyn.open(tmp_path / "other.h5") as other:
            assert same.config["branched_from"].endswith("run.h5@40")
            assert np.array_equal(same.step[:], run.step[40:])
            assert np.array_equal(same.parameters["W"][:], run.parameters["W"][40:])
            assert np.array_equal(same.scalars["loss"][:], run.scalars["loss"][40:], equal_nan=True)
            parts = (other.parameters["W"][:] != run.parameters["W"][40:]).any(axis=(1, 2))
        assert parts.tolist() == [False] + [True] * 20


class WithExtraState(nn.Linear):
    """A layer that keeps something beside its tensors."""

    count = 0

    def get_extra_state(self):
        return {"count": self.count}

    def set_extra_state(self, state):
        self.count = state["count"]


def test_what_a_module_keeps_beside_its_tensors_comes_back(tmp_path):
    def made():
        model = WithExtraState(2, 2)
        return model, torch.optim.SGD(model.parameters(), 0.1)

    model, optimizer = made()
    with dyn.attach(model, optimizer, tmp_path / "run.h5", checkpoint_every=2):
        for _ in range(4):
            model(torch.randn(3, 2)).square().mean().backward()
            model.count += 1
            optimizer.step()
    model, optimizer = made()
    assert dyn.open(tmp_path / "run.h5").resume_into(model, optimizer, step=4) == 4
    assert model.count == 4


class Keeps:
    """Something whose state is *state*, from its second checkpoint on."""

    def __init__(self, state: Callable[[], object]):
        self.state, self.calls, self.loaded = state, 0, None

    def state_dict(self):
        self.calls += 1
        return {"kept": self.state()} if self.calls > 2 else {}

    def load_state_dict(self, state):
        self.loaded = state


def record_keeping(path, state):
    model = nn.Linear(2, 2)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with dyn.attach(model, optimizer, path, checkpoint_every=2) as recorder:
        recorder.keep(Keeps(state))
        for _ in range(6):
            model(torch.randn(3, 2)).square().mean().backward()
            optimizer.step()
    return model, optimizer


@pytest.mark.parametrize("error", [KeyError("lost"), RuntimeError("no data")])
def test_a_state_that_fails_costs_checkpoints_and_no_rows(tmp_path, error):
    def fails():
        raise error

    with pytest.warns(RuntimeWarning, match="no further checkpoints are kept"):
        record_keeping(tmp_path / "run.h5", fails)
    recording = dyn.open(tmp_path / "run.h5")
    assert (len(recording), recording.status, recording.checkpoints) == (7, "complete", [0])


@pytest.mark.parametrize(
    "state",
    [
        {"a/b": torch.ones(2), "": torch.zeros(2), ".": torch.ones(1), "..": torch.ones(3), "_": torch.ones(4)},
        {0: torch.ones(2), "0": {"a": torch.zeros(2)}},
        {"0": {"a": torch.zeros(2)}, 0: torch.ones(2)},
        tuple([2**70] * 20),
    ],
)
def test_odd_names_and_numbers_are_kept(tmp_path, state):
    model, optimizer = record_keeping(tmp_path / "run.h5", lambda: state)
    again = Keeps(lambda: state)
    dyn.open(tmp_path / "run.h5").resume_into(model, optimizer, again, step=6)
    assert again.loaded is not None
    assert str(again.loaded["kept"]) == str(state)


def test_checkpoints_that_were_damaged_keep_no_rows_back(tmp_path):
    path = tmp_path / "run.h5"
    source = f"""
import os, torch, dyn
model = torch.nn.Linear(2, 2)
optimizer = torch.optim.SGD(model.parameters(), 0.1)
dyn.attach(model, optimizer, {str(path)!r}, checkpoint_every=2)
for _ in range(6):
    model(torch.ones(3, 2)).sum().backward()
    optimizer.step()
os._exit(1)
"""
    subprocess.run([sys.executable, "-c", source], check=False)
    beside = tmp_path / "run.h5.checkpoints"
    whole = beside.read_bytes()
    for damaged in (whole[:90], whole[:88] + b"\xff{]" + whole[91:], whole[:72] + b"\xff" * 8 + whole[80:]):
        beside.write_bytes(damaged)
        assert dyn.open(path).checkpoints == []
    repair(path)
    assert len(dyn.open(path)) == 6
