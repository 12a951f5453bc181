#!/usr/bin/env bash
# A loss over steps that, copied to another file, is a loss over epochs.
#
# Expected: h5py's Group.copy of two scales and a variable, one after the other, gives a file in which the variable has the scale
# that it had.
# Seen with h5py 3.16.0 (HDF5 2.0.0) and h5netcdf 1.8.2 through xarray 2026.9.0: the reference to the scale is copied as the
# address it was, and names whatever lies at that address in the new file. Here that is the other scale, so that xarray gives the
# loss the epochs as its coordinate, without a word. In another order the address holds no scale, and reading it raises. The scale
# has to be attached anew after such a copy.
# Fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet h5py==3.16.0 h5netcdf==1.8.2 xarray==2026.9.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
from importlib.metadata import version

import h5py
import numpy as np
import xarray

with h5py.File("run.h5", "w") as file:
    for name, values in {"step": np.arange(5) * 10, "epoch": np.arange(5)}.items():
        file[name] = values
        file[name].make_scale(name)
    file["loss"] = np.linspace(1.0, 0.0, 5)
    file["loss"].dims[0].attach_scale(file["step"])
with h5py.File("run.h5") as source, h5py.File("copied.h5", "w") as target:
    for name in ("epoch", "step", "loss"):
        source.copy(name, target)
print("h5py", version("h5py"), "HDF5", h5py.version.hdf5_version, "xarray", version("xarray"))
found = {}
for name in ("run", "copied"):
    with xarray.open_dataset(f"{name}.h5", engine="h5netcdf") as data:
        found[name] = data["loss"].dims
print(found)
raise SystemExit(0 if found == {"run": ("step",), "copied": ("epoch",)} else 1)
PY
