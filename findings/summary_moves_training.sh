#!/usr/bin/env bash
# Two tools that print a model's layers, and thereby change the training that follows.
#
# Expected: a summary only looks: with and without it a seeded training is the same.
# Seen with torch 2.13.0: torchsummary 1.5.1 runs a batch of random numbers through the model in training mode, so that running
# means of batch normalisation start from noise and the random generator has moved on; torchinfo 1.8.0 leaves the model as it
# was, but draws from the global generator, so that every number drawn later is another one.
# Fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 torchsummary==1.5.1 torchinfo==1.8.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import contextlib
import io
from importlib.metadata import version

import torch
import torchinfo
import torchsummary


def seen(look) -> tuple[bool, bool]:
    model = torch.nn.Sequential(torch.nn.Linear(8, 16), torch.nn.BatchNorm1d(16), torch.nn.Linear(16, 4))
    torch.manual_seed(0)
    before, generator = model[1].running_mean.clone(), torch.get_rng_state()
    with contextlib.redirect_stdout(io.StringIO()):
        look(model)
    return not torch.equal(before, model[1].running_mean), not torch.equal(generator, torch.get_rng_state())


found = {
    "torchsummary": seen(lambda model: torchsummary.summary(model, (8,), device="cpu")),
    "torchinfo": seen(lambda model: torchinfo.summary(model, (6, 8), verbose=0)),
}
for name, (mean, generator) in found.items():
    print(name, version(name), "- running mean changed:", mean, "- generator moved on:", generator)
raise SystemExit(0 if found == {"torchsummary": (True, True), "torchinfo": (False, True)} else 1)
PY
