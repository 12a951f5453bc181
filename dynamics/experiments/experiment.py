"""What an experiment is: one entry of data, and what its settings come to for each model of an ensemble."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from ..errors import SettingError, unknown_name
from .settings import check_settings, expand_importance

# What an entry says about itself; everything else is a setting.
DESCRIPTION = ("name", "title", "source")
# Settings that may be lists: those along the rows of the grid of instances, and those along its columns.
ROWS = ("density", "nonlinearity")
COLUMNS = ("importance_extra",)


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One experiment: what is trained, on what, how, and how long.

    density is p = 1 - S; importance is a number, one for each feature, or a formula such as ``0.7^i``, and
    importance_extra that of the last feature, where it is another; init_std is the standard deviation of the first
    weights (None: Xavier's); sets and correlation say which features go together; reduction says whether the loss of
    one sample is the sum over its features or their mean; evaluation_size is how many samples the population loss is
    estimated on; every is which steps are recorded where nobody says otherwise.

    The instances of an ensemble may differ. They are a grid: density and nonlinearity, if lists, run along its rows,
    importance_extra along its columns, and *repeat* models are trained at each of its points; instance k is the k-th
    in this order.

    The model is toy, absolute-value, modular-addition or attention-only; the last two have no features of their own. Of
    modular-addition n_features is the modulus, n_hidden the width of its embedding, half as many as there are neurons,
    and batch_size how many of the sums it is trained on, all of them at every step. Of attention-only n_features is
    how many tokens there are, n_hidden the width.
    Raises SettingError for a value that cannot be used.
    """

    name: str
    title: str
    source: str
    n_features: int
    n_hidden: int
    model: str = "toy"
    n_instances: int | None = None
    repeat: int = 1
    density: float | tuple[float, ...] = 1.0
    importance: float | tuple[float, ...] | str = 1.0
    importance_extra: float | tuple[float, ...] | None = None
    reduction: str = "sum"
    nonlinearity: str | tuple[str, ...] = "relu"
    correlation: str = "independent"
    sets: int = 1
    init_std: float | None = None
    optimizer: str = "adam"
    lr: float = 1e-3
    schedule: str = "constant"
    weight_decay: float = 0.0
    batch_size: int = 1024
    steps: int = 10_000
    seed: int = 0
    device: str = "cpu"
    evaluation_size: int = 8192
    every: int = 1

    def __post_init__(self):
        check_settings(self)
        self._check_grid()

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that ``--set`` can change, by name."""
        return {name: value for name, value in asdict(self).items() if name not in DESCRIPTION}

    def as_dict(self) -> dict[str, Any]:
        """Return the whole entry as JSON can hold it."""
        return asdict(self)

    def with_settings(self, **changes: Any) -> "Experiment":
        """Return this experiment with some settings changed; n_instances follows the lists and repeats among them.

        Raises SettingError for an unknown key or a value that cannot be used.
        """
        for key in changes:
            if key not in self.settings:
                raise unknown_name("setting", key, self.settings)
        brings_instances = "repeat" in changes or any(_length(changes, (key,)) for key in (*ROWS, *COLUMNS))
        if brings_instances and "n_instances" not in changes:
            settings = {**self.settings, **changes}
            # A new list decides the length, even where an old one beside it does not fit.
            rows = _length(changes, ROWS) or _length(settings, ROWS) or 1
            # Any value may stand here until it is checked.
            repeat = max(1, settings["repeat"]) if isinstance(settings["repeat"], int) else 1
            changes["n_instances"] = rows * (_length(settings, COLUMNS) or 1) * repeat
        return replace(self, **changes)

    @property
    def grid(self) -> tuple[int, int, int]:
        """How many rows and columns of points the instances fill, and how many models each point has."""
        return _length(vars(self), ROWS) or 1, _length(vars(self), COLUMNS) or 1, self.repeat

    def per_instance(self, name: str) -> Any:
        """Return a setting as one value for each instance where it is a list, and as it is where it is not."""
        value = getattr(self, name)
        if not isinstance(value, tuple):
            return value
        rows, columns, repeat = self.grid
        points = [(row, column) for row in range(rows) for column in range(columns) for _ in range(repeat)]
        return tuple(value[row if name in ROWS else column] for row, column in points)

    def member(self, k: int) -> "Experiment":
        """Return the experiment of instance k alone, with settings that are no lists; only its random draws differ.

        Raises SettingError where there is no such instance.
        """
        count = self.n_instances or 1
        if not 0 <= k < count:
            raise SettingError(f"instance={k} is not one of the {count} of {self.name!r}, which count from 0")
        values = {name: self.per_instance(name) for name in (*ROWS, *COLUMNS)}
        own = {name: value[k] for name, value in values.items() if isinstance(value, tuple)}
        return replace(self, n_instances=None, repeat=1, **own)

    def importance_vector(self) -> tuple[float, ...]:
        """Return I_i for each of the n features, the extra one's as *importance* has it."""
        return expand_importance(self.importance, self.n_features)

    def loss_weights(self) -> tuple[float, ...] | tuple[tuple[float, ...], ...]:
        """Return what each squared error counts in the loss: I_i, or I_i / n where the loss is a mean.

        One number for each feature, or a row of them for each instance where the extra feature has several importances.
        """
        extra = self.per_instance("importance_extra")
        if isinstance(extra, tuple):
            return tuple(self._shares(each) for each in extra)
        return self._shares(extra)

    def _shares(self, extra: float | None) -> tuple[float, ...]:
        *others, last = self.importance_vector()
        share = self.n_features if self.reduction == "mean" else 1
        return tuple(each / share for each in (*others, last if extra is None else extra))

    def _check_grid(self) -> None:
        """Hold the lists to the number of instances."""
        rows, columns, repeat = self.grid
        if rows == columns == repeat == 1 and not any(isinstance(getattr(self, key), tuple) for key in ROWS + COLUMNS):
            return
        for name, count in [*((key, rows) for key in ROWS), *((key, columns) for key in COLUMNS)]:
            value = getattr(self, name)
            others = rows * columns * repeat // count
            if isinstance(value, tuple) and len(value) * others != self.n_instances:
                each = f", {others} for each of them" if others > 1 else ""
                raise SettingError(
                    f"{name} has {len(value)} values for n_instances={self.n_instances}{each}; "
                    "give one value, or one each"
                )
        if rows * columns * repeat != self.n_instances:
            raise SettingError(f"repeat={repeat} does not make n_instances={self.n_instances}; leave out one of them")


def _length(settings: Mapping[str, Any], names: tuple[str, ...]) -> int:
    """Return how long the longest list among some settings is, 0 where none is one."""
    return max((len(settings[name]) for name in names if isinstance(settings.get(name), tuple)), default=0)
