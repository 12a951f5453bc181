"""The checkpoints of a recording: which there are, and what is in one; also of a recording that is still written."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import index
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ...dynamics.errors import RecordingError, SettingError
from ..file.checkpoint_log import STATE, LoggedCheckpoint, checkpoint_log_path, logged_checkpoints, read_array
from ..file.hdf5 import CHECKPOINTS
from ..reading.recording import Recording, snapshot_of
from ..reading.series import patiently


@dataclass(frozen=True)
class Checkpoint:
    """What was kept at one step: what is in it, and how its arrays are read."""

    step: int
    state: Mapping[str, Any]
    read: Callable[[str], np.ndarray]


def checkpoint_steps(recording: Recording) -> list[int]:
    """Return the steps that a training can go on from, in order."""
    last = int(recording.step[-1]) if len(recording) else -1
    return sorted(step for step in {*_in_file(recording), *_beside(recording)} if step <= last)


def checkpoint_of(recording: Recording, step: int) -> Checkpoint:
    """Return the checkpoint of a step.

    Raises SettingError where there is none, naming the nearest, and RecordingError where the recording has none at all.
    """
    try:
        wanted = index(step)
    except TypeError:
        raise SettingError(f"step={step!r} is no step; give a whole number") from None
    steps = checkpoint_steps(recording)
    if not steps:
        raise RecordingError(
            f"{recording.path} has no checkpoints to go on from; record it with attach(checkpoint_every=K) or dyn "
            "record --checkpoint-every K"
        )
    if wanted not in steps:
        nearest = [*[each for each in steps if each < wanted][-1:], *[each for each in steps if each > wanted][:1]]
        near = " and ".join(map(str, nearest))
        raise SettingError(f"step={wanted}: {recording.path} has no checkpoint of it; the nearest: {near}")
    logged = _beside(recording).get(wanted)
    return _stored(recording, wanted) if logged is None else _logged(*logged)


def _in_file(recording: Recording) -> list[int]:
    group = patiently(snapshot_of(recording), lambda: snapshot_of(recording).node(CHECKPOINTS))
    return [int(str(name)) for name in group] if isinstance(group, h5py.Group) else []


def _beside(recording: Recording) -> dict[int, tuple[Path, LoggedCheckpoint]]:
    """Return the checkpoints that are not in the file yet, by their steps."""
    snapshot = snapshot_of(recording)
    root = snapshot.node("/")
    noted = None if root is None else root.attrs.get("ring")
    homes = [snapshot.path, *([Path(str(noted)).with_suffix("")] if noted else [])]
    for place in map(checkpoint_log_path, dict.fromkeys(homes)):
        if found := logged_checkpoints(place, str(snapshot.token)):
            return {each.step: (place, each) for each in found}
    return {}


def _logged(place: Path, found: LoggedCheckpoint) -> Checkpoint:
    arrays = {array.path: array for array in found.arrays}
    return Checkpoint(found.step, json.loads(found.state), lambda path: read_array(place, arrays[path]))


def _stored(recording: Recording, step: int) -> Checkpoint:
    def read(path: str) -> np.ndarray:
        node = snapshot_of(recording).node(f"{CHECKPOINTS}/{step}/{path}")
        if not isinstance(node, h5py.Dataset):
            raise RecordingError(f"{recording.path} is damaged: its checkpoint of step {step} has no {path}")
        return np.asarray(node[()])

    state = json.loads(read(STATE).tobytes())
    if state.get("version") != 1:
        raise RecordingError(
            f"the checkpoints of {recording.path} are of version {state.get('version')}, and this toolkit reads 1; "
            "pip install --upgrade learning-dynamics"
        )
    return Checkpoint(step, state, read)
