#!/usr/bin/env bash
# Rounding to fewer bits that makes zero of a GPU's NaN, and infinity of the largest float.
#
# Expected: BitRound keeps NaN as NaN, whichever bits it has, and a finite number finite or says that it cannot.
# Seen with numcodecs 0.16.6: the NaN that CUDA's arithmetic gives (bits 0x7fffffff) is rounded to -0.0, since the rounding carries
# into the sign; NumPy's own NaN (0x7fc00000) stays one. The largest float32 becomes infinity.
# Fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numcodecs==0.16.6 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
from importlib.metadata import version

import numpy as np
from numcodecs import BitRound

numbers = np.array([0x7FC00000, 0x7FFFFFFF, 0x3F800000, 0x7F7FFFFF], np.uint32).view(np.float32)
codec = BitRound(keepbits=10)
read = np.asarray(codec.decode(codec.encode(numbers.copy()))).view(np.float32)
print("numcodecs", version("numcodecs"))
print("written:", numbers.tolist(), "read:", read.tolist())
as_seen = np.isnan(numbers[:2]).all() and np.isnan(read[0]) and read[1] == 0 and read[2] == 1 and np.isinf(read[3])
raise SystemExit(0 if as_seen else 1)
PY
