"""An experiment's settings: changing them, and what they come to for each instance of a grid."""

import pytest

from dyn.dynamics.errors import SettingError
from dyn.dynamics.experiments import EXPERIMENTS

GRID = {"density": (0.1, 0.2), "importance_extra": (3.0, 4.0, 5.0), "repeat": 2}


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


def test_lists_and_repeats_bring_the_instances_of_their_grid(tiny):
    assert tiny.with_settings(repeat=3).n_instances == 3
    assert tiny.with_settings(importance_extra=(1.0, 2.0)).n_instances == 2
    grid = tiny.with_settings(**GRID)
    assert (grid.n_instances, grid.grid) == (12, (2, 3, 2))
    assert grid.with_settings(repeat=10).n_instances == 60
    assert grid.with_settings(density=(0.1,) * 4).n_instances == 24
    # Back to an ensemble without a grid.
    plain = grid.with_settings(density=0.1, importance_extra=None, repeat=1, n_instances=None)
    assert plain == tiny.with_settings(density=0.1)


def test_instances_run_through_the_grid_in_order(tiny):
    grid = tiny.with_settings(**GRID)
    assert grid.per_instance("density") == (0.1,) * 6 + (0.2,) * 6
    assert grid.per_instance("importance_extra") == (3.0, 3.0, 4.0, 4.0, 5.0, 5.0) * 2
    assert grid.per_instance("nonlinearity") == "relu"


def test_a_member_has_the_settings_of_its_instance(tiny):
    grid = tiny.with_settings(**GRID)
    member = grid.member(9)
    assert (member.density, member.importance_extra, member.repeat, member.n_instances) == (0.2, 4.0, 1, None)
    assert member.loss_weights() == grid.loss_weights()[9]
    assert tiny.member(0) == tiny
    for wrong in (-1, 12):
        with pytest.raises(SettingError, match=f"instance={wrong} is not one of the 12"):
            grid.member(wrong)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"repeat": 2, "n_instances": 3}, "repeat=2 does not make n_instances=3"),
        ({"repeat": 2, "density": (0.1, 0.2), "n_instances": 2}, "density has 2 values for n_instances=2, 2 for each"),
        ({"importance_extra": (1.0, 2.0), "n_instances": 5}, "importance_extra has 2 values for n_instances=5"),
        ({"importance_extra": -1.0}, "importance_extra=-1.0 is less than 0"),
        ({"repeat": 0}, "repeat=0 is not greater than 0"),
        ({"repeat": "2"}, "repeat='2' is not a whole number"),
        ({"every": 0}, "every=0 is not greater than 0"),
        ({"model": "toys"}, "did you mean toy"),
        ({"model": "absolute-value", "nonlinearity": "linear"}, "nonlinearity='linear' is for model=toy"),
        ({"model": "modular-addition", "batch_size": 10}, "batch_size=10 leaves none of the 10 sums"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_refused(tiny, changes, message):
    with pytest.raises(SettingError, match=message):
        tiny.with_settings(**changes)


def test_loss_weights(tiny):
    four = tiny.with_settings(importance=(4.0, 2.0, 1.0, 0.0))
    assert four.loss_weights() == (4.0, 2.0, 1.0, 0.0)
    assert four.with_settings(reduction="mean").loss_weights() == (1.0, 0.5, 0.25, 0.0)
    assert four.with_settings(importance_extra=3.0).loss_weights() == (4.0, 2.0, 1.0, 3.0)
    several = four.with_settings(importance_extra=(3.0, 8.0), reduction="mean")
    assert several.loss_weights() == ((1.0, 0.5, 0.25, 0.75), (1.0, 0.5, 0.25, 2.0))
