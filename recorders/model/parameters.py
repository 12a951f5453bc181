"""Which parameters of a model are recorded, under which names, and which of their axes holds features."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache, reduce
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from ...dynamics.errors import RecordingError, SettingError, unknown_name
from ..ring.channels import Channel, ChannelGroup, stored_dtype
from ..ring.matrices import MatrixView
from .feature_axes import FeatureChoice, Features, guess_of, guessed_axis, instances_of, meaning_of
from .feature_patterns import view_of

# Where wrappers keep the module that they are around: torch.compile's, FSDP's, checkpointing's, Fabric's and Opacus's.
_INNER = (
    "_orig_mod",
    "_fsdp_wrapped_module",
    "_checkpoint_wrapped_module",
    "_forward_module",
    "_original_module",
    "_module",
)
# Classes that call it plainly "module", as a model of somebody's own may call a part of it.
_WRAPPERS = ("DistributedDataParallel", "DataParallel", "AveragedModel", "DeepSpeedEngine")


@dataclass(frozen=True)
class Place:
    """Where a module keeps a parameter, or a buffer, by its clean qualified name; another one may be put there."""

    name: str
    owner: Mapping[str, Any]
    key: str
    group: ChannelGroup = "parameters"

    @property
    def path(self) -> str:
        """Where it lies in the file."""
        return f"{self.group}/{self.name}"

    def parameter(self) -> Any:
        """Return the parameter that is there now; raises RecordingError when there is none."""
        parameter = self.owner.get(self.key)
        if parameter is None:
            raise RecordingError(f"parameter {self.name!r} was taken out of the model")
        return parameter


def within(model: nn.Module) -> tuple[str, ...]:
    """Return under which names a wrapper, such as torch.compile's, keeps the module that it is around; else none."""
    keys = tuple(key for key in _INNER if key in model._modules)
    return keys or ("module",) * any(each.__name__ in _WRAPPERS for each in type(model).__mro__)


def unwrap(model: nn.Module) -> nn.Module:
    """Return the module within all wrappers, whose names say what it is called."""
    while (keys := within(model)) and (inner := model._modules.get(keys[0])) is not None:
        model = inner
    return model


def local(parameter: Tensor) -> Tensor:
    """Return the part of a parameter that this process holds: all of it, unless it is a DTensor."""
    # What to_local() returns, without the 20 µs that it takes to ask.
    return getattr(parameter, "_local_tensor", parameter)


def clean_name(name: str, model: nn.Module) -> str:
    """Return a qualified name within *model* without what wrappers put into it."""
    parts, module = [], model
    for part in name.split("."):
        if module is None or part not in within(module):
            parts.append(part)
        module = module._modules[part] if module is not None and part in module._modules else None
    return ".".join(parts)


def globs(select: str | Sequence[str]) -> list[str]:
    """Return a selection as globs; raises SettingError for what is none."""
    found: list[Any] = [select] if isinstance(select, str) or not isinstance(select, Iterable) else [*select]
    if not all(isinstance(glob, str) for glob in found):
        raise SettingError(f"select={select!r} is no glob over the names of parameters, nor a list of them")
    return found


def parameter_places(
    model: nn.Module, select: str | Sequence[str] | None, *, none_is_fine: bool = False
) -> dict[str, Place]:
    """Return where each parameter to record is, by name; a shared parameter stands under its first.

    select None means every parameter that requires a gradient; otherwise one glob or several, which may name frozen
    parameters too. Raises SettingError for a selection that matches nothing, unless that is fine.
    """
    places = {}
    # Some wrappers have named_parameters() of their own, whose names lead nowhere.
    for name, parameter in nn.Module.named_parameters(model):
        path, _, key = name.rpartition(".")
        owner: Any = reduce(lambda outer, part: outer.get_submodule(part), path.split(".") if path else [], model)
        if not isinstance(owner, torch.jit.ScriptModule):
            clean = clean_name(name, model)
            places[clean] = Place(clean, owner._parameters, key)
        elif parameter.requires_grad:
            raise SettingError(
                f"{path or 'the model'!r} is TorchScript ({type(owner).__name__}), whose parameters are out of reach; "
                "attach to the module that it was made from, before torch.jit.script"
            )
    return _select(places, select, none_is_fine=none_is_fine)


def parameter_channels(
    model: nn.Module,
    places: Mapping[str, Place],
    features: Features,
    computed: Mapping[str, tuple[nn.Module, Tensor]],
    *,
    of_large_too: bool = False,
) -> dict[str, Channel]:
    """Return the channel of each parameter, and of each weight that a module computes from some, by name.

    That of a DTensor is the channel of the whole parameter. of_large_too: take the features of matrices so large that
    measuring them costs too much in each row.
    Raises SettingError for features that cannot be had.
    """
    parameters: dict[str, Tensor] = {name: place.parameter() for name, place in places.items()}
    parameters.update((name, tensor) for name, (_, tensor) in computed.items())
    overrides = _feature_overrides(features, parameters)
    modules = {id(module._parameters): module for module in model.modules()}
    owners = {name: modules[id(place.owner)] for name, place in places.items()}
    owners.update((name, module) for name, (module, _) in computed.items())
    # What is tied to an output layer is told by its tokens, whichever of the two comes first.
    tables = [each for each in model.modules() if isinstance(each, nn.Embedding | nn.EmbeddingBag)]
    embeddings = {id(each._parameters.get("weight")): each for each in tables}
    owners.update((name, embeddings[id(p)]) for name, p in parameters.items() if id(p) in embeddings)
    aliases = _aliases(model)
    channels, limit = {}, {"most": math.inf} if of_large_too else {}
    for name, tensor in parameters.items():
        owner = owners[name]
        choice = overrides[name] if name in overrides else guessed_axis(owner, name, tensor, features, **limit)
        view = None if choice is None else view_of(owner, name, tensor, choice)
        attributes = {"computed": "from parameters of its module"} if name in computed else {}
        if name in places and (further := aliases.get(id(places[name].parameter()))):
            attributes["aliases"] = ", ".join(further)
        if choice in ("columns", "rows"):
            if name not in overrides and (guess := guess_of(owner, tensor, choice)):
                attributes["guessed"] = guess
            if meaning := meaning_of(owner, name, choice):
                attributes["features_are"] = meaning
        channels[name] = _parameter_channel(name, tensor, owner, view, attributes)
    return channels


