"""Train a small network by every optimizer of pytorch_optimizer, as it is and recorded as ``dyn record`` does it.

    python benchmarks/packages/every_optimizer.py [NAME...]

Held to what was trained: the same numbers to the last bit, one row a step and the final one, each with the state and
the loss of its step. One that does not train as others do is named with what it says, and not counted.
"""

import sys
import tempfile
import warnings
from collections import Counter
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from pytorch_optimizer import create_optimizer, get_supported_optimizers, load_optimizer
from torch import Tensor, nn

import dyn
from dyn.recorders.scripts.tracking import Tracking

STEPS = 6
# What some have to be told.
SETTINGS = {"bsam": {"num_data": 32}, "ranger21": {"num_iterations": STEPS}}


def net(name: str) -> nn.Module:
    torch.manual_seed(0)
    # One draws by NumPy whether a step does more.
    np.random.seed(0)  # noqa: NPY002
    # One takes matrices only.
    bias = name != "spectralsphere"
    return nn.Sequential(nn.Linear(6, 8, bias=bias), nn.ReLU(), nn.Linear(8, 4, bias=bias))


def make(name: str, model: nn.Module) -> torch.optim.Optimizer:
    """Make an optimizer; for those of several processes, this is the only one."""
    if name in ("demo", "distributedmuon") and not dist.is_initialized():
        dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    if name == "distributedmuon":
        return load_optimizer(name)([{"params": list(model.parameters()), "use_muon": False}], lr=1e-2)
    return create_optimizer(model, name, lr=1e-2, **SETTINGS.get(name, {}))


def train(name: str, way: str) -> tuple[list[Tensor], list[float]]:
    """Return the states at which the losses were computed and the final one, each as one vector, and the losses.

    Some are stepped as they are, some with a closure, and some with one that returns the loss of the pass before.
    """
    model = net(name)
    draw = torch.Generator().manual_seed(1)
    x, y = torch.randn(32, 6, generator=draw), torch.randn(32, 4, generator=draw)
    optimizer = make(name, model)
    states, losses = [], []
    for _ in range(STEPS):
        states.append(torch.cat([p.detach().flatten() for p in model.parameters()]))

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = (model(x) - y).square().mean()
            loss.backward(create_graph=name in ("adahessian", "sophiah"))
            return loss

        if way == "closure":
            # What it computes at first belongs to the row.
            with torch.no_grad():
                losses.append(float((model(x) - y).square().mean()))
            optimizer.step(closure)
        else:
            loss = closure().detach()
            losses.append(float(loss))
            optimizer.step(*([lambda loss=loss: loss] if way == "loss" else []))
    states.append(torch.cat([p.detach().flatten() for p in model.parameters()]))
    return states, losses


def check(name: str) -> str:
    """Return in a word how the recording of a training is, or what is wrong with it."""
    plain = None
    for way in ("plain", "closure", "loss"):
        try:
            plain = train(name, way)
            break
        except Exception as error:
            reason = f"does not train so: {type(error).__name__}: {' '.join(str(error).split())[:120]}"
    if plain is None:
        return reason
    said: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "run.h5")
        torch.manual_seed(0)
        with Tracking(path, {}, said.append) as tracking:
            states, losses = train(name, way)
        files = list(Path(folder).glob("*.h5"))
        if not files:
            return f"not recorded: {said} ({tracking.seen()})"
        if not all(map(torch.equal, states, plain[0])):
            return "NOT THE SAME TRAINING"
        with dyn.open(path) as recording:
            rows = torch.cat([torch.from_numpy(a[:]).flatten(1) for a in recording.parameters.values()], dim=1)
            found = recording.scalars["loss"][:STEPS].tolist()
    if len(files) > 1 or len(rows) != STEPS + 1:
        return f"{len(rows)} ROWS, {len(files)} FILES"
    if not torch.equal(rows, torch.stack(states)):
        return "OTHER STATES"
    return "right" if found == losses else f"OTHER LOSSES {found[:3]} for {losses[:3]}"


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    names = sys.argv[1:] or get_supported_optimizers()
    outcomes = {name: check(name) for name in names}
    for name, outcome in outcomes.items():
        if outcome != "right":
            print(f"{name}: {outcome}")
    counts = Counter("right" if outcome == "right" else "otherwise" for outcome in outcomes.values())
    print(f"pytorch_optimizer {version('pytorch_optimizer')}: {len(names)} optimizers, {dict(counts)}")
