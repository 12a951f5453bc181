"""Animate how two sets of three correlated features become an octahedron.

Leaves octahedron.h5 and octahedron.gif; with the extra [video] name it octahedron.mp4.
"""

import dyn
from dyn.dynamics.experiments import EXPERIMENTS
from dyn.recorders.experiment import record_experiment
from dyn.viz import animate

path = record_experiment(EXPERIMENTS["geometry"].with_settings(steps=5_000), "octahedron.h5", overwrite=True)

with dyn.open(path) as recording:
    animate(recording, "octahedron.gif", seconds=6, fps=20, size=(960, 540), overwrite=True)
