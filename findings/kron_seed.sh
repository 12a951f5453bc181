#!/usr/bin/env bash
# An optimizer of torch whose steps torch.manual_seed does not repeat.
#
# Expected: two runs after the same torch.manual_seed give the same weights, as with torch's own optimizers.
# Seen with pytorch_optimizer 4.1.0 and torch 2.13.0: Kron draws from NumPy's global generator when it decides whether to
# update its preconditioner, so that the runs differ unless numpy.random.seed is called too.
# Fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 pytorch_optimizer==4.1.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
from importlib.metadata import version

import numpy as np
import torch
from pytorch_optimizer import Kron


def train(also_numpy: bool) -> torch.Tensor:
    torch.manual_seed(0)
    if also_numpy:
        np.random.seed(0)
    model = torch.nn.Linear(4, 3)
    optimizer = Kron(model.parameters(), lr=1e-2)
    for _ in range(200):
        optimizer.zero_grad()
        (model(torch.ones(8, 4)) - 1).square().mean().backward()
        optimizer.step()
    return model.weight.detach().clone()


print("pytorch_optimizer", version("pytorch_optimizer"), "torch", torch.__version__)
by_torch = [train(False) for _ in range(4)]
by_both = [train(True) for _ in range(2)]
differ = any(not torch.equal(by_torch[0], each) for each in by_torch[1:])
same = torch.equal(*by_both)
print("seeded by torch alone, runs differ:", differ, "- seeded by both, runs are the same:", same)
raise SystemExit(0 if differ and same else 1)
PY
