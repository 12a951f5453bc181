"""Names: no two arrays of an export, and no two columns of a table, are called alike."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import accumulate

import numpy as np

from .contents import Array, Contents


def distinct(contents: Contents) -> Contents:
    """Return contents in which nothing in a group is called as a coordinate: probes/step becomes probes/step_.

    xarray takes what is called as an axis, in whichever group, for the values along that axis.
    """
    taken = _taken([*contents.arrays, *contents.constants])

    def renamed(path: str) -> str:
        found, *parts = path.split("/")
        place = found
        for part in parts:
            found, place = f"{found}/{part}", f"{place}/{part}"
            behind = ""
            while part in contents.coordinates and f"{found}{behind}" in taken:
                behind += "_"
            place += behind
        return place

    arrays = [replace(array, path=renamed(array.path)) for array in contents.arrays]
    constants = [replace(array, path=renamed(array.path)) for array in contents.constants]
    return replace(contents, arrays=arrays, constants=constants)


def without_complex(arrays: Sequence[Array]) -> list[Array]:
    """Return arrays with each complex one as two real ones, NAME.real and NAME.imag, in its place.

    Both have underscores behind where something else has one of these names.
    """
    taken = _taken(arrays)
    return [part for array in arrays for part in (_parts(array, taken) if array.dtype.kind == "c" else [array])]


def column_names(arrays: Sequence[Array], axes: Sequence[int]) -> list[str]:
    """Return a name for the column of each array, of which a row has so many axes.

    It is the array's name within its group with dots for slashes, such as W.dimensionality; where two would be called
    the same, or one as an element of another, as a.0 is, the whole path; where even these are the same, that path with
    its slashes; and where that is called as an element still, with an underscore behind.
    """
    paths = [array.path for array in arrays]
    names = [array.name.replace("/", ".") for array in arrays]
    for longer in ([path.replace("/", ".") for path in paths], paths):
        known, elements = Counter(names), _elements(names, axes)
        alike = {*elements, *elements.values(), *(k for k, name in enumerate(names) if known[name] > 1)}
        names = [other if k in alike else name for k, (name, other) in enumerate(zip(names, longer, strict=True))]
    while elements := _elements(names, axes):
        k = min(elements)
        names[k] += "_"
        while names.count(names[k]) > 1:
            names[k] += "_"
    return names


def _taken(arrays: Iterable[Array]) -> set[str]:
    """Return the paths of arrays, and of the groups that they lie in."""
    return {place for array in arrays for place in accumulate(array.path.split("/"), "{}/{}".format)}


def _parts(array: Array, taken: set[str]) -> list[Array]:
    real = np.dtype(f"f{array.dtype.itemsize // 2}")
    behind = ""
    while {f"{array.path}.real{behind}", f"{array.path}.imag{behind}"} & taken:
        behind += "_"

    def part(which: str) -> Array:
        return replace(
            array,
            path=f"{array.path}.{which}{behind}",
            dtype=real,
            read=lambda block: np.ascontiguousarray(getattr(array.read(block), which)),
        )

    return [part("real"), part("imag")]


def _elements(names: Sequence[str], axes: Sequence[int]) -> dict[int, int]:
    """Return which columns are called as elements of another one, or their own elements are, and of which."""
    places, found = {name: k for k, name in enumerate(names)}, {}
    for k, name in enumerate(names):
        stem, _, last = name.rpartition(".")
        count = axes[k]
        while last.isdecimal():
            count += 1
            if axes[places.get(stem, k)] == count:
                found[k] = places[stem]
            stem, _, last = stem.rpartition(".")
    return found
