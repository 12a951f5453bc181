"""Some runs of benchmarks/crash.py --endings: no step is lost, no file harmed, whoever ends in whichever way."""

import subprocess
import sys
from pathlib import Path

import pytest

import dyn

BENCHMARK = Path(dyn.__file__).parent / "benchmarks" / "crash.py"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="orphans are adopted on Linux")
def test_no_end_of_a_process_costs_a_step():
    command = [sys.executable, str(BENCHMARK), "--kills", "0", "--endings", "24", "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "24 endings" in done.stdout
