"""The catalogue against the recipes of the paper, and changing an entry's settings."""

from dataclasses import FrozenInstanceError

import pytest

from dyn.dynamics.errors import SettingError
from dyn.dynamics.experiments import DESCRIPTION, EXPERIMENTS, find_experiment

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
}


@pytest.mark.parametrize("name", RECIPES)
def test_the_catalogue_follows_the_recipes(name):
    assert EXPERIMENTS[name].settings.items() >= RECIPES[name].items()


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_an_entry_says_what_it_is(name):
    entry = EXPERIMENTS[name]
    assert entry.name == name
    assert entry.title
    assert "Toy Models of Superposition" in entry.source
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


def test_with_settings_changes_a_copy(tiny):
    changed = tiny.with_settings(steps=3, seed=5)
    assert (changed.steps, changed.seed, changed.n_features) == (3, 5, tiny.n_features)
    assert (tiny.steps, tiny.seed) == (12, 0)
    with pytest.raises(SettingError, match="did you mean steps"):
        tiny.with_settings(step=3)
    with pytest.raises(SettingError, match="unknown setting 'name'"):
        tiny.with_settings(name="other")


def test_a_list_brings_its_number_of_instances(tiny):
    assert tiny.with_settings(density=(0.1, 0.2)).n_instances == 2
    assert EXPERIMENTS["intro"].with_settings(density=(0.1,) * 5).n_instances == 5
    assert EXPERIMENTS["intro"].with_settings(density=0.1).n_instances == 3
    assert tiny.with_settings(density=(0.1, 0.2), nonlinearity=("relu", "linear")).n_instances == 2
    with pytest.raises(SettingError, match="density has 2 values for n_instances=3"):
        tiny.with_settings(density=(0.1, 0.2), nonlinearity=("relu",) * 3)


def test_loss_weights(tiny):
    four = tiny.with_settings(importance=(4.0, 2.0, 1.0, 0.0))
    assert four.loss_weights() == (4.0, 2.0, 1.0, 0.0)
    assert four.with_settings(reduction="mean").loss_weights() == (1.0, 0.5, 0.25, 0.0)
