"""Whether the shares of a change of the loss add up to it, are right where the answer is known, and what they cost.

- shares: over every jump of energy-levels, geometry and the first members of k-gons, how far the sum of the shares is
  from the change of the expected loss on the same samples, and how far the stated error is.
- planted: parameters that are moved by hand, one feature and then another; the share of each beside the change of the
  loss while it moved.
- cost: a step of the toy that is recorded with allocation beside one that is recorded without, in turn, in blocks
  within one process; medians over the pairs, by three trainings each.

    python benchmarks/attribution.py [shares planted cost] [--blocks N] [--members N]
"""

import argparse
import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from workloads import WORKLOADS

import dyn
from dyn.dynamics.attribution import allocate
from dyn.dynamics.experiments import EXPERIMENTS
from dyn.dynamics.training.evaluation import PopulationLoss
from dyn.dynamics.training.population_gradient import PopulationGradient
from dyn.recorders.experiment import record_experiment
from dyn.recorders.stories.attribution import Payers
from dyn.recorders.stories.story import tell

_WARM_UP = 5
# A planted change below this share of the other one is measured in units of it.
_SMALL = 0.01


def shares(folder: Path, members: int) -> None:
    """Print each jump with its change, the sum of its shares, and both errors as parts of the change."""
    worst = 0.0
    for name in ("energy-levels", "geometry", "k-gons"):
        path = record_experiment(EXPERIMENTS[name], folder / f"{name}.h5")
        with dyn.open(path) as recording:
            count = EXPERIMENTS[name].n_instances
            for member in range(min(members, count)) if count else (None,):
                payers = Payers(recording, instance=member)
                for jump in tell(recording, instance=member).jumps:
                    row = payers.between(jump.start, jump.end)
                    off = abs(row.allocation.total - row.change) / abs(row.change)
                    worst = max(worst, off)
                    who = "" if member is None else f" member {member}"
                    print(
                        f"{name}{who} steps {row.start}-{row.end}: change {row.change:+.6f}, shares "
                        f"{row.allocation.total:+.6f}, off by {off:.4%}, stated {row.allocation.error:.1e}; {row.words}"
                    )
    print(f"shares: off by {worst:.4%} of the change at worst (asked: 0.5 %)")


def planted() -> None:
    """Print the share of each of two features that move one after the other, over the change while it moved."""
    experiment = EXPERIMENTS["energy-levels"].with_settings(n_features=5, n_hidden=2, density=0.2)
    population = PopulationLoss(experiment)
    worst = 0.0
    rng = np.random.default_rng(0)
    for _ in range(20):
        W = np.repeat(rng.normal(scale=0.3, size=(1, 2, 5)), 121, axis=0).astype(np.float32)
        b = np.full((121, 5), rng.normal(scale=0.05), np.float32)
        goal = rng.normal(scale=0.7, size=(2, 2)).astype(np.float32)
        first, second = (np.clip((np.arange(121) - start) / 50, 0, 1)[:, None] for start in (0, 60))
        W[:, :, 1] += first.astype(np.float32) * goal[0]
        W[:, :, 3] += second.astype(np.float32) * goal[1]
        loss = population({"W": W, "b": b})
        found = allocate({"W": W, "b": b}, PopulationGradient(population)).by_feature
        changes = {1: loss[55] - loss[0], 3: loss[-1] - loss[55]}
        largest = max(map(abs, changes.values()))
        for feature, change in changes.items():
            # A motion that brought next to nothing is known as well as the others.
            worst = max(worst, abs(found[feature] - change) / max(abs(change), _SMALL * largest))
        if any(found[feature] for feature in (0, 2, 4)):
            print("planted: a feature that did not move has a share")
    print(f"planted: off by {worst:.4%} at worst over 20 trainings (asked: 1 %)")


def cost(folder: Path, blocks: int) -> None:
    """Print the time of a toy step recorded with allocation over that of one recorded without."""
    make, steps, _, _ = WORKLOADS["toy"]
    ratios, extra = [], []
    for trial in range(3):
        with ExitStack() as stack:
            sides = []
            for gradients in (None, "allocation"):
                torch.manual_seed(trial)
                workload = make()
                path = folder / f"{trial}-{gradients}.h5"
                recorder = stack.enter_context(
                    dyn.attach(workload.model, workload.optimizer, path, gradients=gradients)
                )
                sides.append((workload, lambda loss, recorder=recorder: recorder.log(loss=loss)))
            pairs = []
            for k in range(blocks + _WARM_UP):
                # Whoever comes second finds other caches.
                order = (0, 1) if k % 2 else (1, 0)
                seconds = {side: sides[side][0].run(sides[side][1], steps) for side in order}
                pairs.append((seconds[0], seconds[1]))
        without, with_ = np.array(pairs[_WARM_UP:]).T
        ratios.append(float(np.median(with_ / without)))
        extra.append(float(np.median(with_ - without)) / steps * 1e6)
    words = ", ".join(f"{ratio:.4f} ({more:+.1f} µs)" for ratio, more in zip(ratios, extra, strict=True))
    print(f"cost: a recorded toy step with allocation over one without: {words} (asked: 1.03)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=["shares", "planted", "cost"])
    parser.add_argument("--blocks", type=int, default=400)
    parser.add_argument("--members", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        if "shares" in options.parts:
            shares(Path(folder), options.members)
        if "planted" in options.parts:
            planted()
        if "cost" in options.parts:
            cost(Path(folder), options.blocks)


if __name__ == "__main__":
    main()
