"""The catalogue: the experiments of Toy Models of Superposition, each one entry of data."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Any

from .errors import unknown_name
from .settings import check_settings, expand_importance

# What an entry says about itself; everything else is a setting.
DESCRIPTION = ("name", "title", "source")
# Settings that may hold one value for each instance.
PER_INSTANCE = ("density", "nonlinearity")


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One experiment: what is trained, on what, how, and how long.

    density is p = 1 - S; importance is a number, one for each feature, or a formula such as ``0.7^i``; init_std is
    the standard deviation of the first W (None: Xavier's); sets and correlation say which features go together;
    reduction says whether the loss of one sample is the sum over its features or their mean;
    evaluation_size is how many samples the population loss is estimated on. density and nonlinearity may hold one
    value for each instance. Raises SettingError for a value that cannot be used.
    """

    name: str
    title: str
    source: str
    n_features: int
    n_hidden: int
    n_instances: int | None = None
    density: float | tuple[float, ...] = 1.0
    importance: float | tuple[float, ...] | str = 1.0
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

    def __post_init__(self):
        check_settings(self)

    @property
    def settings(self) -> dict[str, Any]:
        """Everything that ``--set`` can change, by name."""
        return {name: value for name, value in asdict(self).items() if name not in DESCRIPTION}

    def as_dict(self) -> dict[str, Any]:
        """Return the whole entry as JSON can hold it."""
        return asdict(self)

    def with_settings(self, **changes: Any) -> "Experiment":
        """Return this experiment with some settings changed; n_instances follows the length of a new list.

        Raises SettingError for an unknown key or a value that cannot be used.
        """
        for key in changes:
            if key not in self.settings:
                raise unknown_name("setting", key, self.settings)
        lengths = [len(changes[key]) for key in PER_INSTANCE if isinstance(changes.get(key), tuple)]
        if any(lengths) and "n_instances" not in changes:
            changes["n_instances"] = max(lengths)
        return replace(self, **changes)

    def importance_vector(self) -> tuple[float, ...]:
        """Return I_i for each of the n features."""
        return expand_importance(self.importance, self.n_features)

    def loss_weights(self) -> tuple[float, ...]:
        """Return what each squared error counts in the loss: I_i, or I_i / n where the loss is a mean."""
        share = self.n_features if self.reduction == "mean" else 1
        return tuple(importance / share for importance in self.importance_vector())


def find_experiment(name: str) -> Experiment:
    """Return the catalogue's entry of that name; raises SettingError with near matches where there is none."""
    if name not in EXPERIMENTS:
        raise unknown_name("experiment", name, EXPERIMENTS)
    return EXPERIMENTS[name]


_DENSITIES = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)

_CATALOGUE = (
    Experiment(
        name="intro",
        title="Five features in two dimensions: as sparsity grows, a plane holds two, then four, then all five",
        source="Toy Models of Superposition, introduction",
        n_features=5,
        n_hidden=2,
        n_instances=3,
        density=(1.0, 0.2, 0.1),
        importance="0.9^i",
    ),
    Experiment(
        name="demonstration",
        title="Twenty features in five dimensions: a linear model, and ReLU models from dense to sparse",
        source="Toy Models of Superposition, Demonstrating Superposition, basic results",
        n_features=20,
        n_hidden=5,
        n_instances=1 + len(_DENSITIES),
        density=(0.001, *_DENSITIES),
        nonlinearity=("linear", *["relu"] * len(_DENSITIES)),
        importance="0.7^i",
        optimizer="adamw",
        weight_decay=0.01,
        evaluation_size=4096,
    ),
    Experiment(
        name="energy-levels",
        title="Thirty features in five dimensions: features jump between dimensionalities, and the loss drops",
        source="Toy Models of Superposition, Superposition and Learning Dynamics, phenomenon 1",
        n_features=30,
        n_hidden=5,
        density=0.3,
        init_std=0.1,
        lr=3e-3,
        batch_size=256,
        steps=6_000,
        seed=12,
    ),
    Experiment(
        name="geometry",
        title="Two sets of three correlated features in three dimensions: merged, opened, twisted to an octahedron",
        source="Toy Models of Superposition, Superposition and Learning Dynamics, phenomenon 2",
        n_features=6,
        n_hidden=3,
        density=0.05,
        correlation="correlated",
        sets=2,
        reduction="mean",
        init_std=0.01,
        lr=2e-3,
    ),
)

EXPERIMENTS: Mapping[str, Experiment] = MappingProxyType({entry.name: entry for entry in _CATALOGUE})
