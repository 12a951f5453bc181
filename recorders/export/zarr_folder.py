"""Writing Zarr, format 3: a folder with the groups of the recording."""

import warnings
from pathlib import Path

import zarr
import zarr.errors

from .contents import Array, Contents, block_shape, blocks

# A chunk is a file, and what one read touches.
_CHUNK_BYTES = 2**22


def write(contents: Contents, path: Path) -> None:
    """Write each array under its path in the recording, in chunks of a few megabytes, with named axes."""
    root = zarr.open_group(path, mode="w-", zarr_format=3)
    root.attrs.update(dict(contents.attributes))
    for array in contents.everything:
        _add(root, array)
    with warnings.catch_warnings():
        # zarr says that the format does not know of it; xarray, without it, that it is slow.
        warnings.filterwarnings("ignore", "Consolidated metadata", zarr.errors.ZarrUserWarning)
        zarr.consolidate_metadata(root.store)


def _add(root: zarr.Group, array: Array) -> None:
    chunks = block_shape(array.shape, array.dtype.itemsize, _CHUNK_BYTES)
    made = root.create_array(
        array.path,
        shape=array.shape,
        chunks=chunks,
        dtype=str if array.dtype.kind == "U" else array.dtype,
        dimension_names=array.axes,
        attributes=dict(array.attributes),
    )
    for block in blocks(array.shape, array.dtype.itemsize, _CHUNK_BYTES):
        made[block] = array.read(block)
