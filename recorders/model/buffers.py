"""What else a model's state is made of: buffers that change, and what does not change or is not recorded."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.parameter import is_lazy
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from ...dynamics.errors import SettingError
from ..ring.channels import Channel, ChannelGroup
from .parameters import Place, clean_name, dtypes_of
from .shards import is_shard

Buffers = bool | str | Sequence[str]

# Buffers of more bytes are taken for ones that do not change: masks, and tables of positions. Truth values and whole
# numbers are seldom anything else.
_SMALL, _SMALL_WHOLE = 2**16, 2**12


@dataclass(frozen=True)
class BufferPlace(Place):
    """Where a module keeps a buffer.

    One that is taken out, or gets another shape or dtype, is recorded on as it was last, and is_lost: a
    buffer is no reason to end the recording of the parameters.
    """

    last: list[Tensor] = field(default_factory=list)

    def parameter(self) -> Any:
        """Return the buffer that is there now, or the last one that had its shape and dtype."""
        present = self.owner.get(self.key)
        # Among whole numbers the rows have no place for fractions.
        if isinstance(present, Tensor) and present.shape == self.last[0].shape and present.dtype == self.last[0].dtype:
            self.last[0] = present
        return self.last[0]

    @property
    def is_lost(self) -> bool:
        """Whether what is recorded is not the buffer that the module has."""
        return self.parameter() is not self.owner.get(self.key)


@dataclass(frozen=True)
class Rest:
    """The state of a model beside its recorded parameters, by name.

    changing is recorded with each row, constant is kept once; left_out is neither, though ``state_dict()`` has it.
    aliases are the further names of each.
    """

    changing: Mapping[str, BufferPlace]
    constant: Mapping[str, Place]
    left_out: Sequence[str]
    aliases: Mapping[str, Sequence[str]]

    def channels(self) -> list[Channel]:
        """Return the channels of the buffers that change."""
        return [_channel(place, self.aliases[name], {}) for name, place in self.changing.items()]

    def constants(self) -> list[Channel]:
        """Return how what is kept once lies in the file."""
        kinds = {"parameters": "parameter", "buffers": "buffer"}
        return [
            _channel(place, self.aliases[name], {"kind": kinds[place.group]}, group="constants")
            for name, place in self.constant.items()
        ]


def rest_of(model: nn.Module, recorded: Mapping[str, Place], buffers: Buffers) -> Rest:
    """Return what else there is of a model's state, some of whose parameters are recorded.

    buffers: whether to keep any; or globs of such as are recorded with each row, whatever they look like.
    Raises SettingError for buffers that are neither.
    """
    wanted = _globs(buffers)
    changing, constant, left_out, aliases = {}, {}, [], {}
    for place, tensor, further, module in _tensors(model):
        name, is_buffer = place.name, place.group == "buffers"
        if name in recorded or (is_buffer and buffers is False):
            continue
        aliases[name] = further
        if not _is_recordable(tensor) or (not is_buffer and tensor.requires_grad and tensor.numel()):
            left_out.append(name)
        elif is_buffer and (any(fnmatchcase(name, glob) for glob in wanted) or _may_change(tensor, module)):
            changing[name] = BufferPlace(name, place.owner, place.key, "buffers", [tensor])
        else:
            constant[name] = place
    known = {*changing, *constant, *left_out}
    for glob in wanted:
        if not any(fnmatchcase(name, glob) for name in changing):
            raise SettingError(f"buffers={buffers!r} matches no buffer; there are {', '.join(known) or 'none'}")
    return Rest(changing, constant, left_out, aliases)


def _globs(buffers: Buffers) -> list[str]:
    found = [buffers] if isinstance(buffers, str) else [] if isinstance(buffers, bool) else buffers
    if not isinstance(found, Sequence) or not all(isinstance(glob, str) for glob in found):
        raise SettingError(f"buffers={buffers!r} is neither True nor False, nor globs over the names of buffers")
    return [*found]


def _tensors(model: nn.Module) -> Iterator[tuple[Place, Tensor, list[str], nn.Module]]:
    """Give each tensor of ``model.state_dict()`` with its further names and its module; each once."""
    names: dict[int, list[str]] = {}
    found: list[tuple[Place, Tensor, list[str], nn.Module]] = []
    for path, module in model.named_modules(remove_duplicate=False):
        for place, tensor in _of_module(model, path, module):
            if id(tensor) not in names:
                names[id(tensor)] = []
                found.append((place, tensor, names[id(tensor)], module))
            elif place.name not in (names[id(tensor)], next(p.name for p, t, *_ in found if t is tensor)):
                names[id(tensor)].append(place.name)
    yield from found


def _of_module(model: nn.Module, path: str, module: nn.Module) -> Iterator[tuple[Place, Tensor]]:
    if isinstance(module, torch.jit.ScriptModule):
        return
    groups: list[tuple[ChannelGroup, Any]] = [("parameters", module._parameters), ("buffers", module._buffers)]
    for group, owner in groups:
        for key, tensor in owner.items():
            if tensor is not None and not (group == "buffers" and key in module._non_persistent_buffers_set):
                name = clean_name(f"{path}.{key}" if path else key, model)
                yield Place(name, owner, key, group), tensor


def _is_recordable(tensor: Tensor) -> bool:
    if is_lazy(tensor) or is_shard(tensor) or is_traceable_wrapper_subclass(tensor):
        return False
    return tensor.layout == torch.strided and not (tensor.is_meta or tensor.is_quantized)


def _may_change(tensor: Tensor, module: nn.Module) -> bool:
    """Whether a buffer is taken for one that changes, which its module, or its size and kind, say."""
    if not tensor.numel():
        return False
    if isinstance(module, _NormBase):
        return True
    is_whole = not (tensor.is_floating_point() or tensor.is_complex())
    return tensor.nbytes <= (_SMALL_WHOLE if is_whole else _SMALL)


def _channel(
    place: Place, aliases: Sequence[str], attributes: Mapping[str, str], *, group: ChannelGroup = "buffers"
) -> Channel:
    tensor = place.parameter()
    in_ring, stored, origin = dtypes_of(tensor)
    if in_ring == np.bool_:
        # netCDF-4 has no truth values.
        stored, origin = np.dtype(np.uint8), {"origin_dtype": "bool"}
    further = {"aliases": ", ".join(aliases)} if aliases else {}
    axes = tuple(f"{place.name}.axis{k}" for k in range(tensor.ndim))
    return Channel(
        group, place.name, tuple(tensor.shape), in_ring, stored, axes, attributes={**attributes, **origin, **further}
    )
