"""A script is recorded and notices nothing of it."""

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch

import dyn
from dyn.recorders.scripts.launch import Script
from dyn.recorders.scripts.script import record_script

QUICKSTART = Path(__file__).parents[3] / "examples" / "scripts" / "quickstart.py"

# Numbers that depend on the order of everything random: initial weights, shuffling, workers, dropout.
WITH_WORKERS = """
import os, sys
os.environ["OMP_NUM_THREADS"] = "2"
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

class Noise(Dataset):
    def __len__(self): return 24
    def __getitem__(self, k): return torch.randn(4) + k

if __name__ == "__main__":
    torch.manual_seed(int(sys.argv[1]))
    model = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.3), nn.Linear(8, 1))
    optimizer = torch.optim.Adam(model.parameters())
    for epoch in range(2):
        for x in DataLoader(Noise(), batch_size=4, shuffle=True, num_workers=2):
            loss = model(x).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            print(loss.item().hex())
    torch.save(model, "model.pt")
    print(torch.get_num_threads(), [p.sum().item().hex() for p in model.parameters()])
"""

WITH_CHILDREN = """
import multiprocessing, os, sys
import torch
from torch import nn

class Net(nn.Linear):
    pass

def train(model, steps, say=False):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(steps):
        model(torch.ones(1, 3)).sum().backward()
        optimizer.step()
    if say:
        print(type(model).__module__, "dyn" in sys.modules, flush=True)

if __name__ == "__main__":
    train(Net(3, 2), 2)
    for method in ("spawn", "fork"):
        child = multiprocessing.get_context(method).Process(target=train, args=(Net(3, 2), 5, method == "spawn"))
        child.start()
        child.join()
        assert child.exitcode == 0
    # A child that goes on to the end of the script.
    if child := os.fork():
        os.waitpid(child, 0)
"""

BOUND_EARLY = """
import torch
from torch.autograd import backward
from torch.nn import Linear

model = Linear(3, 1)
backward(model(torch.ones(4, 3)).square().mean())
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for _ in range(3):
    optimizer.step()
    optimizer.zero_grad()
    loss = model(torch.ones(4, 3)).square().mean()
    print(loss.item())
    backward(loss)
"""

FAILS_DEEP_WITHIN = """
import torch
p = torch.ones(2, requires_grad=True)
optimizer = torch.optim.LBFGS([p])

def closure():
    (p * 2).backward()

optimizer.step(closure)
"""

WITHOUT_END = """
import torch
p = torch.ones(1, requires_grad=True)
optimizer = torch.optim.SGD([p], lr=0.1)
while True:
    (2 * p).sum().backward()
    optimizer.step()
    print("a step", flush=True)
"""


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    # Several threads on a busy machine take long to agree on a small matrix.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    options = {"cwd": folder, "env": environment, "capture_output": True, "text": True, "timeout": 120}
    return subprocess.run([sys.executable, *command], **options, check=False)


