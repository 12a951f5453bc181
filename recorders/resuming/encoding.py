"""The state of an optimizer, a scheduler or a generator as JSON and arrays, and back; nothing is pickled.

What JSON knows stands for itself. Everything else is an object with one key that says what it is: an array of the
checkpoint by its path, a tuple, a number that is not finite.
"""

import math
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...dynamics.errors import RecordingError, SettingError

# A long tuple of whole numbers, as Python's generator has it, is kept as an array.
_LONG = 16
_KINDS: dict[str, Callable[[Any], Any]] = {"OrderedDict": OrderedDict, "Counter": Counter, "dict": dict}
_SEQUENCES: dict[str, Callable[[Any], Any]] = {"tuple": tuple, "set": set, "frozenset": frozenset, "size": torch.Size}
# What NumPy has no type for goes by its bits.
_BITS = {1: torch.uint8, 2: torch.uint16, 4: torch.uint32, 8: torch.uint64}


class Encoder:
    """Puts values into JSON, and what is large among them into *arrays*, by path."""

    def __init__(self, arrays: dict[str, np.ndarray]):
        self._arrays = arrays
        self._groups = set[str]()

    def encode(self, value: Any, where: str) -> Any:
        """Return *value* as JSON can hold it; raises SettingError for what no checkpoint can keep, with where it is."""
        if value is None or isinstance(value, bool | str) or type(value) is int:
            return value
        if isinstance(value, Tensor | np.ndarray | np.generic):
            return self._numbers(value, where)
        if isinstance(value, float):
            return value if math.isfinite(value) else {"float": repr(value)}
        if isinstance(value, Mapping):
            return self._mapping(value, where)
        if isinstance(value, list | tuple | set | frozenset | deque):
            return self._sequence(value, where)
        return self._rest(value, where)

    def _numbers(self, value: Tensor | np.ndarray | np.generic, where: str) -> Any:
        if not isinstance(value, Tensor):
            return {"array": self._put(where, np.asarray(value)), "is_scalar": isinstance(value, np.generic)}
        if value.layout != torch.strided or value.is_quantized or type(value) not in (Tensor, torch.nn.Parameter):
            raise SettingError(f"{where} is a {type(value).__name__} ({value.layout}), which a checkpoint cannot keep")
        dtype = str(value.dtype).removeprefix("torch.")
        return {"tensor": self._put(where, as_array(value)), "dtype": dtype}

    def _mapping(self, value: Mapping[Any, Any], where: str) -> Any:
        kind = type(value).__name__ if type(value).__name__ in _KINDS else "dict"
        items = [[self.encode(key, where), self.encode(each, f"{where}/{_part(key)}")] for key, each in value.items()]
        return {kind: items}

    def _sequence(self, value: Any, where: str) -> Any:
        if isinstance(value, tuple) and len(value) > _LONG and all(map(_fits, value)):
            return {"ints": self._put(where, np.array(value, np.int64))}
        parts = [self.encode(each, f"{where}/{k}") for k, each in enumerate(value)]
        if isinstance(value, list):
            return parts
        if isinstance(value, deque):
            return {"deque": parts, "maxlen": value.maxlen}
        names = {tuple: "tuple", set: "set", frozenset: "frozenset", torch.Size: "size"}
        return {names.get(type(value), "tuple"): parts}

    def _rest(self, value: Any, where: str) -> Any:
        if isinstance(value, torch.dtype):
            return {"torch_dtype": str(value).removeprefix("torch.")}
        if isinstance(value, torch.device):
            return {"device": str(value)}
        if isinstance(value, int):
            return int(value)
        if isinstance(value, bytes):
            return {"bytes": value.hex()}
        raise SettingError(
            f"{where} is a {type(value).__name__}, which a checkpoint cannot keep: it takes tensors, arrays, numbers, "
            "texts, and lists and dictionaries of them"
        )

    def _put(self, where: str, array: np.ndarray) -> str:
        if array.dtype.kind not in "biufc":
            raise SettingError(f"{where} is an array of {array.dtype}, which a checkpoint cannot keep")
        # An array called like the dimension of all rows would be taken for its values.
        where = f"{where}_" if where.endswith("/step") else where
        path, k = where, 1
        while path in self._arrays or path in self._groups:
            k += 1
            path = f"{where}~{k}"
        if any(parent in self._arrays for parent in _parents(path)):
            # What is told apart by its type only, as 0 and "0" are, has one path, and HDF5 no groups within an array.
            return self._put(where.replace("/", "~"), array)
        self._arrays[path] = array
        self._groups.update(_parents(path))
        return path


def decode(node: Any, read: Callable[[str], np.ndarray]) -> Any:
    """Return what :class:`Encoder` made *node* of; *read* gives an array by its path."""
    if isinstance(node, list):
        return [decode(each, read) for each in node]
    if not isinstance(node, dict):
        return node
    kind, value = next(iter(node.items()))
    if kind in _KINDS:
        return _KINDS[kind]({decode(key, read): decode(each, read) for key, each in value})
    if kind in _SEQUENCES:
        return _SEQUENCES[kind](decode(value, read))
    if kind == "deque":
        return deque(decode(value, read), node["maxlen"])
    if kind == "tensor":
        return as_tensor(read(value), node["dtype"])
    if kind == "array":
        return read(value)[()] if node["is_scalar"] else read(value)
    simple: dict[str, Callable[[Any], Any]] = {
        "ints": lambda path: tuple(read(path).tolist()),
        "float": float,
        "bytes": bytes.fromhex,
        "device": torch.device,
        "torch_dtype": lambda name: getattr(torch, name),
    }
    if kind not in simple:
        raise RecordingError(f"the checkpoint has a {kind!r}, which this version does not know; upgrade the toolkit")
    return simple[kind](value)


def as_array(tensor: Tensor) -> np.ndarray:
    """Return the values of a tensor, not copied where they are on the CPU; by their bits where NumPy has no dtype."""
    values = tensor.detach().cpu().contiguous()
    values = values.resolve_conj().resolve_neg()
    try:
        return values.numpy()
    except TypeError:
        return values.view(_BITS[values.element_size()]).numpy()


def as_tensor(values: np.ndarray, dtype: str) -> Tensor:
    """Return an array as a tensor of its own of the dtype that it had."""
    tensor, wanted = torch.from_numpy(np.array(values)), getattr(torch, dtype)
    return tensor if tensor.dtype == wanted else tensor.view(wanted)


def _part(key: Any) -> str:
    """Return a key as part of a path; HDF5 takes a dot for the group that it stands in."""
    part = str(key).replace("/", "_").replace("\0", "_")
    return "_" if part in ("", ".") else part


def _parents(path: str) -> list[str]:
    return [path[:k] for k, letter in enumerate(path) if letter == "/"]


def _fits(value: Any) -> bool:
    """Whether *value* is a whole number of 64 bits."""
    return type(value) is int and -(2**63) <= value < 2**63
