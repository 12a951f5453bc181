"""The result of a sweep: one HDF5 file in the way of netCDF-4, with the settings as coordinates."""

import json
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from ...dynamics.errors import RecordingError
from ...dynamics.training.evaluation import evaluation_of
from ...dynamics.training.fused import is_fusible
from ..file.hdf5 import LIBVER, SWEEP_FORMAT, SWEEP_FORMAT_VERSION, dataset_at, is_sweep, make_dimension
from ..outputs import replaced_when_done
from .plan import Failure, SweepPlan
from .sweep import arrays_of
from .task_files import SealedFolder
from .tasks import SweepTask

_TRAINING = {
    "population": "on the population loss itself, exact, by annealed Adam; loss and parameters have no sampling noise",
    "samples": "on minibatches of samples, as the experiment says",
}
_RESTED = "; each followed to the critical point of the population loss next to it, by Newton steps"
_FUSED = "; toy models by a fused step without autograd, points that train together sharing their random draws"
# What the axes of a model's parameters are called.
_AXES = {
    "W": ("hidden", "feature"),
    "b": ("feature",),
    "W1": ("neuron", "feature"),
    "W2": ("feature", "neuron"),
    "critical_W": ("hidden", "feature"),
    "critical_b": ("feature",),
}


def write_result(
    path: Path, plan: SweepPlan, tasks: Sequence[SweepTask], folder: SealedFolder, failures: Sequence[Failure]
) -> int:
    """Put what *tasks* sealed into one file at *path*, whole or not at all; return how many models diverged.

    Its arrays are (*axes, repeat, …): the final parameters and losses, or with an axis of steps the trajectories. NaN
    stands at points that no task has sealed, and pads smaller models where they have different sizes. Nothing in it
    depends on when or by whom it was made. Raises RecordingError where it cannot be written.
    """
    diverged = 0
    try:
        with replaced_when_done(path) as draft, h5py.File(draft, "w", libver=LIBVER) as file:
            file.attrs.update(_attributes(plan, failures))
            for axis in plan.axes:
                _scale(file, axis.name, axis.values)
            _scale(file, "repeat", range(plan.repeat))
            for task in tasks:
                diverged += _place(file, plan, task, folder.read(task.name))
            _name_axes(file, plan)
    except OSError as error:
        raise RecordingError(f"{path} cannot be written: {error.strerror or error}") from error
    return diverged


def is_result_of(plan: SweepPlan, path: Path) -> bool:
    """Return whether *path* holds a result of this plan."""
    if not is_sweep(path):
        return False
    with h5py.File(path, "r") as file:
        return all(file.attrs.get(name) == value for name, value in _identity(plan).items())


def _identity(plan: SweepPlan) -> dict[str, str]:
    """Return the attributes that tell the results of one plan from those of another."""
    return {
        "experiment": json.dumps(plan.experiment.as_dict()),
        "axes": json.dumps({axis.name: axis.values for axis in plan.axes}),
        "training": _training(plan),
    }


def _training(plan: SweepPlan) -> str:
    fused = plan.way == "samples" and any(is_fusible(task.experiment) for task in plan.cut()[0])
    return _TRAINING[plan.way] + (_FUSED if fused else "") + (_RESTED if plan.rested else "")


def _attributes(plan: SweepPlan, failures: Sequence[Failure]) -> dict[str, Any]:
    loss = "exact" if plan.way == "population" else evaluation_of(plan.experiment)(plan.experiment).description
    return {
        "format": SWEEP_FORMAT,
        "format_version": SWEEP_FORMAT_VERSION,
        "software": f"learning-dynamics {version('learning-dynamics')}, Python {platform.python_version()}",
        **_identity(plan),
        "expected_loss": loss,
        "failures": json.dumps([str(failure) for failure in failures]),
    }


def _scale(file: h5py.File, name: str, values: Sequence[Any]) -> h5py.Dataset:
    """Make a coordinate: numbers where all values are, else texts."""
    numbers = all(isinstance(value, int | float) for value in values)
    data = np.array(values) if numbers else np.array(list(map(str, values)), dtype=h5py.string_dtype())
    number = sum(isinstance(each, h5py.Dataset) and each.is_scale for each in file.values())
    scale = file.create_dataset(name, data=data)
    make_dimension(scale, name, number)
    return scale


def _place(file: h5py.File, plan: SweepPlan, task: SweepTask, arrays: Mapping[str, np.ndarray]) -> int:
    """Write the arrays of a task where its points are; return how many of its models diverged."""
    for name, values in arrays.items():
        if name == "step":
            if name not in file:
                _scale(file, name, values.tolist())
            continue
        grid = _on_grid(plan, task, values)
        trailing = grid.shape[len(plan.axes) + 1 :]
        dataset = _dataset(file, name, (*plan.shape, plan.repeat, *trailing), values.dtype)
        dataset[(*task.place, slice(None), *map(slice, trailing))] = grid
    return _count_diverged(arrays)


def _count_diverged(arrays: Mapping[str, np.ndarray]) -> int:
    """Return how many models of a task ended with numbers that are not finite."""
    ends = [values[:, -1] if "step" in arrays else values for name, values in arrays.items() if name != "step"]
    is_finite = [np.isfinite(each).reshape(len(each), -1).all(axis=1) for each in ends]
    return int(np.sum(~np.all(is_finite, axis=0)))


def _on_grid(plan: SweepPlan, task: SweepTask, values: np.ndarray) -> np.ndarray:
    """Return an array of instances as one over the axes of the sweep; (instances, …) -> (*task.shape, repeat, …)."""
    rows, columns, repeat = task.experiment.grid
    grid = values.reshape(rows, columns, repeat, *values.shape[1:])
    names = [axis.name for axis in plan.axes if axis.name in ("density", "importance_extra")]
    if names == ["importance_extra", "density"]:
        grid = grid.swapaxes(0, 1)
    return grid.reshape(*task.shape, repeat, *values.shape[1:])


def _dataset(file: h5py.File, name: str, shape: tuple[int, ...], dtype: np.dtype) -> h5py.Dataset:
    """Return the array of that name, made at its first use, and large enough."""
    if name not in file:
        file.create_dataset(name, shape, dtype, chunks=True, maxshape=[None] * len(shape), fillvalue=dtype.type(np.nan))
    dataset = dataset_at(file, name)
    dataset.resize(tuple(map(max, dataset.shape, shape)))
    return dataset


def _name_axes(file: h5py.File, plan: SweepPlan) -> None:
    """Give every axis of every array its coordinate."""
    leading = [*(axis.name for axis in plan.axes), "repeat", *(["step"] if "step" in file else [])]
    for name in arrays_of(file):
        dataset = dataset_at(file, name)
        trailing = dataset.shape[len(leading) :]
        usual = _AXES.get(name, ())
        own = usual if len(usual) == len(trailing) else [f"{name}_axis_{k}" for k in range(len(trailing))]
        for k, (axis, size) in enumerate(zip([*leading, *own], dataset.shape, strict=True)):
            scale = dataset_at(file, axis) if axis in file else _scale(file, axis, range(size))
            dataset.dims[k].attach_scale(scale)
