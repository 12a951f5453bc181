"""Every example runs as it stands and leaves what it says it leaves."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

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


def test_no_example_is_left_out():
    assert {path.name for path in EXAMPLES.glob("*.py")} == LEAVES.keys()


@pytest.mark.parametrize("name", LEAVES)
def test_example(name, tmp_path):
    if name in NEEDS and find_spec(NEEDS[name]) is None:
        pytest.skip(f"{NEEDS[name]} is not installed")
    # A deprecation in another package is not the example's fault, and a user would not see it as an error.
    run = subprocess.run([sys.executable, EXAMPLES / name], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    for left in LEAVES[name]:
        assert (tmp_path / left).stat().st_size > 1000
