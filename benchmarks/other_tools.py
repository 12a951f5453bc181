"""Trainings as other tools watch them, for benchmarks that set what they cost beside ours."""

import os
from contextlib import ExitStack
from importlib import import_module
from pathlib import Path

import torch
from workloads import Keep, Workload


def tensorboard_histograms(workload: Workload, folder: Path, stack: ExitStack, *, gradients: bool) -> Keep:
    """Write the loss and a histogram of each parameter at every step, and of its gradient if asked for."""
    from torch.utils.tensorboard import SummaryWriter

    writer = stack.enter_context(SummaryWriter(folder / "tensorboard"))
    count = iter(range(10**9))

    def keep(loss: torch.Tensor) -> None:
        k = next(count)
        writer.add_scalar("loss", loss, k)
        for name, p in workload.model.named_parameters():
            writer.add_histogram(name, p, k)
            if gradients:
                writer.add_histogram(f"{name}.grad", p.grad, k)

    return keep


def wandb_watch(workload: Workload, folder: Path, stack: ExitStack, *, log: str) -> Keep:
    """Watch the model with wandb, offline, at every step: its "parameters", or "all", with the gradients."""
    os.environ.update(WANDB_MODE="offline", WANDB_SILENT="true", WANDB_DIR=str(folder))
    wandb = import_module("wandb")
    run = wandb.init(project="dyn", dir=folder)
    stack.callback(run.finish)
    run.watch(workload.model, log=log, log_freq=1)
    return lambda loss: run.log({"loss": loss.item()})