def record(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run(folder, "-m", "dyn", "record", *arguments)


@pytest.fixture
def process(tmp_path, monkeypatch):
    """Work in an empty folder, and give back at the end what a script takes over."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(sys, "argv", [""])
    monkeypatch.setattr(sys, "path", list(sys.path))


def record_here(source: str) -> tuple[object, list[str]]:
    """Record a script in this process; return the exception or exit code that it ended with, and what was said."""
    Path("train.py").write_text(source)
    said: list[str] = []
    try:
        record_script(Script("train.py"), Path("run.h5"), report=said.append)
    except SystemExit as error:
        return error.code, said
    except BaseException as error:
        return error, said
    return 0, said


@pytest.mark.slow
def test_a_training_with_workers_is_the_same_to_the_last_bit(tmp_path):
    (tmp_path / "train.py").write_text(WITH_WORKERS)
    plain = run(tmp_path, "train.py", "3")
    plain_model = (tmp_path / "model.pt").read_bytes()
    recorded = record(tmp_path, "train.py", "-o", "run.h5", "--", "3")
    assert (recorded.returncode, plain.returncode) == (0, 0), recorded.stderr
    # The number of threads too: the variable that says it was set after dyn had started, and counts all the same.
    assert recorded.stdout == plain.stdout
    assert (tmp_path / "model.pt").read_bytes() == plain_model
    with dyn.open(tmp_path / "run.h5") as recording:
        assert (recording.status, len(recording)) == ("complete", 13)
        losses = [float.fromhex(line) for line in plain.stdout.splitlines()[:-1]]
        assert recording.scalars["loss"][:-1].tolist() == losses
        assert recording.config == {
            "script": "train.py", "arguments": ["3"], "optimizer": "Adam", "trains": "model"
        }  # fmt: skip
    assert all(line.startswith("dyn: run.h5: ") for line in recorded.stderr.splitlines())


@pytest.mark.slow
def test_children_train_unrecorded(tmp_path):
    (tmp_path / "train.py").write_text(WITH_CHILDREN)
    done = record(tmp_path, "train.py")
    assert (done.returncode, done.stdout) == (0, "__mp_main__ False\n"), done.stderr
    assert done.stderr.splitlines()[1:] == ["dyn: train.h5: 3 rows, complete"]
    assert {path.name for path in tmp_path.glob("*.h5")} == {"train.h5"}


def test_a_backward_that_was_bound_before_there_was_an_optimizer(tmp_path):
    (tmp_path / "train.py").write_text(BOUND_EARLY)
    done = record(tmp_path, "train.py")
    assert done.returncode == 0, done.stderr
    with dyn.open(tmp_path / "train.h5") as recording:
        losses = recording.scalars["loss"][:]
        assert recording.step[:].tolist() == [0, 1, 2, 3]
        assert losses[1:3].tolist() == [float(line) for line in done.stdout.split()][:2]
        weight, bias = (torch.from_numpy(recording.parameters[name][0]) for name in ("weight", "bias"))
        assert losses[0] == torch.nn.functional.linear(torch.ones(4, 3), weight, bias).square().mean().item()


@pytest.mark.slow
def test_a_traceback_from_deep_within_shows_nothing_of_ours(tmp_path):
    (tmp_path / "train.py").write_text(FAILS_DEEP_WITHIN)
    recorded = record(tmp_path, "train.py")
    plain = run(tmp_path, "train.py")
    said = [line for line in recorded.stderr.splitlines() if line.startswith("dyn: ")]
    assert recorded.stderr.splitlines()[len(said) :] == plain.stderr.splitlines()
    assert (recorded.returncode, said[-1]) == (1, "dyn: train.h5: 1 rows, aborted")


@pytest.mark.slow
def test_an_interrupt_ends_the_script_as_python_would(tmp_path):
    (tmp_path / "train.py").write_text(WITHOUT_END)
    # Tests that run in the background of a shell inherit an ignored SIGINT.
    heed = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    command = [sys.executable, "-m", "dyn", "record", "train.py"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=heed
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "a step\n"
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=300)
        finally:
            process.kill()
    # Which a shell calls 130.
    assert process.returncode == -signal.SIGINT
    assert err.splitlines()[-1] == "KeyboardInterrupt"
    assert "recorders" not in err
    with dyn.open(tmp_path / "train.h5") as recording:
        assert recording.status == "aborted"


@pytest.mark.slow
def test_the_quickstart_of_the_docs(tmp_path):
    done = record(tmp_path, str(QUICKSTART), "--every", "10")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("Done!\n")
    with dyn.open(tmp_path / "quickstart.h5") as recording:
        assert recording.step[:].tolist() == list(range(0, 121, 10))
        assert "linear_relu_stack.4.weight" in recording.parameters
        loss = recording.scalars["loss"]
        assert loss[11] < loss[0] / 2


STEP = """
import sys, torch
p = torch.ones(1, requires_grad=True)
(2 * p).sum().backward()
torch.optim.SGD([p], lr=1.0).step()
"""


@pytest.mark.usefixtures("process")
@pytest.mark.parametrize(
    ("ending", "code", "status"),
    [
        ("", 0, "complete"),
        ("sys.exit()", None, "complete"),
        ("sys.exit(0)", 0, "complete"),
        ("sys.exit(3)", 3, "aborted"),
    ],
)
def test_how_a_script_ends_says_how_its_recording_does(ending, code, status):
    ended, said = record_here(f"{STEP}{ending}")
    assert (ended, said[-1]) == (code, f"run.h5: 2 rows, {status}")


@pytest.mark.usefixtures("process")
def test_what_a_script_raises_comes_out():
    ended, said = record_here(f"{STEP}raise ZeroDivisionError")
    assert isinstance(ended, ZeroDivisionError)
    assert said[-1] == "run.h5: 2 rows, aborted"


@pytest.mark.usefixtures("process")
@pytest.mark.parametrize(("ending", "code"), [("", 1), ("sys.exit()", 1), ("sys.exit(5)", 5)])
def test_a_script_that_trains_nothing_is_no_success(ending, code):
    ended, said = record_here(f"import sys, torch\n{ending}")
    assert (ended, len(said)) == (code, 1)
    assert "nothing was recorded: the script took no optimizer step" in said[0]
    assert list(Path().glob("*.h5")) == []


@pytest.mark.usefixtures("process")
def test_a_script_without_torch_leaves_the_imports_as_they_were(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch")
    finders = list(sys.meta_path)
    ended, said = record_here("import json")
    assert (ended, len(said), sys.meta_path) == (1, 1, finders)


@pytest.mark.usefixtures("process")
def test_a_tracking_that_fails_to_begin_harms_nothing(monkeypatch):
    monkeypatch.setattr("dyn.recorders.scripts.tracking.Tracking.__enter__", lambda _: 1 / 0)
    ended, said = record_here(f"{STEP}sys.exit(4)")
    assert (ended, said[0]) == (4, "nothing can be recorded: division by zero")


@pytest.mark.usefixtures("process")
def test_of_a_module_that_is_not_there_python_alone_speaks():
    said: list[str] = []
    with pytest.raises(SystemExit, match="nowhere_at_all"):
        record_script(Script("nowhere_at_all.train", is_module=True), Path("run.h5"), report=said.append)
    assert said == []
