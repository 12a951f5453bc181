"""Writing npz, which np.load reads: a zip of arrays, each written block by block."""

import json
from pathlib import Path
from typing import IO
from zipfile import ZIP_STORED, ZipFile

import numpy as np

from .contents import Array, Contents, blocks

_BLOCK_BYTES = 2**24


def write(contents: Contents, path: Path) -> None:
    """Write each array under its path in the recording, and the attributes as JSON under "attributes"."""
    notes = {"": contents.attributes, **{each.path: each.attributes for each in contents.everything if each.attributes}}
    with ZipFile(path, "w", ZIP_STORED) as archive:
        for array in contents.everything:
            # What is longer than 2 GiB needs the larger headers, which have to be asked for before.
            with archive.open(f"{array.path}.npy", "w", force_zip64=True) as file:
                _write(array, file)
        with archive.open("attributes.npy", "w") as file:
            np.save(file, np.array(json.dumps(notes)))


def _write(array: Array, file: IO[bytes]) -> None:
    descr = np.lib.format.dtype_to_descr(array.dtype)
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": array.shape})
    for block in blocks(array.shape, array.dtype.itemsize, _BLOCK_BYTES):
        file.write(np.ascontiguousarray(array.read(block)).data)