@cache
def numpy_dtype(dtype: torch.dtype) -> np.dtype | None:
    """Return NumPy's name for a torch dtype, or None where it has none."""
    try:
        return torch.empty(0, dtype=dtype).numpy().dtype
    except TypeError:
        return None


def dtypes_of(tensor: Tensor) -> tuple[np.dtype, np.dtype, dict[str, str]]:
    """Return the dtypes of a tensor in the ring and in the file, and its own as an attribute where that is another."""
    dtype = numpy_dtype(tensor.dtype)
    in_ring = dtype or np.dtype(np.complex64 if tensor.is_complex() else np.float32)
    stored = stored_dtype(in_ring)
    origin = {} if stored == dtype else {"origin_dtype": str(tensor.dtype).removeprefix("torch.")}
    return np.dtype(np.uint16) if tensor.dtype == torch.bfloat16 else in_ring, stored, origin


def _select(places: dict[str, Place], select: str | Sequence[str] | None, *, none_is_fine: bool) -> dict[str, Place]:
    places = {name: place for name, place in places.items() if not _is_empty(place.parameter())}
    if select is None:
        chosen = {name: place for name, place in places.items() if place.parameter().requires_grad}
        if not chosen:
            raise SettingError("the model has no parameter that requires a gradient; name some with select='*'")
    else:
        wanted = globs(select)
        chosen = {name: place for name, place in places.items() if any(fnmatchcase(name, glob) for glob in wanted)}
        if not chosen and not none_is_fine:
            raise SettingError(f"select={select!r} matches no parameter; there are {', '.join(places) or 'none'}")
    for name, place in chosen.items():
        _check_recordable(name, place.parameter())
    return chosen


def _is_empty(parameter: Tensor) -> bool:
    return not is_lazy(parameter) and not parameter.numel()


def _check_recordable(name: str, parameter: Tensor) -> None:
    if is_lazy(parameter):
        raise SettingError(f"parameter {name!r} of a lazy module has no shape yet; call the model once before attach()")
    if parameter.is_meta:
        raise SettingError(
            f"parameter {name!r} is on the meta device and has no values; move the model to another first"
        )
    if parameter.layout != torch.strided:
        raise SettingError(f"parameter {name!r} is {parameter.layout}, which cannot be recorded; select others")
    if is_traceable_wrapper_subclass(parameter) and not hasattr(parameter, "_local_tensor"):
        raise SettingError(
            f"parameter {name!r} is a {type(parameter).__name__}, a tensor made of others, which cannot be recorded; "
            "select others"
        )


def _feature_overrides(features: Features, chosen: Mapping[str, Tensor]) -> Mapping[str, FeatureChoice]:
    if features is None or features == "auto":
        return {}
    if not isinstance(features, Mapping):
        raise SettingError(f"features={features!r} is neither 'auto', None nor a dict such as {{'W': 'columns'}}")
    for name in features:
        if name not in chosen:
            raise unknown_name("parameter in features", name, chosen)
    return features


def _parameter_channel(
    name: str, parameter: Tensor, owner: nn.Module, view: MatrixView | None, further: Mapping[str, str]
) -> Channel:
    bits, stored, origin = dtypes_of(parameter)
    attributes = {**further, **origin, **(view.attributes if view else {})}
    has_instances = parameter.ndim > 0 and instances_of(owner) == parameter.shape[0]
    axes = _axis_names(name, parameter.ndim, view, has_instances=has_instances)
    features = view.features if view else None
    return Channel("parameters", name, tuple(parameter.shape), bits, stored, axes, features, attributes)


def _axis_names(name: str, ndim: int, view: MatrixView | None, *, has_instances: bool) -> tuple[str, ...]:
    """Name each dimension within its parameter's name: xarray wants one size for one name throughout the file."""
    if view is None or view.is_pattern:
        kinds = [f"axis{k}" for k in range(ndim)]
    else:
        matrix = ["hidden", "feature"] if view.features == "columns" else ["feature", "hidden"]
        kinds = [f"axis{k}" for k in range(ndim - 2)] + matrix
    # The instances of a pattern's matrices are others.
    if has_instances and not (view and view.is_pattern):
        kinds[0] = "instance"
    return tuple(f"{name}.{kind}" for kind in kinds)


def _aliases(model: nn.Module) -> dict[int, list[str]]:
    """Return the further names of parameters that stand in several places, by identity."""
    names: dict[int, dict[str, None]] = {}
    for name, parameter in nn.Module.named_parameters(model, remove_duplicate=False):
        names.setdefault(id(parameter), {})[clean_name(name, model)] = None
    return {key: [*several][1:] for key, several in names.items() if len(several) > 1}
