"""The catalogue by name: the experiments of Toy Models of Superposition, and two beyond it."""

from collections.abc import Mapping
from types import MappingProxyType

from ..errors import unknown_name
from .experiment import Experiment
from .paper import PAPER


def find_experiment(name: str) -> Experiment:
    """Return the catalogue's entry of that name; raises SettingError with near matches where there is none."""
    if name not in EXPERIMENTS:
        raise unknown_name("experiment", name, EXPERIMENTS)
    return EXPERIMENTS[name]


_BEYOND = (
    Experiment(
        name="census",
        title="Equal features in few dimensions: which polytope n of them form in m",
        source="Toy Models of Superposition, The Geometry of Superposition; the paper asks which geometries there are",
        n_features=5,
        n_hidden=2,
        density=0.05,
        lr=1e-2,
        schedule="linear",
        batch_size=512,
        steps=8_000,
        every=20,
    ),
    Experiment(
        name="k-gons",
        title="Six one-hot features in a plane: the loss descends from one critical k-gon to the next",
        source="Chen et al. 2023, Dynamical versus Bayesian Phase Transitions, arXiv 2310.06301",
        n_features=6,
        n_hidden=2,
        n_instances=20,
        repeat=20,
        correlation="anticorrelated",
        sets=1,
        init_std=0.1,
        batch_size=512,
        steps=5_000,
        evaluation_size=3_000,
        every=5,
    ),
    Experiment(
        name="grokking",
        title="Addition modulo 59 by a small network: it knows what it has seen at once, and can add long after",
        source="Nanda et al. 2023, Progress measures for grokking, arXiv 2301.05217; the paper points to grokking",
        model="modular-addition",
        n_features=59,
        n_hidden=128,
        optimizer="adamw",
        weight_decay=1.0,
        batch_size=885,
        steps=12_000,
        every=10,
    ),
    Experiment(
        name="induction-heads",
        title="Repeated sequences by attention alone: two layers form induction heads, one layer cannot",
        source="Olsson et al. 2022, In-context Learning and Induction Heads, arXiv 2209.11895; the paper points to it",
        model="attention-only",
        n_features=32,
        n_hidden=64,
        optimizer="adamw",
        weight_decay=0.01,
        batch_size=64,
        steps=4_000,
        every=10,
    ),
)

EXPERIMENTS: Mapping[str, Experiment] = MappingProxyType({entry.name: entry for entry in (*PAPER, *_BEYOND)})
