"""Ask what happened during a training: which features jumped, what they form, how they moved, where the loss is flat.

Leaves story.h5 and story.txt.
"""

from pathlib import Path

import dyn
from dyn.dynamics.experiments import EXPERIMENTS
from dyn.dynamics.jumps import detect_jumps
from dyn.dynamics.motion import transformation
from dyn.dynamics.polytopes import identify, summary
from dyn.dynamics.theory import expected_loss
from dyn.recorders.experiment import record_experiment
from dyn.recorders.story import tell

path = record_experiment(EXPERIMENTS["geometry"].with_settings(steps=7_000), "story.h5", overwrite=True)

with dyn.open(path) as recording:
    # All of it in words, as `dyn info` says it.
    story = tell(recording)
    Path("story.txt").write_text(f"{story}\n")
    print(story)

    # The parts by themselves are functions of arrays, and work on arrays from anywhere.
    step, W, b = recording.step[:], recording.parameters["W"][:], recording.parameters["b"][:]
    D, loss = recording.features["W"]["dimensionality"][:], recording.scalars["expected_loss"][:]

for jump in detect_jumps(D, loss, step):
    print(f"{jump.features} jump at {jump.start} to {jump.end}, the loss changes by {jump.loss_change:.2g}")
print("at last:", summary(identify(W[-1])))
motion = transformation(W[3_000], W[-1], features=[0, 1, 2])
print(f"from step 3000 to the end the first set turns by {motion.angle:.0f}° and grows {motion.scale:.2f} times")

# A closed form: the loss that these weights would have if every feature were switched on by itself.
print(f"on independent features the loss is {expected_loss(W[-1], b[-1], density=0.05, importance=1.0):.4f}")
