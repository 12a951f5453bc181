#!/usr/bin/env bash
# An HDF5 file that gives zeros for a run whose file was moved.
#
# Expected: reading a virtual dataset whose source file is not there is an error.
# Seen with h5py 3.16.0 and HDF5 2.0: every number that lay in the missing file is read as 0.0, without an error or a warning; so is a
# file that was put together of several runs and copied without them. Set fillvalue=nan in create_virtual_dataset to see it.
# Fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet h5py==3.16.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
from pathlib import Path

import h5py
import numpy as np

loss = np.linspace(1, 0.1, 10)
with h5py.File("run.h5", "w") as file:
    file["loss"] = loss
layout = h5py.VirtualLayout(loss.shape, loss.dtype)
layout[:] = h5py.VirtualSource("run.h5", "loss", shape=loss.shape)
with h5py.File("all.h5", "w") as file:
    file.create_virtual_dataset("loss", layout)
    file.create_virtual_dataset("marked", layout, fillvalue=np.nan)


def read(name: str) -> np.ndarray:
    with h5py.File("all.h5") as file:
        return file[name][:]


before = read("loss")
Path("run.h5").rename("archived.h5")
after, marked = read("loss"), read("marked")
print("h5py", h5py.__version__, "HDF5", h5py.version.hdf5_version, "with its source:", before[:3], "moved:", after[:3])
raise SystemExit(0 if np.array_equal(before, loss) and (after == 0).all() and np.isnan(marked).all() else 1)
PY
