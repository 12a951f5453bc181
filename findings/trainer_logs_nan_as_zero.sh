#!/usr/bin/env bash
# A training whose every loss is NaN from its fourth step on, and whose log says 0.0.
#
# Expected: the loss that Hugging Face's Trainer logs at each step is the loss of that step.
# Seen with transformers 5.23.0: steps with a loss that is not finite are replaced by the mean since the last log
# (logging_nan_inf_filter, on unless it is turned off), which is 0.0 where each step is logged; the training's loss at the end is a
# mean that these zeros have made smaller. Only grad_norm says nan. Turned off, the log says nan.
# Fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.13.0 transformers==5.23.0 accelerate==1.15.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - 2> /dev/null <<'PY'
import math
from importlib.metadata import version

import torch
from transformers import Trainer, TrainingArguments


class Diverging(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(2, 1)
        self.calls = 0

    def forward(self, x, labels):
        self.calls += 1
        loss = ((self.linear(x) - labels) ** 2).mean()
        return {"loss": loss * (math.nan if self.calls > 3 else 1.0), "logits": labels}


def logged(**choices):
    torch.manual_seed(0)
    data = [{"x": torch.randn(2), "labels": torch.randn(1)} for _ in range(64)]
    arguments = TrainingArguments(
        "out", max_steps=6, per_device_train_batch_size=8, logging_steps=1, report_to=[], use_cpu=True, save_strategy="no",
        disable_tqdm=True, **choices,
    )
    trainer = Trainer(Diverging(), arguments, train_dataset=data)
    trainer.train()
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


as_default, unfiltered = logged(), logged(logging_nan_inf_filter=False)
print("transformers", version("transformers"), "as default", as_default, "unfiltered", unfiltered)
raise SystemExit(0 if as_default[3:] == [0.0] * 3 and all(map(math.isnan, unfiltered[3:])) else 1)
PY
