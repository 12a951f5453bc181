#!/usr/bin/env bash
# Tools that look at a model in training and leave its dropout switched off.
#
# Expected: computing curvature or counting operations between two steps leaves the model in the mode it was in.
# Seen with torch 2.13.0: PyHessian 0.1 and ptflops 0.7.5 call eval() on the model that they are given and do not go back, so that
# the training goes on without dropout and with frozen batch statistics unless the loop calls train() at every step. ptflops
# leaves methods of its own on the model too. torchinfo 1.8.0 goes back.
# Fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 pyhessian==0.1 ptflops==0.7.5 torchinfo==1.8.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import contextlib
import io
from importlib.metadata import version

import ptflops
import pyhessian
import torch
import torchinfo


def by_pyhessian(model: torch.nn.Module) -> None:
    batch = (torch.randn(6, 8), torch.zeros(6, dtype=torch.long))
    pyhessian.hessian(model, torch.nn.CrossEntropyLoss(), data=batch, cuda=False).eigenvalues(maxIter=5)


def by_ptflops(model: torch.nn.Module) -> None:
    ptflops.get_model_complexity_info(model, (8,), print_per_layer_stat=False, as_strings=False)


def by_torchinfo(model: torch.nn.Module) -> None:
    torchinfo.summary(model, (6, 8), verbose=0)


still_training = {}
for name, look in {"pyhessian": by_pyhessian, "ptflops": by_ptflops, "torchinfo": by_torchinfo}.items():
    model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.Dropout(0.5), torch.nn.Linear(16, 4))
    with contextlib.redirect_stdout(io.StringIO()):
        look(model)
    still_training[name] = model[1].training
    print(name, version(name), "dropout is still on:", model[1].training)
raise SystemExit(0 if still_training == {"pyhessian": False, "ptflops": False, "torchinfo": True} else 1)
PY
