"""How a tensor's present value gets into a row of the ring: a plain copy of memory wherever that is possible."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from ...dynamics.errors import RecordingError, SettingError
from .parameters import Place, local, numpy_dtype


class Tap(Protocol):
    """Puts the present value of something into rows."""

    def copy(self, slot: int) -> None:
        """Put it into the row in that slot; raises RecordingError when it no longer fits."""
        ...


class Copy(NamedTuple):
    """The bytes of a parameter, and what they have to be asked before they are copied.

    *source* is a view of the parameter's own memory, right as long as the parameter that the module has, present(key),
    is *parameter*, its data begin where they did, address() is *at*, and it has the *shape* still, and is_whole(), with
    its elements one after the other. Whoever copies asks for the four every time, so that what was replaced is noticed
    and never recorded stale; torch's own is_set_to() would ask for less and take twice as long.
    """

    present: Callable[[str], object]
    key: str
    parameter: Tensor
    address: Callable[[], int]
    at: int
    shape: torch.Size
    is_whole: Callable[[], bool]
    source: memoryview


class ParameterView:
    """One parameter as bytes that are copied into a row."""

    def __init__(self, place: Place):
        parameter = local(place.parameter())
        self.place = place
        self._dtype = ring_dtype(parameter.dtype)
        self._shape = parameter.shape
        self.path = place.path
        self.nbytes = parameter.numel() * self._dtype.itemsize

    def look(self) -> Copy:
        """Find the parameter where it is now; raises RecordingError when its shape has changed."""
        place, parameter = self.place, self.place.parameter()
        tensor = local(parameter).detach()
        check_shape(place, tensor, self._shape)
        is_plain = tensor.device.type == "cpu" and tensor.dtype == self._dtype and tensor.is_contiguous()
        is_plain = is_plain and not (tensor.is_conj() or tensor.is_neg())
        # One that is strided, elsewhere, or of another dtype than at first is copied twice, and looked at anew.
        seen = tensor if is_plain else resolved(tensor.to("cpu", self._dtype)).contiguous()
        is_plain = is_plain and parameter is local(parameter)
        address, at = (parameter.data_ptr, seen.data_ptr()) if is_plain else (_nowhere, 0)
        source = bits_of(seen).numpy().reshape(-1).view(np.uint8).data
        return Copy(place.owner.get, place.key, parameter, address, at, self._shape, parameter.is_contiguous, source)


class ProbeTap:
    """Copies what a function of the model returns into rows."""

    def __init__(
        self,
        name: str,
        function: Callable[[nn.Module], Any],
        model: nn.Module,
        rows: np.ndarray,
    ):
        self._name = name
        self._function = function
        self._model = model
        self._rows = rows

    def copy(self, slot: int) -> None:
        """Call the function and copy its value; raises RecordingError when its shape or kind has changed."""
        value = call_probe(self._name, self._function, self._model)
        if value.shape != self._rows.shape[1:] or not np.can_cast(value.dtype, self._rows.dtype, "same_kind"):
            raise RecordingError(
                f"probe {self._name!r} returned {value.dtype} of shape {value.shape}, at first it was "
                f"{self._rows.dtype} of shape {self._rows.shape[1:]}"
            )
        self._rows[slot] = value


def call_probe(name: str, function: Callable[[nn.Module], Any], model: nn.Module) -> np.ndarray:
    """Return what a probe says of *model* now, as an array; no gradient is traced through it.

    A plain number becomes a float64, whatever it is at first. Raises SettingError for what is no array of numbers.
    """
    if not callable(function):
        raise SettingError(f"probe {name!r} is {function!r}; give a function of the model")
    with torch.no_grad():
        value = function(model)
    if hasattr(value, "placements"):
        raise SettingError(f"probe {name!r} returned a DTensor; return its to_local(), what this rank has of it")
    if isinstance(value, Tensor) and value.layout == torch.strided:
        value = resolved(value.detach().cpu())
        value = value if numpy_dtype(value.dtype) is not None else value.to(ring_dtype(value.dtype, bits=False))
    try:
        array = np.asarray(value, dtype=np.float64 if isinstance(value, int | float) else None)
    except (TypeError, ValueError) as error:
        raise SettingError(f"probe {name!r} returned {shown(value)}: {error}") from error
    if array.dtype.kind not in "biufc":
        raise SettingError(f"probe {name!r} returned {shown(value)}; return a tensor, an array or a number")
    return array


def ring_dtype(dtype: torch.dtype, *, bits: bool = True) -> torch.dtype:
    """Return the dtype that values have in the ring: their own, or a wider one of the same kind that NumPy has.

    bfloat16, as which a parameter lies there by its *bits*, becomes float32 otherwise.
    """
    if numpy_dtype(dtype) is not None or (bits and dtype == torch.bfloat16):
        return dtype
    return torch.complex64 if dtype.is_complex else torch.float32


def resolved(tensor: Tensor) -> Tensor:
    """Return a tensor whose memory holds its values, not their conjugates or negatives."""
    return tensor.resolve_conj().resolve_neg()


def copy_all(targets: list[Tensor], sources: list[Tensor]) -> None:
    """Copy each source into its target, all by one call of torch; no gradient is traced through it."""
    with torch.no_grad():
        torch._foreach_copy_(targets, sources)  # pyright: ignore[reportPrivateImportUsage]


def _nowhere() -> int:
    return -1


def check_shape(place: Place, tensor: Tensor, shape: torch.Size) -> None:
    """Raise RecordingError for a parameter that has another shape than at first."""
    if tensor.shape != shape:
        raise RecordingError(
            f"parameter {place.name!r} changed its shape from {tuple(shape)} to {tuple(tensor.shape)}; "
            "close this recording and attach another"
        )


def bits_of(tensor: Tensor) -> Tensor:
    """Return a bfloat16 tensor as the 16-bit integers it is made of, any other as it is."""
    return tensor.view(torch.uint16) if tensor.dtype == torch.bfloat16 else tensor


class ModuleCheck:
    """Sees to it that the modules whose parameters are recorded are still the model's.

    A parameter that another one replaces is found at its place; a module that another one replaces takes its parameters
    with it.
    """

    def __init__(self, model: nn.Module, places: Iterable[Place]):
        owners = {id(place.owner) for place in places}
        modules = dict(model.named_modules(remove_duplicate=False))
        paths = [
            path.split(".")
            for path, module in modules.items()
            if path and not owners.isdisjoint((id(module._parameters), id(module._buffers)))
        ]
        prefixes = dict.fromkeys(".".join(path[:k]) for path in paths for k in range(1, len(path) + 1))
        self.entries = [
            (modules[path.rpartition(".")[0]]._modules, path.rpartition(".")[2], modules[path], path)
            for path in prefixes
        ]

    @property
    def is_needed(self) -> bool:
        """Whether any parameter belongs to a module within the model."""
        return bool(self.entries)

    def copy(self, slot: int) -> None:  # noqa: ARG002
        """Copy nothing; raises RecordingError when a module was replaced."""
        for siblings, key, module, path in self.entries:
            if siblings.get(key) is not module:
                raise RecordingError(
                    f"module {path!r} was replaced or taken out of the model; close this recording and attach another"
                )


def as_number(name: str, value: float | Tensor) -> float | Tensor:
    """Return a number, or a tensor on a CUDA device, whose number is not there yet."""
    if type(value) is float:
        return value
    if isinstance(value, Tensor) and value.is_cuda and value.numel() == 1 and not value.is_complex():
        return value
    try:
        # NumPy's numbers and torch's tensors of one element both have item().
        return float(value if isinstance(value, int | float) else value.item())
    except (AttributeError, OverflowError, TypeError, ValueError, RuntimeError) as error:
        raise SettingError(f"log({name}=…) takes a number or a tensor of one element, got {shown(value)}") from error


def shown(value: Any) -> str:
    """Return a value in the words of an error, in one line."""
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}, {value.dtype}"
    return " ".join(repr(value).split())
