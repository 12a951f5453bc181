#!/usr/bin/env bash
# A film that holds its last picture, and has fewer frames when it is read back.
#
# Expected: eight frames written to an animated GIF, WebP or PNG are eight frames when read, each as long as it was given.
# Seen with Pillow 13.0.0 through imageio 2.38.1: equal frames in a row become one with their durations summed, in all three
# formats; eight frames of three pictures come back as three. Who counts frames, or takes the n-th for the n-th step, is off.
# Fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet pillow==13.0.0 imageio==2.38.1 numpy==2.4.6
cd "$folder"
"$folder/venv/bin/python" - <<'PY'
from importlib.metadata import version

import imageio.v3 as iio
import numpy as np
from PIL import Image

shades = (0, 0, 0, 120, 120, 255, 255, 255)
frames = [Image.fromarray(np.full((16, 16, 3), shade, np.uint8)) for shade in shades]
print("Pillow", version("pillow"), "imageio", version("imageio"))
as_seen = True
for name, choices in {"film.gif": {}, "film.webp": {"lossless": True}, "film.png": {}}.items():
    frames[0].save(name, save_all=True, append_images=frames[1:], duration=100, **choices)
    durations = []
    with Image.open(name) as film:
        for index in range(film.n_frames):
            film.seek(index)
            film.load()
            durations.append(round(film.info["duration"]))
    count = len(list(iio.imiter(name)))
    print(name, "written", len(frames), "frames, read", count, "which last", durations)
    as_seen &= count == 3 and durations == [300, 200, 300]
raise SystemExit(0 if as_seen else 1)
PY
