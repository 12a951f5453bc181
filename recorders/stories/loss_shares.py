"""Where the shares of a change of the loss come from: a loss that is known, or what was recorded of each step."""

from collections.abc import Mapping

import numpy as np

from ...dynamics.attribution.allocation import Allocation, allocate
from ...dynamics.errors import RecordingError, SettingError
from ...dynamics.experiments.experiment import Experiment
from ..reading.selection import Selection

# An allocation, the change of the loss, and what each output's loss did while it was on and while it was off.
SharedOut = tuple[Allocation, float, dict[int, tuple[float, float]] | None]


class PopulationShares:
    """The population loss that the parameters of a recording move on, of one member of an ensemble."""

    name, order = "expected_loss", "integral"

    def __init__(self, selection: Selection, experiment: Experiment, parameter: str | None):
        # Whoever asks about a recording whose loss is not known shall not wait for torch.
        from ...dynamics.training.evaluation import PopulationLoss
        from ...dynamics.training.population_gradient import PopulationGradient

        self._selection, self.rows = selection, len(selection.step)
        self._population = PopulationLoss(experiment, member=selection.model)
        self._gradient = PopulationGradient(self._population)
        self.features = self._axes(parameter)

    def share_out(self, first: int, last: int) -> SharedOut:
        """Return the integrals along the rows from one to another."""
        from ..experiment import one_thread

        path = self._path(first, last)
        with one_thread():
            allocation = allocate(path, self._gradient, features=self.features)
            ends = ({name: rows[k] for name, rows in path.items()} for k in (0, -1))
            before, after = map(self._population.of_outputs, ends)
        changes = after - before
        return allocation, float(changes.sum()), {k: (on, off) for k, (on, off) in enumerate(changes.T.tolist())}

    def _path(self, first: int, last: int) -> dict[str, np.ndarray]:
        """Return the parameters that the loss takes, from one row to another."""
        recording, member, found = self._selection.recording, self._selection.model, {}
        for name in self._population.names:
            if name not in recording.parameters:
                raise RecordingError(f"{recording.path} has no {name}, which the loss depends on; record it too")
            series, rows = recording.parameters[name], slice(first, last + 1)
            found[name] = series[rows] if member is None else series[rows, member]
            if not np.isfinite(found[name]).all():
                raise RecordingError(f"{name} of {recording.path} is not finite in all of these rows; choose others")
        return found

    def _axes(self, parameter: str | None) -> dict[str, str]:
        """Return which axes hold features: of the matrix that was asked for, or of all that have the same ones."""
        axes: Mapping[str, str] = self._population.model.feature_axes
        return dict(axes) if parameter is None else {self._selection.parameter: axes[self._selection.parameter]}


class RecordedShares:
    """What attach(gradients="allocation") recorded of each step, summed; the loss is that of the minibatches.

    The error is how far the sum is from what the logged loss did, the noise of two minibatches included; NaN where no
    loss was logged.
    Raises SettingError where it was not recorded, or of an ensemble, whose members share one number.
    """

    order = "first order"

    def __init__(self, selection: Selection):
        recording, features = selection.recording, selection.recording.features
        self._selection = selection
        self.features = {selection.parameter}
        self._matrices = [name for name in features if "allocation" in features[name]]
        self._others = {
            name: recording.probes[path]
            for name in recording.parameters
            if (path := f"allocation/{name}") in recording.probes
        }
        if selection.parameter not in self._matrices:
            raise SettingError(
                f"the loss of {recording.path} is not known, as that of the catalogue's models of features is, nor was "
                "recorded who paid; attach(gradients='allocation') records it"
            )
        if selection.instance is not None:
            raise SettingError(f"{recording.path} is of an ensemble, whose loss is not known; record its members alone")
        found, self._values = selection.told_loss()
        self.name = found or "loss"
        # The last row has no minibatch.
        seen = np.flatnonzero(np.isfinite(selection.step if self._values is None else self._values))
        self.rows = int(seen[-1]) + 1

    def share_out(self, first: int, last: int) -> SharedOut:
        """Return the sums over the steps from one row to another; raises SettingError where steps have no row."""
        step, features = self._selection.step, self._selection.recording.features
        if step[last] - step[first] != last - first:
            raise SettingError(
                f"between steps {step[first]} and {step[last]} of {self._selection.recording.path} not every step has "
                "a row, and what the others brought is not known; choose steps that have, or record every one"
            )
        rows = slice(first, last)
        by_feature = {name: _sums(features[name]["allocation"][rows]) for name in self._matrices}
        shares = by_feature | {name: _sums(series[rows]) for name, series in self._others.items()}
        by_parameter = {name: float(share.sum()) for name, share in shares.items()}
        total = sum(by_parameter.values())
        change = np.nan if self._values is None else float(self._values[last] - self._values[first])
        told = dict(enumerate(by_feature[self._selection.parameter].tolist()))
        return Allocation(told, by_parameter, total, abs(total - change), shares), change, None


def _sums(shares: np.ndarray) -> np.ndarray:
    return shares.sum(0, dtype=np.float64)
