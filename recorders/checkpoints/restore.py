"""A row of a recording as the state of its model: as a dictionary of tensors, or put back into a model."""

import json
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from operator import index
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ...dynamics.errors import RecordingError, SettingError
from ..model.parameters import clean_name, local, unwrap
from ..reading.constants import Constant
from ..reading.recording import Recording, snapshot_of
from ..resuming.encoding import decode
from ..resuming.kept import checkpoint_of
from ..ring.channels import CHANGED

_MOST_NAMED = 6


def row_of(recording: Recording, step: int | None = None) -> int:
    """Return the row of a step, by default the last row.

    Raises SettingError for a step without a row, naming those nearest to it, and RecordingError where there is no row.
    """
    rows = len(recording)
    if not rows:
        raise RecordingError(f"{recording.path} has no rows yet")
    if step is None:
        return rows - 1
    try:
        wanted = index(step)
    except TypeError:
        raise SettingError(f"step={step!r} is no step; give a whole number, or None for the last row") from None
    steps = recording.step
    row = bisect_left(steps, wanted)
    if row < rows and int(steps[row]) == wanted:
        return row
    near = " and ".join(str(int(steps[k])) for k in (row - 1, row) if 0 <= k < rows)
    raise SettingError(f"step={wanted}: {recording.path} has no row of it; the nearest with one: {near}")


def state_dict(recording: Recording, step: int | None = None) -> dict[str, Tensor]:
    """Return the state of the model in the row of a step, by default the last, as ``model.state_dict()`` names it.

    Parameters and buffers have the dtype that they had in the model, on the CPU, and what stands there under several
    names, as tied weights do, is one tensor. Names are those without what wrappers put into them.
    Raises SettingError for a step without a row, RecordingError for parameters that were not recorded.
    """
    row = row_of(recording, step)
    state = _recorded(recording, row)
    known = (*_not_recorded(recording), *recording.constants, *recording.buffers, *recording.parameters)
    computed = [name for name, series in recording.parameters.items() if "computed" in series.attrs]
    _check_whole(recording, row, [name for name in known if name not in state and name not in computed])
    return state


def load_into(recording: Recording, model: nn.Module, step: int | None = None) -> int:
    """Put the row of a step, by default the last, into *model*; return the step.

    Parameters keep their identity, device and dtype, so that an optimizer goes on with them; buffers that are not
    part of ``model.state_dict()`` are left alone. All of it is put there, or nothing.
    Raises SettingError for a step without a row or a model of other shapes, RecordingError for what was not recorded.
    """
    row = row_of(recording, step)
    reached = int(recording.step[row])
    state, targets = fitted(recording, model, row)
    with torch.no_grad():
        for name, target in targets.items():
            local(target).copy_(state[name])
    return reached


