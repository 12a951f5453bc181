"""What our HDF5 files call themselves, and what is asked of any of them; loads no torch."""

import os

import h5py
import numpy as np
from h5py.h5i import dec_ref

# Both HDF5 1.14 and 2 read and write this version, and it allows reading while writing.
LIBVER = ("v110", "v110")
# Of arrays with an entry for each row, and of what is kept once.
GROUPS = ("scalars", "parameters", "features", "probes", "buffers", "summaries")
CONSTANTS = "constants"
# What it takes to go on training, at some steps.
CHECKPOINTS = "checkpoints"
# How netCDF-4 marks an axis that has a length and no values.
BARE_DIMENSION = "This is a netCDF dimension but not a netCDF variable.%10d"
# Attributes of a dataset that say which axis it is, or has; netCDF-4 keeps them to itself.
OF_AXES = ("CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "_Netcdf4Dimid")

FORMAT = "learning-dynamics"
FORMAT_VERSION = 1
SWEEP_FORMAT = f"{FORMAT}-sweep"
SWEEP_FORMAT_VERSION = 1


def is_sweep(path: str | os.PathLike[str]) -> bool:
    """Return whether a file is the result of a sweep; False also for what is no HDF5 file, or not there."""
    try:
        with h5py.File(path, "r") as file:
            return file.attrs.get("format") == SWEEP_FORMAT
    except OSError:
        return False


def dataset_at(file: h5py.File, path: str) -> h5py.Dataset:
    """Return the dataset at *path*."""
    dataset = file[path]
    assert isinstance(dataset, h5py.Dataset)
    return dataset


def make_dimension(dataset: h5py.Dataset, name: str, number: int) -> None:
    """Make *dataset* a dimension scale, the so-manieth of its file from 0 on, in the way of netCDF-4.

    Some readers (VirtualiZarr) take a scale without its number for one without values.
    """
    dataset.make_scale(name)
    dataset.attrs["_Netcdf4Dimid"] = np.int32(number)


def array_paths(file: h5py.File) -> list[str]:
    """Return where the arrays lie that have an entry for each row, in the order in which they were made."""
    return ["step", "time", *(path for group in GROUPS if group in file for path in _paths(file, group))]


def constant_paths(file: h5py.File) -> list[str]:
    """Return where the arrays lie that are kept once."""
    return _paths(file, CONSTANTS) if CONSTANTS in file else []


def _paths(file: h5py.File, path: str) -> list[str]:
    node = file[path]
    if isinstance(node, h5py.Group):
        return [each for name in node for each in _paths(file, f"{path}/{name}")]
    return [path]


def close_everywhere(file: h5py.File) -> None:
    """Close *file* and whatever else this process has open of it.

    HDF5 keeps one state for a file however often a process opens it: with a reader in the same process it would stay
    in SWMR mode, where nothing can be created. A Recording that is cut off so opens the file again by itself.
    """
    if not file:
        return
    for kind in (~h5py.h5f.OBJ_FILE & h5py.h5f.OBJ_ALL, h5py.h5f.OBJ_FILE):
        for identifier in h5py.h5f.get_obj_ids(file.id, kind):
            while identifier.valid:
                dec_ref(identifier)
