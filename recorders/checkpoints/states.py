"""The states of a model in many rows of a recording, read in blocks as tensors that have an axis of rows."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from ..model.parameters import clean_name, local
from ..reading.recording import Recording
from ..reading.series import Series
from .restore import as_tensor, fitted

# What is read at once.
_BLOCK_BYTES = 2**25


@dataclass(frozen=True)
class States:
    """Rows of states: what differs from row to row, (rows, *shape), what does not, and further names of either."""

    changing: Mapping[str, Tensor]
    constant: Mapping[str, Tensor]
    aliases: Mapping[str, str]

    def __getitem__(self, rows: slice) -> "States":
        return States({name: values[rows] for name, values in self.changing.items()}, self.constant, self.aliases)


class StateReader:
    """Reads the rows of a recording as states of a model, in its dtypes and on its devices.

    Raises SettingError for a model of other shapes, RecordingError for what was not recorded in all those rows.
    """

    def __init__(self, recording: Recording, model: nn.Module, rows: Sequence[int]):
        # What comes up late is missing in the first of them, and what changed unexpectedly in the last.
        fitted(recording, model, max(rows))
        state, targets = fitted(recording, model, min(rows))
        actual = {clean_name(name, model): name for name, _ in _tensors(model)}
        self._rows = np.asarray(rows)
        self._targets = {name: local(target) for name, target in targets.items()}
        self._actual = actual
        series = {**recording.buffers, **recording.parameters}
        self._series: dict[str, Series] = {name: each for name, each in series.items() if name in state}
        self._origins = {name: str(each.attrs.get("origin_dtype", "")) for name, each in self._series.items()}
        self._aliases: dict[str, str] = {}
        for name, each in self._series.items():
            further = filter(None, str(each.attrs.get("aliases", "")).split(", "))
            self._aliases.update((actual[alias], actual[name]) for alias in further if alias in actual)
        kept = {actual[name]: self._fit(name, state[name]) for name in state if name not in self._series}
        # What is not part of the state is the model's own.
        rest = {name: tensor.detach() for name, tensor in _tensors(model)}
        known = {*kept, *self._aliases, *(actual[name] for name in self._series)}
        self._constant = {
            **{name: tensor for name, tensor in rest.items() if name not in known},
            **{name: tensor for name, tensor in kept.items() if name not in self._aliases},
        }
        self.row_bytes = sum(tensor.nbytes for name, tensor in state.items() if name in self._series)

    def blocks(self) -> Iterator[States]:
        """Give the states of all rows in turn, as many at once as fit into the memory that is set aside for it."""
        count = max(1, _BLOCK_BYTES // max(1, self.row_bytes))
        for start in range(0, len(self._rows), count):
            yield self._read(self._rows[start : start + count])

    def _read(self, rows: np.ndarray) -> States:
        # A slice is read without looking for what lies between its rows.
        is_whole = int(rows[-1]) - int(rows[0]) + 1 == len(rows)
        key = slice(int(rows[0]), int(rows[-1]) + 1) if is_whole else rows
        changing = {
            self._actual[name]: self._fit(name, _as_tensor(np.ascontiguousarray(series[key]), self._origins[name]))
            for name, series in self._series.items()
        }
        return States(changing, self._constant, self._aliases)

    def _fit(self, name: str, values: Tensor) -> Tensor:
        return values.to(self._targets[name].device, self._targets[name].dtype)


def _as_tensor(values: np.ndarray, origin: str) -> Tensor:
    # Without a copy where nothing is to be converted.
    return as_tensor(values, origin) if origin else torch.from_numpy(values)


def _tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Give the parameters and buffers of a model by all their names."""
    yield from model.named_parameters(remove_duplicate=False)
    yield from model.named_buffers(remove_duplicate=False)
