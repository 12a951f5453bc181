"""What is recorded: the tensors of a model, their names, shapes and dtypes, and which of their axes holds features."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

import numpy as np
import torch
from torch import nn

from ..dynamics.errors import SettingError, unknown_name

FeatureAxis = Literal["columns", "rows"]
Features = Mapping[str, FeatureAxis | None] | Literal["auto"] | None

# Multiplications per row beyond which the dimensionality of a matrix is no longer "nearly free" (about 0.3 ms).
# Such a matrix is recorded all the same, so its dimensionality can be had later; features= asks for it at once.
_FREE = 2**22
# step, time and the scalars that every recording has (loss, lr).
_ROW_OVERHEAD = 4 * 8
_FEATURE_QUANTITIES = ("dimensionality", "norm", "interference")


@dataclass(frozen=True)
class Channel:
    """One tensor that is recorded in every row.

    group and name are its place in the file; dtype is how it lies in the ring, stored_dtype how it lies in the file
    (bfloat16, which NumPy lacks, lies in the ring as its 16 bits); axes name its dimensions.
    """

    group: Literal["parameters", "features", "probes"]
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    stored_dtype: np.dtype
    axes: tuple[str, ...]
    features: FeatureAxis | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)

    @property
    def path(self) -> str:
        """Where the channel lies in the file."""
        return f"{self.group}/{self.name}"

    @property
    def stored_bytes(self) -> int:
        """How many bytes one row of it takes in the file."""
        return math.prod(self.shape) * self.stored_dtype.itemsize


def parameter_channels(
    model: nn.Module, select: str | Sequence[str] | None, features: Features
) -> dict[str, tuple[nn.Parameter, Channel]]:
    """Return each parameter to record with its channel, by qualified name; a shared parameter stands under its first.

    select None means every parameter that requires a gradient; otherwise one glob or several, which may name frozen
    parameters too. Raises SettingError for a selection that matches nothing and for features that cannot be had.
    """
    chosen = _select(dict(model.named_parameters()), select)
    overrides = _feature_overrides(features, chosen)
    aliases = _aliases(model)
    channels = {}
    for name, parameter in chosen.items():
        owner = model.get_submodule(name.rpartition(".")[0])
        axis = overrides[name] if name in overrides else _feature_axis(owner, parameter, features)
        channels[name] = parameter, _parameter_channel(name, parameter, owner, axis, aliases.get(id(parameter), []))
    return channels


def feature_channels(channel: Channel) -> tuple[Channel, ...]:
    """Return the channels that are derived from a parameter with features, none from one without."""
    if channel.features is None:
        return ()
    kept = -1 if channel.features == "columns" else -2
    shape, axes = (*channel.shape[:-2], channel.shape[kept]), (*channel.axes[:-2], channel.axes[kept])
    dtype = np.dtype(np.float32)
    return tuple(
        Channel("features", f"{channel.name}/{quantity}", shape, dtype, dtype, axes) for quantity in _FEATURE_QUANTITIES
    )


def array_channel(group: Literal["probes"], name: str, value: np.ndarray) -> Channel:
    """Return the channel of a probe or of a derived quantity whose values look like *value*."""
    # The group is part of the name, since a probe may be called like a parameter.
    axes = tuple(f"{group}.{name}.axis{k}" for k in range(value.ndim))
    return Channel(group, name, value.shape, value.dtype, value.dtype, axes)


def row_bytes(channels: Sequence[Channel]) -> int:
    """Return how many bytes one row of these channels takes in the file, with the features derived from them."""
    stored = [each.stored_bytes for channel in channels for each in (channel, *feature_channels(channel))]
    return _ROW_OVERHEAD + sum(stored)


def numpy_dtype(dtype: torch.dtype) -> np.dtype | None:
    """Return NumPy's name for a torch dtype, or None where it has none."""
    try:
        return torch.empty(0, dtype=dtype).numpy().dtype
    except TypeError:
        return None


