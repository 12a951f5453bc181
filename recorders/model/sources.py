"""What a recording takes from a model: its parameters, the weights that are computed from them, the user's probes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ...dynamics.errors import SettingError
from ..ring.channels import Channel, array_channel, check_channels
from ..ring.ring import Ring
from .buffers import Buffers, rest_of
from .bulk_copies import ParameterTensors
from .computed_weights import effective_weights
from .constants import Constants
from .copies import ModuleCheck, ParameterView, ProbeTap, Tap, call_probe, ring_dtype
from .device_copies import DeviceParameters
from .feature_axes import Features
from .labels import Labels, labelled
from .parameters import Place, local, parameter_channels, parameter_places, unwrap
from .payments import Payment, payment_channel
from .shards import is_shard, shard_channel, shard_places
from .summaries import SummaryTap, summary_channels

Probe = Callable[[nn.Module], Any]

# Few small parameters are copied one by one, as bytes; more of them, or larger ones, by one call of torch for all.
_FEW, _SMALL = 8, 2**18


class Sources:
    """Where the values of each channel come from."""

    def __init__(
        self,
        model: nn.Module,
        select: str | Sequence[str] | None,
        features: Features,
        probes: Mapping[str, Probe],
        labels: Labels | None = None,
        buffers: Buffers = True,
        *,
        with_payments: bool = False,
        with_summaries: bool = False,
    ):
        if not isinstance(probes, Mapping) or not all(isinstance(name, str) for name in probes):
            raise SettingError(f"probes={probes!r} is no dictionary such as {{'name': function of the model}}")
        root = unwrap(model)
        self._model = model
        self._probes = dict(probes)
        self.is_sharded = any(map(is_shard, root.parameters()))
        # Computing a weight from shards may need the other ranks, who need not be at the same place.
        weights = {} if self.is_sharded or with_summaries else effective_weights(root, select)
        if self.is_sharded and with_summaries:
            raise SettingError("summaries are of whole parameters, and this process holds shards; use select or every")
        self._places = shard_places(parameter_places(root, select, none_is_fine=bool(weights)))
        self._weights = {f"parameters/{name}": weight.compute for name, weight in weights.items()}
        computed = {name: (weight.owner, _plain(weight.compute(root))) for name, weight in weights.items()}
        channels = parameter_channels(root, self._places, features, computed, of_large_too=with_summaries)
        channels = labelled(channels, labels)
        values = {name: call_probe(name, probe, model) for name, probe in self._probes.items()}
        rest = rest_of(root, self._places, buffers)
        self._buffers = rest.changing
        self.constants = Constants(rest)
        self._paying = [channels[name] for name in self._places] if with_payments else []
        self._summarised = channels if with_summaries else {}
        self.channels: list[Channel] = [
            *(self._of_this_rank(channel) for channel in channels.values() if not with_summaries),
            *summary_channels(self._summarised),
            *rest.channels(),
            *map(payment_channel, self._paying),
            *(array_channel("probes", name, value) for name, value in values.items()),
        ]
        check_channels([*self.channels, *self.constants.channels])

    @property
    def recorded(self) -> Mapping[str, Place]:
        """Where each recorded parameter is, by name."""
        return self._places

    @property
    def not_recorded(self) -> list[str]:
        """What is part of the state of the model and not recorded, or not whole."""
        return [*self._summarised, *self.constants.left_out]

    def taps(self, ring: Ring) -> tuple[list[ParameterView], list[Tap], list[DeviceParameters]]:
        """Return what copies the values into rows of *ring*: views of bytes, other taps, and devices to fetch from."""
        by_device: dict[torch.device, list[Place]] = {}
        places = [*(() if self._summarised else self._places.values()), *self._buffers.values()]
        for place in places:
            tensor = local(place.parameter())
            # There are more ranks than rows of some parameters.
            if tensor.numel():
                by_device.setdefault(tensor.device, []).append(place)
        views, devices = [], []
        check = ModuleCheck(unwrap(self._model), [*self._places.values(), *places])
        taps: list[Tap] = [check] if check.is_needed else []
        for device, found in by_device.items():
            if device.type == "cuda":
                devices.append(DeviceParameters(found, ring, device))
            elif device.type == "cpu" and not _is_little(found):
                taps.append(ParameterTensors(found, ring))
            else:
                views += [ParameterView(place) for place in found]
        if self._summarised:
            taps.append(SummaryTap(self._places, self._summarised, ring))
        functions = {**self._weights, **{f"probes/{name}": probe for name, probe in self._probes.items()}}
        taps += [ProbeTap(path, function, self._model, ring.rows[path]) for path, function in functions.items()]
        return views, taps, devices

    def payments(self, ring: Ring) -> list[Payment]:
        """Return what puts the shares of each step into rows of *ring*; raises SettingError where that cannot be."""
        return [Payment(self._places[channel.name], channel, ring) for channel in self._paying]

    def _of_this_rank(self, channel: Channel) -> Channel:
        place = self._places.get(channel.name)
        return channel if place is None else shard_channel(channel, place.parameter())


def _is_little(places: Sequence[Place]) -> bool:
    return len(places) <= _FEW and sum(local(place.parameter()).nbytes for place in places) <= _SMALL


def _plain(tensor: Tensor) -> Tensor:
    """Return a tensor in a dtype that NumPy has."""
    return tensor.to(ring_dtype(tensor.dtype, bits=False))
