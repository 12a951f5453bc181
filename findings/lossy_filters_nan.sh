#!/usr/bin/env bash
# HDF5 filters that keep floats to a given error, and make an ordinary number of NaN.
#
# Expected: a filter that promises an absolute error leaves NaN as NaN, or refuses the chunk.
# Seen with hdf5plugin 7.1.0 and h5py 3.16.0: in a chunk of normal numbers with one NaN, HDF5's own scale-offset filter gives the
# chunk's smallest number for it, ZFP about 8 and SZ3 a large negative number; the numbers beside it keep the promised error,
# and nothing is said. A training that diverged looks as if it had not.
# Seen too: beside one entry of 1e30, fifteen ordinary entries of ZFP's block lose the promised error, most of them whole.
# Fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet hdf5plugin==7.1.0 h5py==3.16.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
from importlib.metadata import version

import h5py
import hdf5plugin
import numpy as np

FILTERS = {
    "scale-offset": {"scaleoffset": 3},
    "ZFP": dict(hdf5plugin.Zfp(accuracy=1e-3)),
    "SZ3": dict(hdf5plugin.SZ3(absolute=1e-3)),
}


def there_and_back(numbers: np.ndarray, filter_: dict) -> np.ndarray:
    with h5py.File("numbers.h5", "w") as file:
        file.create_dataset("x", data=numbers, chunks=numbers.shape, **filter_)
    with h5py.File("numbers.h5") as file:
        return file["x"][:]


print("hdf5plugin", version("hdf5plugin"), "h5py", version("h5py"), "HDF5", h5py.version.hdf5_version)
numbers = np.random.default_rng(0).normal(size=(64, 64)).astype(np.float32)
missing = numbers.copy()
missing[10, 10] = np.nan
finite = np.isfinite(missing)
as_seen = True
for name, filter_ in FILTERS.items():
    read = there_and_back(missing, filter_)
    within = bool((np.abs(read - missing)[finite] < 2e-3).all())
    print(f"{name}: NaN is read as {read[10, 10]}, all others within the error: {within}")
    as_seen &= within and bool(np.isfinite(read[10, 10]))
large = numbers.copy()
large[10, 10] = 1e30
lost = int((np.abs(there_and_back(large, FILTERS["ZFP"]) - large)[finite] > 2e-3).sum())
print("ZFP: numbers beside 1e30 that are beyond the promised error:", lost)
raise SystemExit(0 if as_seen and lost == 15 else 1)
PY
