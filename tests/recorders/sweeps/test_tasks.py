"""Tasks: what they train, from which seeds, and what they keep."""

import numpy as np

from dyn.dynamics.theory import expected_loss
from dyn.dynamics.training.models import ToyModel
from dyn.recorders.sweeps.axes import Axis
from dyn.recorders.sweeps.paper import plan_sweep
from dyn.recorders.sweeps.plan import make_plan


def only_task(plan):
    (task,) = plan.cut()[0]
    return task


def test_trajectories_begin_at_the_first_weights_and_end_where_a_sweep_without_them_does(tiny):
    tiny = tiny.with_settings(every=5)
    rows = only_task(make_plan(tiny, repeat=3, recorded=True)).train()
    assert rows["step"].tolist() == [0, 5, 10, 12]
    assert rows["W"].shape == (3, 4, 2, 4)
    assert rows["expected_loss"].shape == (3, 4)
    seed = only_task(make_plan(tiny, repeat=3))._seeded.seed
    np.testing.assert_array_equal(rows["W"][:, 0], ToyModel(4, 2, n_instances=3, seed=seed).W.detach())
    ends = only_task(make_plan(tiny, repeat=3)).train()
    for name in ("W", "b", "expected_loss"):
        np.testing.assert_array_equal(ends[name], rows[name][:, -1])


def test_models_at_the_same_place_of_two_tasks_begin_differently(tiny):
    plan = make_plan(tiny, [Axis("lr", (0.1, 0.2))], recorded=True)
    first, second = (task.train()["W"][:, 0] for task in plan.cut()[0])
    assert not (first == second).any()


def test_the_population_loss_is_that_of_the_parameters_that_are_kept():
    plan = plan_sweep("phase-2x1", ["density=0.2,0.6", "importance_extra=2"], repeat=2)
    ends = only_task(plan).train()
    density, importance = np.repeat([0.2, 0.6], 2), np.array([1.0, 2.0])
    np.testing.assert_array_equal(ends["expected_loss"], expected_loss(ends["W"], ends["b"], density, importance))


def test_whatever_an_experiment_evaluates_is_kept():
    plan = plan_sweep("grokking", (), ["n_features=5", "n_hidden=4", "batch_size=10", "steps=2"])
    ends = only_task(plan).train()
    assert {name: values.shape for name, values in ends.items()} == {
        "E": (1, 4, 5),
        "V": (1, 8, 4),
        "U": (1, 5, 8),
        "expected_loss": (1,),
        "train_accuracy": (1,),
        "test_loss": (1,),
        "test_accuracy": (1,),
        "weight_norm": (1,),
    }
