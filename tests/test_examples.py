"""Every example runs as it stands and leaves what it says it leaves."""

import os
import subprocess
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import dyn

EXAMPLES = Path(__file__).parents[1] / "examples"
LEAVES = {
    "attach_to_your_loop.py": ("digits.h5", "digits.png"),
    "record_and_plot.py": ("levels.h5", "levels.png"),
    "tell_the_story.py": ("story.h5", "story.txt"),
    "animate_geometry.py": ("octahedron.h5", "octahedron.gif"),
    "lightning_callback.py": ("digits-lightning.h5", "digits-lightning.png"),
    "transformers_callback.py": ("counting.h5", "counting.png"),
}
# What the extra [test] brings, but not everybody who runs the tests need have.
NEEDS = {"lightning_callback.py": "pytorch_lightning", "transformers_callback.py": "transformers"}


NOTEBOOK = "watch_a_network_learn.ipynb"
SCRIPTS = EXAMPLES / "scripts"
NETWORKS = ("digits_mlp", "digits_convnet", "characters")


def test_no_example_is_left_out():
    assert {path.name for path in EXAMPLES.iterdir() if path.is_file()} == {*LEAVES, NOTEBOOK}


@pytest.mark.slow
@pytest.mark.parametrize("name", LEAVES)
def test_example(name, tmp_path):
    # In CI, which installs all of them, a missing one is a failure.
    if name in NEEDS and find_spec(NEEDS[name]) is None and "CI" not in os.environ:
        pytest.skip(f"{NEEDS[name]} is not installed")
    # A deprecation in another package is not the example's fault, and a user would not see it as an error.
    run = subprocess.run([sys.executable, EXAMPLES / name], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    for left in LEAVES[name]:
        assert (tmp_path / left).stat().st_size > 1000


@pytest.mark.slow
def test_a_gan_gets_a_recording_for_each_network_with_the_losses_it_prints(tmp_path):
    command = [sys.executable, "-m", "dyn", "record", SCRIPTS / "gan.py"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    printed = [float(word) for word in run.stdout.split()[-3::2]]
    recorded = []
    for name in ("gan.h5", "gan.netG.h5"):
        with dyn.open(tmp_path / name) as recording:
            assert len(recording) == 201
            recorded.append(recording.scalars["loss"][-2])
    # The script prints six decimals.
    assert recorded == pytest.approx(printed, abs=5e-7)


@pytest.mark.slow
def test_the_notebook_shows_what_its_cells_return(tmp_path):
    import nbclient
    import nbformat

    notebook = nbformat.read(EXAMPLES / NOTEBOOK, as_version=4)
    with warnings.catch_warnings():
        # The kernel talks to this process alone, without encryption, and says so.
        warnings.simplefilter("ignore")
        nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": tmp_path}}).execute()
    shown = [output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("text/html" in data and "toy.h5" in data["text/html"] for data in shown)
    assert any("image/png" in data for data in shown)
    assert (tmp_path / "toy.html").stat().st_size > 10_000


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_leaves_its_recording_and_its_overview(name, tmp_path):
    script = EXAMPLES / "networks" / f"{name}.py"
    run = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    left = tmp_path / name.replace("_", "-")
    assert left.with_suffix(".png").stat().st_size > 10_000
    with dyn.open(left.with_suffix(".h5")) as recording:
        losses = recording.scalars["test_loss"][:]
    logged = losses[np.isfinite(losses)]
    assert logged[-1] < logged[0] / 2
