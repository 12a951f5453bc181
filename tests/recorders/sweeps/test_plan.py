"""Plans: every point is in one task, tasks have names of their own, and the way of training is chosen in the open."""

import numpy as np
import pytest

from dyn.dynamics.errors import SettingError
from dyn.dynamics.experiments import EXPERIMENTS
from dyn.recorders.sweeps.axes import Axis
from dyn.recorders.sweeps.paper import PRESETS, plan_sweep
from dyn.recorders.sweeps.plan import make_plan


def covered(plan) -> np.ndarray:
    """How many tasks each point is in, and that a task has as many models as its points."""
    count = np.zeros(plan.shape, int)
    for task in plan.cut()[0]:
        count[task.place] += 1
        assert task.experiment.n_instances == np.prod(task.shape, dtype=int) * plan.repeat
    return count


@pytest.mark.parametrize("name", [*PRESETS, "intro", "demonstration", "energy-levels", "k-gons", "grokking"])
def test_every_point_is_in_one_task(name):
    plan = plan_sweep(name)
    assert (covered(plan) == 1).all()
    assert not plan.cut()[1]


def test_the_phase_diagrams_are_those_of_the_paper():
    for name in ("phase-2x1", "phase-3x2"):
        plan = plan_sweep(name)
        assert (plan.shape, plan.repeat, plan.way) == ((50, 50), 10, "population")
        density, importance = plan.axes
        assert (density.name, density.values[0], density.values[-1]) == ("density", 0.01, 1.0)
        assert (importance.name, importance.values[0], importance.values[-1]) == ("importance_extra", 0.1, 10.0)


def test_a_task_is_trained_with_the_settings_of_its_points():
    plan = plan_sweep("phase-2x1", ["density=0.1,0.2", "lr=0.01,0.02", "importance_extra=1,2,3"], repeat=2)
    for task in plan.cut()[0]:
        points = {axis.name: axis.values[part] for axis, part in zip(plan.axes, task.place, strict=True)}
        assert task.experiment.density == points["density"]
        assert task.experiment.importance_extra == points["importance_extra"]
        assert (task.experiment.lr,) == points["lr"]


def test_tasks_have_different_names_and_keep_them():
    names = [task.name for task in plan_sweep("phase-2x1").cut()[0]]
    assert len(set(names)) == len(names)
    assert names == [task.name for task in plan_sweep("phase-2x1").cut()[0]]
    assert not set(names) & {task.name for task in plan_sweep("phase-2x1", (), ["seed=1"]).cut()[0]}
    assert not set(names) & {task.name for task in plan_sweep("phase-2x1", way="samples").cut()[0]}


def test_large_models_share_no_task():
    assert len(plan_sweep("uniform-geometry").cut()[0]) == 15
    assert len(plan_sweep("uniform-geometry", (), ["n_features=4000"]).cut()[0]) == 30


def test_a_setting_takes_the_place_of_an_axis():
    assert plan_sweep("phase-2x1", (), ["density=0.1"]).shape == (50,)
    assert plan_sweep("phase-2x1", (), ["density=0.1,0.2"]).shape == (2, 50)
    assert plan_sweep("phase-2x1", ["density=0.1,0.2"]).shape == (2, 50)


def test_points_whose_settings_do_not_go_together_are_told():
    tasks, failures = plan_sweep("geometry", ["sets=2,4"]).cut()
    assert [task.experiment.sets for task in tasks] == [2]
    assert str(failures[0]) == "sets=4: sets=4 does not divide n_features=6 evenly"


@pytest.mark.parametrize(
    ("over", "settings", "way"),
    [
        ([], [], "population"),
        (["lr=0.1,0.2"], [], "samples"),
        (["n_features=3,4"], [], "samples"),
        ([], ["batch_size=16"], "samples"),
        ([], ["n_features=4"], "samples"),
        ([], ["nonlinearity=linear"], "samples"),
        ([], ["correlation=correlated"], "samples"),
    ],
)
def test_models_train_on_the_population_loss_where_that_is_exact(over, settings, way):
    few = ["density=0.1,0.2", "importance_extra=1,2"]
    assert plan_sweep("phase-2x1", [*few, *over], settings).way == way


def test_trajectories_are_those_of_the_usual_training():
    assert plan_sweep("phase-2x1", recorded=True).way == "samples"


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("intro", {"way": "population"}),
        ("phase-2x1", {"way": "population", "over": ["lr=0.1,0.2"]}),
        ("phase-2x1", {"way": "population", "assignments": ["lr=0.1"]}),
        ("phase-2x1", {"way": "population", "recorded": True}),
        ("intro", {"recorded": True, "over": ["steps=10,20"]}),
        ("intro", {"assignments": ["repeat=3"]}),
        ("intro", {"assignments": ["n_instances=3"]}),
        ("geometry", {"over": ["sets=4,5"]}),
    ],
)
def test_what_does_not_go_together_is_refused(name, options):
    with pytest.raises(SettingError):
        plan_sweep(name, **options)


def test_a_plan_can_be_made_of_any_experiment(tiny):
    plan = make_plan(tiny, [Axis("n_hidden", (1, 2))], repeat=3)
    assert (plan.shape, plan.repeat, plan.way) == ((2,), 3, "samples")
    assert make_plan(EXPERIMENTS["k-gons"]).repeat == 20
