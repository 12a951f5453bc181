"""Recording a training of several processes: which rank records, what its shards are, and into which file."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch.distributed as dist
from torch import Tensor, nn
from torch.optim import Optimizer

from ...dynamics.errors import SettingError
from ..ring.channels import Channel
from .parameters import Place, local, within


@dataclass(frozen=True)
class ShardPlace(Place):
    """Where a module keeps its shard of a parameter.

    While the module computes, and after a forward pass without a backward, FSDP2 has what it gathered there in its
    stead: no DTensor, or one on fewer ranks. The shard that was there last is what the optimizer steps, and recorded.
    """

    last: list[Any] = field(default_factory=list)

    def parameter(self) -> Any:
        """Return the shard, as a DTensor; raises RecordingError when the parameter was taken out of the model."""
        present: Any = super().parameter()
        if present is not self.last[0] and is_shard(present) and _spread(present) == _spread(self.last[0]):
            self.last[0] = present
        return self.last[0]


def is_shard(tensor: Tensor) -> bool:
    """Whether a tensor is a DTensor: this rank's part of one that is spread over several."""
    return hasattr(tensor, "placements") and hasattr(tensor, "device_mesh")


def is_recorded_elsewhere(model: nn.Module) -> bool:
    """Whether *model* is in DistributedDataParallel, of whose ranks, which are all alike, another one is the first."""
    while not isinstance(model, nn.parallel.DistributedDataParallel):
        if not (keys := within(model)) or (inner := model._modules.get(keys[0])) is None:
            return False
        model = inner
    return dist.get_rank(model.process_group) != 0


def check_sharding(model: nn.Module, optimizers: Sequence[Optimizer]) -> None:
    """Raise SettingError for a model whose shards are not to be found: gathered now, or such as torch does not name."""
    if any(each.__name__ == "FullyShardedDataParallel" for module in model.modules() for each in type(module).__mro__):
        raise SettingError(
            "attach() cannot record FullyShardedDataParallel, whose flat parameters do not say which part of the model "
            "they are; use torch.distributed.fsdp.fully_shard (FSDP2)"
        )
    stepped = {id(p): p for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]}
    present = {id(p): p for p in model.parameters()}
    lacks_shards = any(is_shard(p) and key not in present for key, p in stepped.items())
    if lacks_shards and any(p.requires_grad and key not in stepped for key, p in present.items()):
        raise SettingError(
            "attach() found gathered parameters in the place of the shards that the optimizer steps; attach before the "
            "first forward pass, or call model.reshard() on every rank first"
        )


def shard_places(places: Mapping[str, Place]) -> dict[str, Place]:
    """Return the places of parameters with those of shards among them; none of what other ranks alone hold."""
    found: dict[str, Place] = {}
    for name, place in places.items():
        parameter: Any = place.parameter()
        if not is_shard(parameter):
            found[name] = place
        elif parameter.device_mesh.get_coordinate() is not None:
            found[name] = ShardPlace(place.name, place.owner, place.key, last=[parameter])
    return found


def shard_channel(whole: Channel, parameter: Any) -> Channel:
    """Return the channel of this rank's shard, given that of the whole parameter; attributes say where it belongs.

    The columns of a shard are not the columns of its matrix, so that only what is replicated has features; for the
    others the attribute says which axis will have them once the shards are merged.
    """
    if not is_shard(parameter):
        return whole
    mesh = parameter.device_mesh
    names = mesh.mesh_dim_names or [f"dim{k}" for k in range(mesh.ndim)]
    attributes = {
        **whole.attributes,
        "global_shape": json.dumps(whole.shape),
        "offset": json.dumps([int(n) for n in parameter.__create_chunk_list__()[0].offsets]),
        "placements": ", ".join(map(repr, parameter.placements)),
        "mesh": ", ".join(f"{name}={size}" for name, size in zip(names, mesh.shape, strict=True)),
    }
    is_whole = all(placement.is_replicate() for placement in parameter.placements)
    features = whole.features if is_whole else None
    return replace(whole, shape=tuple(local(parameter).shape), features=features, attributes=attributes)


def _spread(shard: Any) -> tuple[Any, Any]:
    return shard.placements, shard.device_mesh


def own_file(path: Path) -> tuple[Path, dict[str, str | int]]:
    """Return the file of this rank's shards, such as run.rank0.h5 for run.h5, and attributes that say whose it is."""
    rank = dist.get_rank()
    attributes: dict[str, str | int] = {"rank": rank, "world_size": dist.get_world_size()}
    return path.with_name(f"{path.stem}.rank{rank}{path.suffix}"), attributes