def _select(parameters: dict[str, nn.Parameter], select: str | Sequence[str] | None) -> dict[str, nn.Parameter]:
    if select is None:
        chosen = {name: p for name, p in parameters.items() if p.requires_grad and p.numel()}
        if not chosen:
            raise SettingError("the model has no parameter that requires a gradient; name some with select='*'")
        return chosen
    globs = [select] if isinstance(select, str) else list(select)
    chosen = {name: p for name, p in parameters.items() if p.numel() and any(fnmatchcase(name, g) for g in globs)}
    if not chosen:
        raise SettingError(f"select={select!r} matches no parameter; there are {', '.join(parameters) or 'none'}")
    return chosen


def _feature_overrides(features: Features, chosen: Mapping[str, nn.Parameter]) -> Mapping[str, FeatureAxis | None]:
    if features is None or features == "auto":
        return {}
    if not isinstance(features, Mapping):
        raise SettingError(f"features={features!r} is neither 'auto', None nor a dict such as {{'W': 'columns'}}")
    for name, axis in features.items():
        if name not in chosen:
            raise unknown_name("parameter in features", name, chosen)
        if axis not in ("columns", "rows", None):
            raise SettingError(f"features[{name!r}]={axis!r} is neither 'columns', 'rows' nor None")
        if axis is not None and (chosen[name].ndim < 2 or not chosen[name].is_floating_point()):
            shape = tuple(chosen[name].shape)
            raise SettingError(
                f"features[{name!r}]={axis!r} needs a real matrix, but it is {shape}, {chosen[name].dtype}"
            )
    return features


def _feature_axis(owner: nn.Module, parameter: nn.Parameter, features: Features) -> FeatureAxis | None:
    """Return which axis holds features by the rules of "auto": matrices, and ensembles that say that they are one."""
    if features is None or not parameter.is_floating_point():
        return None
    instances = getattr(owner, "n_instances", None)
    if parameter.ndim != (3 if instances else 2) or (instances and parameter.shape[0] != instances):
        return None
    m, n = parameter.shape[-2:]
    if parameter.numel() * min(m, n) > _FREE:
        return None
    return "rows" if isinstance(owner, nn.Embedding | nn.EmbeddingBag) else "columns"


def _parameter_channel(
    name: str, parameter: nn.Parameter, owner: nn.Module, features: FeatureAxis | None, aliases: list[str]
) -> Channel:
    dtype = numpy_dtype(parameter.dtype)
    attributes = {} if dtype is not None else {"origin_dtype": str(parameter.dtype).removeprefix("torch.")}
    if aliases:
        attributes["aliases"] = ", ".join(aliases)
    if features:
        attributes["features"] = features
    stored = dtype or np.dtype(np.float32)
    bits = np.dtype(np.uint16) if parameter.dtype == torch.bfloat16 else stored
    has_instances = parameter.ndim > 0 and getattr(owner, "n_instances", None) == parameter.shape[0]
    axes = _axis_names(name, parameter.ndim, features, has_instances=has_instances)
    return Channel("parameters", name, tuple(parameter.shape), bits, stored, axes, features, attributes)


def _axis_names(name: str, ndim: int, features: FeatureAxis | None, *, has_instances: bool) -> tuple[str, ...]:
    """Name each dimension within its parameter's name: xarray wants one size for one name throughout the file."""
    if features is None:
        kinds = [f"axis{k}" for k in range(ndim)]
    else:
        matrix = ["hidden", "feature"] if features == "columns" else ["feature", "hidden"]
        kinds = [f"axis{k}" for k in range(ndim - 2)] + matrix
    if has_instances:
        kinds[0] = "instance"
    return tuple(f"{name}.{kind}" for kind in kinds)


def _aliases(model: nn.Module) -> dict[int, list[str]]:
    """Return the further names of parameters that stand in several places, by identity."""
    names: dict[int, list[str]] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        names.setdefault(id(parameter), []).append(name)
    return {key: several[1:] for key, several in names.items() if len(several) > 1}
