#!/usr/bin/env bash
# A training that diverged, and whose tracker says that the loss is a finite number.
#
# Expected: a metric that is logged as infinite comes back as infinite; a loss that is NaN is not logged as a number.
# Seen with MLflow 3.17.2 over SQLite, its default: inf and -inf come back as 1.797…e308 and its negative, which are finite, while
# NaN stays NaN. With dvclive 3.49.1 metrics.json has the string "nan" where a number is expected; the table beside it has nan.
# Fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet mlflow==3.17.2 dvclive==3.49.1
cd "$folder"
"$folder/venv/bin/python" - 2> /dev/null <<'PY'
import json
import math
from importlib.metadata import version

import mlflow
from dvclive import Live

losses = [1.0, math.inf, -math.inf, math.nan]
mlflow.set_tracking_uri("sqlite:///runs.db")
with mlflow.start_run() as run:
    for step, loss in enumerate(losses):
        mlflow.log_metric("loss", loss, step=step)
history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "loss")
read = [metric.value for metric in history]
print("MLflow", version("mlflow"), "logged", losses, "read", read)
with Live(dir="live", dvcyaml=None, save_dvc_exp=False) as live:
    live.log_metric("loss", math.nan)
with open("live/metrics.json") as file:
    last = json.load(file)["loss"]
print("dvclive", version("dvclive"), "logged", math.nan, "read", repr(last))
is_finite = [math.isfinite(value) for value in read]
raise SystemExit(0 if is_finite == [True, True, True, False] and last == "nan" else 1)
PY
