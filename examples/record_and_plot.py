"""Record an experiment of the catalogue with settings of your own, and look at it: features jump between energy levels.

Leaves levels.h5 and levels.png.
"""

import dyn
from dyn.dynamics.experiments import EXPERIMENTS
from dyn.recorders.experiment import record_experiment
from dyn.viz import plot_levels

# Another seed than the default: the same story, other features, other steps.
experiment = EXPERIMENTS["energy-levels"].with_settings(seed=14, steps=4_000)
path = record_experiment(experiment, "levels.h5", overwrite=True)

with dyn.open(path) as recording:
    D = recording.features["W"]["dimensionality"][-1]
    print(f"{(D > 0.1).sum()} of {len(D)} features are represented, with D = {D[D > 0.1].round(2)}")
    plot_levels(recording).savefig("levels.png")
