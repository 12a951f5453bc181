"""A training whose recording is read meanwhile; a program: python live_training.py FILE WRITER.

After k steps every parameter is k, and so is the loss that is logged for the next one. Each twenty steps a scalar of a
new name comes up, for which the file is closed, changed and opened again; in the end another recording replaces it.
"""

import sys
from pathlib import Path

import torch

import dyn
from dyn.recorders.writing import start

EVERY, MOST = 20, 15


def train(path: Path, writer: str) -> None:
    model = torch.nn.Linear(3, 2)
    torch.nn.init.zeros_(model.weight)
    torch.nn.init.zeros_(model.bias)
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    with dyn.attach(model, optimizer, path, writer=writer, overwrite=True) as recorder:
        for step in range(EVERY * MOST):
            for parameter in model.parameters():
                parameter.grad = -torch.ones_like(parameter)
            recorder.log(loss=float(step), **{f"late_{step // EVERY}": float(step)})
            optimizer.step()


def main(path: Path, writer: str) -> None:
    start._RING_ROWS = start._LEAST_ROWS = 8
    while True:
        train(path, writer)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
