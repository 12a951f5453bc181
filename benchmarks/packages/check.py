"""Record the trainings of this folder by ``dyn record`` and hold them to what they say of themselves.

    python benchmarks/packages/check.py [NAME...]

Each is run as it is, and under dyn record: are its numbers the same to the last bit, are there as many rows as losses,
are the losses those that it logged, does a row hold each parameter under its name, is the last row the final state?
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from importlib.metadata import version
from math import isnan
from pathlib import Path
from typing import Any

import numpy as np

import dyn

FOLDER = Path(__file__).parent
PACKAGES = {
    "skorch_fit": "skorch",
    "sb3_ppo": "stable-baselines3",
    "sb3_sac": "stable-baselines3",
    "gpytorch_regression": "gpytorch",
    "pyro_svi": "pyro-ppl",
    "pyro_autoguide": "pyro-ppl",
    "ignite_trainer": "pytorch-ignite",
    "fastai_tabular": "fastai",
    "keras_fit": "keras",
    "peft_trainer": "peft",
    "sae_lens_trainer": "sae-lens",
    "transformer_lens_train": "transformer-lens",
}


def told(command: list[str], folder: Path) -> tuple[dict[str, Any], str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "WANDB_MODE": "disabled"}
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("TOLD ")]
    if done.returncode or not lines:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return json.loads(lines[-1].removeprefix("TOLD ")), done.stderr


def check(name: str) -> str:
    """Run a training twice; return its line of the table."""
    script = str(FOLDER / f"{name}.py")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        plain, _ = told([script], folder)
        recorded, errors = told(["-m", "dyn", "record", script, "-o", "run.h5"], folder)
        # A bar of progress may stand before it.
        said = re.search(r"dyn: .* recording .*", errors)
        files = sorted(folder.glob("*.h5"), key=lambda path: -path.stat().st_size)
        same = "the same to the bit" if plain["digest"] == recorded["digest"] else "NOT THE SAME"
        with dyn.open(files[0]) as recording:
            found = compare(recording, recorded)
    others = f", and {', '.join(path.name for path in files[1:])}" if files[1:] else ""
    package = f"{PACKAGES[name]} {version(PACKAGES[name])}"
    return f"| {package} | {name} | {found}{others} | {same} |\n    {said[0] if said else errors[-300:]}"


def compare(recording: dyn.Recording, own: dict[str, Any]) -> str:
    """Say how a recording differs from what its training says."""
    losses = own["losses"]
    found = recording.scalars["loss"][: len(losses)]
    pairs = [(row, loss) for row, loss in zip(found, losses, strict=False) if loss is not None]
    worst = max((abs(row - loss) if not isnan(row) else np.inf) / max(1, abs(loss)) for row, loss in pairs)
    rows = (
        f"{len(recording)} rows" if len(recording) == len(losses) + 1 else f"{len(recording)} ROWS OF {len(losses) + 1}"
    )
    norms = {name: float(np.linalg.norm(array[-1].astype(float))) for name, array in recording.parameters.items()}
    lacking = [name for name in own["names"] if name not in norms]
    wrong = [
        name
        for name, norm in zip(own["names"], own["norms"], strict=True)
        if name in norms and not np.isclose(norms[name], norm, rtol=1e-6)
    ]
    names = f"{len(norms)} names" if not lacking else f"LACKS {lacking[:3]}, HAS {list(norms)[:3]}"
    values = f"; {wrong[:2]} NOT AS AT THE END" if wrong else ""
    exact = "losses equal" if worst == 0 else f"losses within {worst:.1e}"
    return f"{rows}, {names}{values}, {exact if worst <= own['tolerance'] else exact.upper()}"


if __name__ == "__main__":
    for name in sys.argv[1:] or PACKAGES:
        print(check(name), flush=True)
