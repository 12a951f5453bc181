#!/usr/bin/env bash
# A forked child that ends changes the HDF5 file that its parent is writing.
#
# Expected: a child that never touches the file, and ends by sys.exit, leaves the bytes of its parent's file alone.
# Seen with h5py 3.16.0 (HDF5 2.0.0) on Linux: the child's exit closes its copy of the file, and so writes the head: the mark
# that says that a writer is at work is gone, while the parent goes on writing.
# Fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet h5py==3.16.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
import os, sys
import h5py

print("h5py", h5py.version.version, "HDF5", h5py.version.hdf5_version)
file = h5py.File("run.h5", "w", libver=("v110", "v110"))
rows = file.create_dataset("rows", (0,), maxshape=(None,), chunks=(64,), dtype="f4")
file.swmr_mode = True
rows.resize((64,))
rows.flush()
head = open("run.h5", "rb").read(48)
child = os.fork()
if not child:
    sys.exit(0)
os.waitpid(child, 0)
after = open("run.h5", "rb").read(48)
print("mark of a writer at work, byte 11:", head[11], "before,", after[11], "after a child that did nothing ended")
os._exit(0 if head != after and head[11] and not after[11] else 1)
PY
