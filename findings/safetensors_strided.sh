#!/usr/bin/env bash
# NumPy arrays that safetensors writes with their numbers in the wrong places.
#
# Expected: what safetensors.numpy saves is what it loads, whatever the array's order in memory, as np.save has it.
# Seen with safetensors 0.8.0: a transposed array is written as it lies in memory under the shape that it shows, and of a strided
# slice the memory from its first entry on; both load without an error, with other numbers in most places.
# numpy.ascontiguousarray before saving helps; safetensors.torch refuses such tensors.
# Fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet safetensors==0.8.0 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
from importlib.metadata import version

import numpy as np
from safetensors.numpy import load_file, save_file

weights = np.arange(6, dtype=np.float32).reshape(2, 3)
save_file({"plain": weights, "transposed": weights.T, "slice": weights[:, ::2]}, "weights.safetensors")
loaded = load_file("weights.safetensors")
print("safetensors", version("safetensors"))
right = {
    "plain": np.array_equal(loaded["plain"], weights),
    "transposed": np.array_equal(loaded["transposed"], weights.T),
    "slice": np.array_equal(loaded["slice"], weights[:, ::2]),
}
print("come back as they were:", right)
print("transposed, saved:", weights.T.tolist(), "loaded:", loaded["transposed"].tolist())
raise SystemExit(0 if right == {"plain": True, "transposed": False, "slice": False} else 1)
PY
