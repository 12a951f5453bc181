#!/usr/bin/env bash
# A distributed checkpoint that gives a new optimizer no moments, without a word.
#
# Expected: torch.distributed.checkpoint.load fills model and optimizer with what save wrote, or says what it left out.
# Seen with torch 2.13.0: load fills only what the given state_dict has already. A new optimizer has no state before its first
# step, so its moments and step count are left out in silence; the weights are loaded, and the next step is another one than
# the uninterrupted training's. torch.save and torch.load of the same state_dict restore all of it.
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
import torch.distributed.checkpoint as checkpoint


def step(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    (model(torch.ones(4, 3)) - 1).square().mean().backward()
    optimizer.step()


def new() -> tuple[torch.nn.Linear, torch.optim.Adam]:
    torch.manual_seed(0)
    model = torch.nn.Linear(3, 2)
    return model, torch.optim.Adam(model.parameters(), lr=1e-2)


model, optimizer = new()
for _ in range(20):
    step(model, optimizer)
state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
checkpoint.save(state, checkpoint_id="saved")
kept = copy.deepcopy(state)
step(model, optimizer)

by_checkpoint, its_optimizer = new()
target = {"model": by_checkpoint.state_dict(), "optimizer": its_optimizer.state_dict()}
checkpoint.load(target, checkpoint_id="saved")
by_copy, copys_optimizer = new()
for state, (other, others_optimizer) in ((target, (by_checkpoint, its_optimizer)), (kept, (by_copy, copys_optimizer))):
    other.load_state_dict(state["model"])
    others_optimizer.load_state_dict(state["optimizer"])
weights = torch.equal(by_checkpoint.weight, kept["model"]["weight"])
moments = len(its_optimizer.state)
step(by_checkpoint, its_optimizer)
step(by_copy, copys_optimizer)
same = torch.equal(by_checkpoint.weight, model.weight)
print("torch", torch.__version__, "weights loaded:", weights, "parameters with moments:", moments, "of 2")
print("next step as uninterrupted: by the checkpoint", same, "by a copy", torch.equal(by_copy.weight, model.weight))
raise SystemExit(0 if weights and moments == 0 and not same and torch.equal(by_copy.weight, model.weight) else 1)
PY
