"""The catalogue against the recipes of the paper, and changing an entry's settings."""

from dataclasses import FrozenInstanceError

import numpy as np
import pytest

from dyn.dynamics.errors import SettingError
from dyn.dynamics.experiments import EXPERIMENTS, find_experiment
from dyn.dynamics.experiments.experiment import DESCRIPTION

DENSITIES = (1.0, 0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
RECIPES = {
    "intro": {"n_features": 5, "n_hidden": 2, "density": (1.0, 0.2, 0.1), "importance": "0.9^i", "n_instances": 3},
    "demonstration": {
        "n_features": 20,
        "n_hidden": 5,
        "density": (0.001, *DENSITIES),
        "nonlinearity": ("linear", *("relu",) * 7),
        "importance": "0.7^i",
    },
    "census": {
        "density": 0.05,
        "importance": 1.0,
        "lr": 1e-2,
        "schedule": "linear",
        "batch_size": 512,
        "steps": 8_000,
    },
    "energy-levels": {
        "n_features": 30,
        "n_hidden": 5,
        "density": 0.3,
        "importance": 1.0,
        "init_std": 0.1,
        "optimizer": "adam",
        "weight_decay": 0.0,
        "batch_size": 256,
        "reduction": "sum",
    },
    "geometry": {
        "n_features": 6,
        "n_hidden": 3,
        "density": 0.05,
        "correlation": "correlated",
        "sets": 2,
        "init_std": 0.01,
        "optimizer": "adam",
        "lr": 2e-3,
        "weight_decay": 0.0,
        "batch_size": 1024,
        "reduction": "mean",
    },
    "demonstration-80": {"n_features": 80, "n_hidden": 20, "density": (0.001, *DENSITIES), "importance": "0.9^i"},
    "phase-2x1": {"n_features": 2, "n_hidden": 1, "importance": 1.0, "repeat": 10, "n_instances": 1440},
    "phase-3x2": {"n_features": 3, "n_hidden": 2, "importance": 1.0, "repeat": 10, "n_instances": 1440},
    "uniform-geometry": {"n_features": 200, "n_hidden": 20, "importance": 1.0, "n_instances": 20},
    "correlated": {"n_features": 4, "n_hidden": 2, "sets": 2, "correlation": "correlated"},
    "anticorrelated": {"n_features": 4, "n_hidden": 2, "sets": 2, "correlation": "anticorrelated"},
    "pca-collapse": {
        "n_features": 6,
        "n_hidden": 2,
        "sets": 3,
        "correlation": "correlated",
        "density": (0.7, 0.35, 0.175, 0.1, 0.03),
        "repeat": 40,
        "init_std": 0.1,
        "schedule": "linear",
    },
    "absolute-value": {"model": "absolute-value", "n_features": 3, "n_hidden": 6, "density": 1.0},
    "absolute-value-superposition": {
        "model": "absolute-value",
        "n_features": 100,
        "n_hidden": 40,
        "importance": "0.8^i",
        "density": DENSITIES,
    },
    "adversarial": {"model": "toy", "importance": 1.0, "reduction": "sum"},
    "k-gons": {"n_features": 6, "n_hidden": 2, "correlation": "anticorrelated", "sets": 1, "density": 1.0},
    "grokking": {
        "model": "modular-addition",
        "n_features": 59,
        "n_hidden": 128,
        "optimizer": "adamw",
        "lr": 1e-3,
        "weight_decay": 1.0,
    },
    "induction-heads": {
        "model": "attention-only",
        "n_features": 32,
        "n_hidden": 64,
        "optimizer": "adamw",
        "lr": 1e-3,
        "weight_decay": 0.01,
        "batch_size": 64,
        "steps": 4_000,
    },
}


def test_every_entry_has_its_recipe_here():
    assert {*RECIPES} == {*EXPERIMENTS}


@pytest.mark.parametrize(
    ("name", "first", "last", "count"),
    [
        ("phase-2x1", 0.01, 1, 12),
        ("phase-3x2", 0.01, 1, 12),
        # The paper's p = 20^-linspace(0, 1, 20) and 400^-linspace(.5, 1, 5).
        ("uniform-geometry", 1, 1 / 20, 20),
        ("correlated", 1 / 20, 1 / 400, 5),
        ("anticorrelated", 1 / 20, 1 / 400, 5),
    ],
)
def test_densities_are_evenly_spaced_in_their_logarithm(name, first, last, count):
    # Six digits are kept.
    np.testing.assert_allclose(EXPERIMENTS[name].density, np.geomspace(first, last, count), rtol=1e-5)


def test_importances_of_the_extra_feature_run_from_a_tenth_to_ten():
    for name in ("phase-2x1", "phase-3x2"):
        np.testing.assert_allclose(EXPERIMENTS[name].importance_extra, np.geomspace(0.1, 10, 12), rtol=1e-5)


@pytest.mark.parametrize("name", RECIPES)
def test_the_catalogue_follows_the_recipes(name):
    assert EXPERIMENTS[name].settings.items() >= RECIPES[name].items()


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_entry_says_what_it_is(name):
    entry = EXPERIMENTS[name]
    assert entry.name == name
    assert entry.title
    assert "Toy Models of Superposition" in entry.source or "arXiv" in entry.source
    assert len(entry.importance_vector()) == entry.n_features
    assert {*entry.settings} == {*vars(entry)} - {*DESCRIPTION}


def test_geometry_takes_long_enough():
    # The triangles have twisted into an octahedron by step 4000 of every seed seen, and need as long to settle.
    assert EXPERIMENTS["geometry"].steps >= 10_000


def test_the_catalogue_cannot_be_changed():
    with pytest.raises(TypeError):
        EXPERIMENTS["intro"] = EXPERIMENTS["geometry"]  # type: ignore[index]
    with pytest.raises(FrozenInstanceError):
        EXPERIMENTS["intro"].steps = 3  # type: ignore[misc]


def test_find_experiment():
    assert find_experiment("intro") is EXPERIMENTS["intro"]
    with pytest.raises(SettingError, match="did you mean geometry"):
        find_experiment("geometri")
    with pytest.raises(SettingError, match="known: intro, demonstration"):
        find_experiment("xxxxxxx")
