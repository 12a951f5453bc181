"""What a sweep will take: as many models, tasks and bytes as it has then."""

from pathlib import Path

import pytest

from dyn.recorders.sweeps.cost import SweepPrice, price_sweep
from dyn.recorders.sweeps.paper import plan_sweep
from dyn.recorders.sweeps.run import run_sweep
from dyn.recorders.sweeps.sweep_file import Sweep

SHORT = ("steps=10", "every=5", "batch_size=4", "evaluation_size=8")


@pytest.mark.parametrize(
    ("over", "settings", "recorded"),
    [
        (["lr=0.1,0.2"], SHORT, False),
        (["lr=0.1,0.2"], SHORT, True),
        # Smaller models are padded to the size of the largest.
        (["n_features=4,6"], (*SHORT, "sets=1"), False),
    ],
)
def test_models_tasks_and_bytes_are_those_of_the_result(tmp_path, over, settings, recorded):
    plan = plan_sweep("geometry", over, settings, repeat=3, recorded=recorded)
    price = price_sweep(plan, tmp_path / "a.h5", workers=1)
    outcome = run_sweep(plan, tmp_path / "a.h5", workers=1)
    assert (price.models, price.tasks, price.workers) == (6, outcome.trained, 1)
    with Sweep(tmp_path / "a.h5") as sweep:
        held = sum(sweep.dataset(name).nbytes for name in sweep.names)
    assert price.total_bytes == held


def test_the_population_loss_takes_double_precision(tmp_path):
    plan = plan_sweep("phase-2x1", ["density=0.1,0.9"], repeat=2)
    price = price_sweep(plan, tmp_path / "a.h5", workers=3)
    assert price.models == 2 * 2 * 50
    # W, b and the loss of two features in one dimension.
    assert price.total_bytes == price.models * 8 * (2 + 2 + 1)
    assert price.workers == min(3, price.tasks)


def test_longer_trainings_take_longer(tmp_path):
    short, long = (
        price_sweep(plan_sweep("geometry", ["lr=0.1"], (*SHORT[1:], f"steps={steps}")), tmp_path / "a.h5").seconds
        for steps in (100, 10_000_000)
    )
    assert long > 10 * short


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "1 s"), (90, "90 s"), (150, "2.5 minutes"), (4e4, "11 hours"), (5e5, "139 hours")]
)
def test_the_words(seconds, words):
    price = SweepPrice(12_000, 5, 2, seconds, 10**6, 2 * 10**6)
    assert str(price) == (
        f"12,000 models in 5 tasks, about {words} on 2 workers; "
        "1 MB in all, and as much again while it runs; 2 MB free, it fits"
    )
    assert not SweepPrice(12_000, 5, 2, seconds, 10**6, 2 * 10**6 - 1).fits


def test_nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    price_sweep(plan_sweep("geometry", ["lr=0.1"], SHORT), Path("a.h5"))
    assert not list(tmp_path.iterdir())
