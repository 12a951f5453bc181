"""Recording: the read side. Opens finished files and those that are still being written."""

import json
import os
import warnings
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ...dynamics.errors import MissingExtraError, RecordingError
from ..file.compression import make_readable
from ..file.hdf5 import array_paths, dataset_at
from ..text import html_of
from .constants import Constant
from .divergence import Search
from .series import Named, Series, patiently
from .snapshot import Snapshot
from .summaries import Summaries

if TYPE_CHECKING:
    import xarray
    from torch import Tensor, nn


def open_recording(path: str | os.PathLike[str]) -> "Recording":
    """Open a recording, finished or still being written, and return it.

    Raises RecordingError, naming the file and the way out, for whatever is no recording that can be read.
    """
    return Recording(path)


class Recording:
    """What was recorded; a consistent snapshot of its first ``len(recording)`` rows.

    step, time, scalars, parameters, features, buffers, constants and probes are read from the file when they are
    sliced, not before. While the recording is being written, :meth:`refresh` moves the snapshot forward. Use it in a
    ``with`` block or close it.
    """

    def __init__(self, path: str | os.PathLike[str]):
        self.path = Path(path)
        self._snapshot = Snapshot(self.path)
        self._search = Search()
        if self._snapshot.missing:
            warnings.warn(f"{self.path}: {self._snapshot.missing}", stacklevel=3)

    def __len__(self) -> int:
        return self._snapshot.rows

    def __repr__(self) -> str:
        state = "closed" if self._snapshot.is_closed else self.status
        return f"Recording({str(self.path)!r}, {len(self)} rows, {state})"

    def __getitem__(self, name: str) -> Series:
        """The series of a parameter: short for ``recording.parameters[name]``."""
        if not isinstance(name, str):
            raise TypeError(f"recording[{name!r}]: give the name of a parameter; its rows are recording['W'][{name!r}]")
        return self.parameters[name]

    def _repr_html_(self) -> str:
        return html_of(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; slices taken so far stay valid."""
        self._snapshot.close()

    def refresh(self) -> Self:
        """Take in the rows and scalars that were written since; does nothing on a finished recording."""
        self._snapshot.file()
        if self._snapshot.is_live:
            patiently(self._snapshot, self._snapshot.take)
        return self

    @property
    def status(self) -> str:
        """One of recording, complete, aborted, repaired.

        A recording whose training was killed is aborted, whatever its file still says.
        """
        self._snapshot.file()
        return self._snapshot.status

    @property
    def config(self) -> dict[str, Any]:
        """What the run was told of itself."""
        return json.loads(self._snapshot.attribute("config"))

    @property
    def created(self) -> str:
        """When the recording began, ISO 8601."""
        return self._snapshot.attribute("created")

    @property
    def software(self) -> str:
        """What wrote the recording."""
        return self._snapshot.attribute("software")

    @property
    def resumed_at(self) -> tuple[int, ...]:
        """The steps at which the recording was gone on with (``attach(resume=…)``), in the order of time."""
        noted = patiently(self._snapshot, lambda: str(self._snapshot.file().attrs.get("resumed", "[]")))
        return tuple(int(entry["step"]) for entry in json.loads(noted))

    @property
    def diverged_at(self) -> int | None:
        """The first step at which the loss or a parameter is not finite; None where all are.

        Reads every row once, of the features' norms where a parameter has any. Of a parameter without that is larger
        than 1 GB in all it looks at 65 rows, and then by halves, since what is not finite seldom becomes so again.
        """
        row = self._search.row(self, self._snapshot)
        return None if row is None else int(self.step[row])

    def resume_into(self, model: "nn.Module", optimizer: Any, *more: Any, step: int) -> int:
        """Put a training into the state that it had at the beginning of a step that has a checkpoint; return the step.

        more: what ``recorder.keep()`` was given. Make all of them first, as for a new training. The generators of
        torch, NumPy and Python are put into their states too.
        Raises SettingError for a step without a checkpoint, naming the nearest, and for what does not fit.
        """
        return import_module("...resuming.resume", __name__).resume_into(self, model, optimizer, *more, step=step)

    @property
    def checkpoints(self) -> list[int]:
        """The steps that a training can go on from, in order; see ``attach(checkpoint_every=K)``."""
        return import_module("...resuming.kept", __name__).checkpoint_steps(self)

    @property
    def step(self) -> Series:
        """Optimizer steps taken before each row; (T,) int64."""
        return self._series("step")

    @property
    def time(self) -> Series:
        """Seconds since the recording began; (T,) float64."""
        return self._series("time")

    @property
    def scalars(self) -> Mapping[str, Series]:
        """loss, lr and whatever was logged, by name; each (T,) float64, NaN where absent."""
        return self._group("scalars")

    @property
    def parameters(self) -> Mapping[str, Series]:
        """The parameters by qualified name; each (T, *shape)."""
        return self._group("parameters")

    @property
    def summaries(self) -> Summaries:
        """What was kept of parameters that were too large to keep, by name; empty where all were recorded whole."""
        quantities: dict[str, dict[str, Series]] = {}
        self._snapshot.file()
        for path in self._snapshot.names["summaries"]:
            name, _, quantity = path.rpartition("/")
            quantities.setdefault(name, {})[quantity] = self._series(f"summaries/{path}")
        return Summaries(quantities)

    @property
    def features(self) -> Mapping[str, Mapping[str, Series]]:
        """For each parameter with features: dimensionality, norm and interference, (T, [instances,] n) float32."""
        quantities: dict[str, list[str]] = {}
        for name in self._snapshot.names["features"]:
            parameter, _, quantity = name.rpartition("/")
            quantities.setdefault(parameter, []).append(quantity)
        return Named("features", {name: self._group(f"features/{name}", each) for name, each in quantities.items()})

    @property
    def buffers(self) -> Mapping[str, Series]:
        """The buffers that change, by qualified name, as the forward pass of each row left them; each (T, *shape)."""
        return self._group("buffers")

    @property
    def constants(self) -> Mapping[str, Constant]:
        """Frozen parameters, and buffers that do not change, by qualified name; each (*shape), kept once."""
        self._snapshot.file()
        names = self._snapshot.names["constants"]
        return Named("constants", {name: Constant(self._snapshot, f"constants/{name}") for name in names})

    @property
    def probes(self) -> Mapping[str, Series]:
        """The user's own tensors by name; each (T, *shape)."""
        return self._group("probes")

    def state_dict(self, step: int | None = None) -> "dict[str, Tensor]":
        """Return the state of the model in the row of a step, by default the last, as ``model.state_dict()`` names it.

        Parameters, buffers and their further names, on the CPU, in the dtype that they had in the model.
        Raises SettingError for a step without a row, RecordingError for what was not recorded, which it names.
        """
        return _restoring().state_dict(self, step)

    def load_into(self, model: "nn.Module", step: int | None = None) -> int:
        """Put the row of a step, by default the last, into *model*, all of it or nothing; return the step.

        Raises SettingError for a step without a row or another model, RecordingError for what was not recorded.
        """
        return _restoring().load_into(self, model, step)

    def to_xarray(self) -> "xarray.DataTree":
        """Return the recording as an xarray DataTree, read lazily from the file.

        Raises MissingExtraError without the extra [xarray] or a compression's plugin, RecordingError if unfinished.
        """
        try:
            import h5netcdf  # noqa: F401
            import xarray
        except ImportError as error:
            raise MissingExtraError.for_feature("to_xarray()", "xarray") from error
        if self._snapshot.attribute("status") == "recording":
            way_out = "close the recorder" if self._snapshot.is_live else f"`dyn repair {self.path}`"
            raise RecordingError(f"xarray opens finished files only, and {self.path} is not: {way_out} first")
        for path in array_paths(self._snapshot.file()):
            make_readable(dataset_at(self._snapshot.file(), path))
        return xarray.open_datatree(self._snapshot.path, engine="h5netcdf")

    def _group(self, path: str, names: list[str] | None = None) -> Named:
        self._snapshot.file()
        names = self._snapshot.names[path] if names is None else names
        return Named(path, {name: self._series(f"{path}/{name}") for name in names})

    def _series(self, path: str) -> Series:
        return Series(self._snapshot, path, len(self))


def _restoring() -> Any:
    """Return what brings rows back into models; it stands above what it reads, and loads torch."""
    return import_module("...checkpoints.restore", __name__)


def snapshot_of(recording: Recording) -> Snapshot:
    """Return the file and the ring behind *recording*, for what reads more of them than its rows."""
    return recording._snapshot