def fitted(recording: Recording, model: nn.Module, row: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return the state in a row, and the tensors of *model* that it is for, by the same names.

    Raises SettingError for a model of other shapes, RecordingError for what was not recorded.
    """
    state = _recorded(recording, row)
    targets = _targets(model)
    _check_whole(recording, row, [name for name in targets if name not in state])
    if unknown := [name for name in state if name not in targets]:
        raise SettingError(f"the model has no {listed(unknown)}, which {recording.path} has; give the model it is of")
    for name, target in targets.items():
        _check_fits(recording, name, target, state[name])
    return state, targets


def _recorded(recording: Recording, row: int) -> dict[str, Tensor]:
    """Return what a row has of the state, and what was kept once."""
    state: dict[str, Tensor] = {}
    changed = _changed(recording, row)
    constants = recording.constants
    for group in (constants, recording.buffers, recording.parameters):
        for name, values in group.items():
            attributes = values.attrs
            # Of what came up later, earlier rows say nothing.
            if "computed" in attributes or row < int(attributes.get("first_row", 0)):
                continue
            if name in changed or ("*" in changed and group is constants):
                continue
            found = values[()] if isinstance(values, Constant) else values[row]
            state[name] = as_tensor(found, str(attributes.get("origin_dtype", "")))
            for alias in filter(None, str(attributes.get("aliases", "")).split(", ")):
                state[alias] = state[name]
    return state | _of_checkpoint(recording, int(recording.step[row]))


def _of_checkpoint(recording: Recording, step: int) -> dict[str, Tensor]:
    """Return the state in the checkpoint of a step, where the rows have summaries; nothing where there is none."""
    if not recording.summaries or step not in recording.checkpoints:
        return {}
    checkpoint = checkpoint_of(recording, step)
    state = decode(checkpoint.state["model"], checkpoint.read)
    further = {alias: state[name] for name, aliases in recording.summaries.aliases.items() for alias in aliases}
    return state | further


def _changed(recording: Recording, row: int) -> set[str]:
    """Return of what the recording does not have the value in this row, since it was not expected to change."""
    step, found = int(recording.step[row]), set[str]()
    for path, series in recording.scalars.items():
        group, _, name = path.partition("/")
        if group == CHANGED and np.fmin.reduce(series[:], initial=np.inf) <= step:
            found.add(name)
    return found


def _check_whole(recording: Recording, row: int, missing: Sequence[str]) -> None:
    if missing:
        names = listed(dict.fromkeys(missing))
        if recording.summaries:
            kept = recording.checkpoints
            known = f"the checkpoints of steps {listed(list(map(str, kept)))} do" if kept else "a checkpoint would"
            raise RecordingError(
                f"{recording.path} keeps summaries and does not have {names} at step {int(recording.step[row])}; "
                f"{known} (checkpoint_every=K)"
            )
        raise RecordingError(
            f"{recording.path} does not have {names} at step {int(recording.step[row])}, and so not the whole state of "
            "the model; attach(select=…, buffers=…) says what is recorded"
        )


def _not_recorded(recording: Recording) -> list[str]:
    """Return what the recorder knew to be part of the state and did not record."""
    root = snapshot_of(recording).node("/")
    return [] if root is None else json.loads(str(root.attrs.get("not_recorded", "[]")))


def as_tensor(values: np.ndarray, origin: str) -> Tensor:
    """Return values of the file as a tensor of the dtype *origin* that they had in the model, bit for bit."""
    array = np.array(values)
    if origin == "bfloat16":
        # Torch would make one NaN of all.
        upper = (array.view(np.uint32) >> 16).astype(np.uint16)
        return torch.from_numpy(upper).view(torch.bfloat16)
    tensor = torch.from_numpy(array)
    dtype = getattr(torch, origin, None)
    return tensor.to(dtype) if isinstance(dtype, torch.dtype) else tensor


def listed(names: Iterable[str]) -> str:
    """Return names in the words of an error, the first few of them."""
    known = [*names]
    rest = f" and {len(known) - _MOST_NAMED} more" if len(known) > _MOST_NAMED else ""
    return f"{', '.join(known[:_MOST_NAMED])}{rest}"


def _targets(model: nn.Module) -> dict[str, Tensor]:
    """Return the parameters and buffers that ``model.state_dict()`` has, by their clean names, aliases included."""
    root = unwrap(model)
    kept: Mapping[str, Any] = nn.Module.state_dict(root, keep_vars=True)
    return {clean_name(name, root): value for name, value in kept.items() if isinstance(value, Tensor)}


def _check_fits(recording: Recording, name: str, target: Tensor, value: Tensor) -> None:
    shape = local(target).shape
    if shape == value.shape:
        return
    if value.shape == target.shape:
        raise SettingError(
            f"{name} is whole in {recording.path} and sharded in the model; give the state to "
            "torch.distributed.checkpoint.state_dict.set_model_state_dict with full_state_dict=True, or load each "
            "rank's own recording"
        )
    raise SettingError(
        f"{name} is {tuple(value.shape)} in {recording.path} and {tuple(shape)} in the model; give the model it is of"
    )
