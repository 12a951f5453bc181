#!/usr/bin/env bash
# A schedule that goes on at a third of its rate because it was made after the optimizer was loaded.
#
# Expected: loading the states of optimizer and scheduler gives back the learning rate, in whichever order objects are made.
# Seen with torch 2.13.0: making a scheduler acts on the optimizer. LinearLR multiplies the rate that was loaded by its start
# factor, and loading its state does not undo it; every later rate is wrong by that factor, 0.025 for 0.075 here. OneCycleLR,
# LambdaLR and CyclicLR are wrong at the first step after loading only. Right is: make both, then load both.
# Fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import copy

import torch
from torch.optim.lr_scheduler import LinearLR


def new(state: dict | None = None) -> torch.optim.SGD:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(2))], lr=0.1)
    if state is not None:
        optimizer.load_state_dict(copy.deepcopy(state))
    return optimizer


def rates(optimizer: torch.optim.SGD, schedule: LinearLR) -> list[float]:
    seen = []
    for _ in range(20):
        seen.append(round(optimizer.param_groups[0]["lr"], 6))
        optimizer.step()
        schedule.step()
    return seen


optimizer = new()
schedule = LinearLR(optimizer, total_iters=80)
for _ in range(50):
    optimizer.step()
    schedule.step()
saved, saved_schedule = copy.deepcopy(optimizer.state_dict()), schedule.state_dict().copy()
whole = rates(optimizer, schedule)

loaded_first = new(saved)
made_after = LinearLR(loaded_first, total_iters=80)
made_after.load_state_dict(saved_schedule)
made_first = new()
before = LinearLR(made_first, total_iters=80)
made_first.load_state_dict(copy.deepcopy(saved))
before.load_state_dict(saved_schedule)
wrong, right = rates(loaded_first, made_after), rates(made_first, before)
print("torch", torch.__version__, "uninterrupted:", whole[:3], "made after loading:", wrong[:3], "before:", right[:3])
a_third = all(abs(3 * a - b) < 1e-5 for a, b in zip(wrong, whole, strict=True))
raise SystemExit(0 if right == whole and a_third else 1)
PY
