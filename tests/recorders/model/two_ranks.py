"""One of two processes that train together, as torchrun starts them: ``python two_ranks.py RANK FOLDER``."""

import os
import signal
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module
from torch.nn.parallel import DistributedDataParallel
from torch.nn.utils.parametrizations import weight_norm

import dyn
from dyn.dynamics.errors import SettingError
from dyn.recorders.model import sources

STEPS, BATCH, KILLED_AT = 5, 4, 3
HALF = MixedPrecisionPolicy(param_dtype=torch.bfloat16)


def build_model() -> nn.Sequential:
    """Return the model that every training begins with; its last layer has fewer rows than there are ranks."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1))


def batches(rank: int) -> tuple[Tensor, Tensor]:
    """Return every step's inputs and targets of a rank, (STEPS, BATCH, ...)."""
    generator = torch.Generator().manual_seed(rank + 1)
    return torch.rand(STEPS, BATCH, 3, generator=generator), torch.rand(STEPS, BATCH, 1, generator=generator)


def backward(model: nn.Module, rank: int, step: int) -> Tensor:
    """Compute the gradients of one step and return the loss of this rank's batch."""
    x, target = (each[step] for each in batches(rank))
    model.zero_grad()
    loss = (model(x) - target).square().mean()
    loss.backward()
    return loss.detach()


def shard(model: nn.Sequential, **options: Any) -> nn.Sequential:
    """Shard the last layer by itself and the rest with the root."""
    fully_shard(model[2], **options)
    fully_shard(model, **options)
    return model


def whole(model: nn.Module) -> dict[str, np.ndarray]:
    """Gather the parameters; every rank has to call it."""
    return {name: p.full_tensor().detach().numpy() for name, p in model.named_parameters()}


def save(path: Path, rows: list[dict[str, np.ndarray]], losses: list[float]) -> None:
    """Save what the test compares a recording with."""
    np.savez(path, losses=losses, **{name: np.stack([row[name] for row in rows]) for name in rows[0]})


def both_ranks_at_once(folder: Path) -> None:
    """Train on the batches of both ranks in one process, without a recorder."""
    model = build_model()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    x, target = (torch.cat(both, dim=1) for both in zip(batches(0), batches(1), strict=True))
    rows = []
    for step in range(STEPS + 1):
        rows.append({name: p.detach().numpy().copy() for name, p in model.named_parameters()})
        if step < STEPS:
            model.zero_grad()
            (model(x[step]) - target[step]).square().mean().backward()
            optimizer.step()
    save(folder / "ddp.npz", rows, [])


def data_parallel(rank: int, folder: Path) -> None:
    model = DistributedDataParallel(build_model())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    with dyn.attach(model, optimizer, folder / "ddp.h5") as recorder:
        for step in range(STEPS):
            recorder.log(loss=backward(model, rank, step))
            optimizer.step()
    (folder / f"ddp.{rank}").write_text(f"{type(recorder).__name__} {recorder.path.name}")
    if rank == 0:
        both_ranks_at_once(folder)


def split_both_ways(model: nn.Sequential) -> nn.Sequential:
    """Let tensor parallelism, over a mesh of one rank, split the layers before they are sharded over two."""
    mesh = init_device_mesh("cpu", (2, 1), mesh_dim_names=("dp", "tp"))
    parallelize_module(model, mesh["tp"], {"0": ColwiseParallel(), "2": RowwiseParallel()})
    return shard(model, mesh=mesh["dp"])


def fully_sharded(rank: int, folder: Path, model: nn.Sequential, name: str, *, recorded: bool = True) -> None:
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    recorder = dyn.attach(model, optimizer, folder / f"{name}.h5", config={"run": name}) if recorded else None
    rows, losses = [], []
    for step in range(STEPS):
        loss = backward(model, rank, step)
        rows.append(whole(model))
        losses.append(loss.item())
        if recorder is not None:
            recorder.log(loss=loss)
        optimizer.step()
    rows.append(whole(model))
    # A forward pass without a backward leaves the root's parameters gathered, in the place of the shards.
    with torch.no_grad():
        model(torch.ones(1, 3))
    assert not any(p is model[0].weight for p in optimizer.param_groups[0]["params"])
    if recorder is not None:
        recorder.close()
        assert recorder.path == folder / f"{name}.rank{rank}.h5"
    save(folder / f"{name}.{rank}.npz", rows, losses)


def mixed_precision(rank: int, folder: Path) -> None:
    """Compute in half precision; and copy all shards by one call, as it is done for many."""
    with patch.object(sources, "_FEW", 0):
        fully_sharded(rank, folder, shard(build_model(), mp_policy=HALF), "mixed")


def alone(rank: int, folder: Path) -> None:
    """Only one rank records, so that whatever needs the other one would wait for ever."""
    model = nn.Sequential(weight_norm(nn.Linear(3, 4)), nn.Linear(4, 2))
    fully_shard(model)
    if rank == 0:
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        with dyn.attach(model, optimizer, folder / "alone.h5") as recorder:
            recorder.step(loss=1.0)
            optimizer.step()


def refused(rank: int, folder: Path) -> None:
    model = shard(build_model())
    optimizer = torch.optim.Adam(model.parameters())
    messages = []
    for probes in ({"w": lambda model: model[0].weight}, {}):
        try:
            dyn.attach(model, optimizer, folder / "refused.h5", probes=probes)
        except SettingError as error:
            messages.append(str(error))
        # This leaves parameters gathered, for the next try.
        with torch.no_grad():
            model(torch.ones(1, 3))
    (folder / f"refused.{rank}").write_text("\n".join(messages))


def killed(rank: int, folder: Path) -> None:
    """The process of rank 1 is gone after a few steps; the other one finds that nobody answers."""
    model = shard(build_model())
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    rows, losses = [], []
    with dyn.attach(model, optimizer, folder / "killed.h5") as recorder:
        for step in range(STEPS):
            loss = backward(model, rank, step)
            rows.append(whole(model))
            losses.append(loss.item())
            if rank == 0:
                save(folder / "killed.0.npz", rows, losses)
            recorder.log(loss=loss)
            optimizer.step()
            if step == KILLED_AT - 1:
                # The other one has taken the step too.
                dist.barrier()
                if rank == 1:
                    os.kill(os.getpid(), signal.SIGKILL)


SCENARIOS: list[Callable[[int, Path], None]] = [
    data_parallel,
    lambda rank, folder: fully_sharded(rank, folder, shard(build_model()), "fsdp"),
    lambda rank, folder: fully_sharded(rank, folder, shard(build_model()), "plain", recorded=False),
    mixed_precision,
    lambda rank, folder: fully_sharded(rank, folder, split_both_ways(build_model()), "both_ways"),
    alone,
    refused,
    killed,
]


def main(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    rendezvous = f"file://{folder / 'rendezvous'}"
    dist.init_process_group("gloo", rendezvous, rank=rank, world_size=2, timeout=timedelta(seconds=120))
    for scenario in SCENARIOS:
        scenario(rank, folder)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
