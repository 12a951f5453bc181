"""The front door of the closed forms: what it names is there, and it loads no more than it needs."""

import subprocess
import sys

from dyn.dynamics import theory


def test_every_name_is_there_and_sorted():
    assert sorted(theory.__all__) == theory.__all__
    for name in theory.__all__:
        assert getattr(theory, name) is not None


def test_the_fixed_names_are_there():
    fixed = {"candidate_losses", "expected_loss", "one_sparse_loss", "zero_sparse_loss"}
    assert fixed <= set(theory.__all__)


def test_closed_forms_load_neither_torch_nor_scipy():
    code = "import sys, dyn.dynamics.theory; print(*{'torch', 'scipy', 'matplotlib', 'h5py'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "\n"
