"""Attach the recorder to a training loop of your own: a small network that learns to read handwritten digits.

Leaves digits.h5 and digits.png: how much of a dimension each of the 64 pixels gets in the first layer, step by step.
Needs scikit-learn for its data.
"""

import torch
from sklearn.datasets import load_digits
from torch import nn

import dyn
from dyn.viz import plot_levels

torch.manual_seed(0)
images, labels = load_digits(return_X_y=True)
x, target = torch.tensor(images / 16, dtype=torch.float32), torch.tensor(labels)
train, test = slice(0, 1500), slice(1500, None)

model = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)

with dyn.attach(model, optimizer, "digits.h5", overwrite=True, config={"data": "scikit-learn digits"}) as recorder:
    for _ in range(20):
        for batch in torch.randperm(1500).split(64):
            loss = nn.functional.cross_entropy(model(x[train][batch]), target[train][batch])
            optimizer.zero_grad()
            loss.backward()
            recorder.log(loss=loss)
            optimizer.step()
        with torch.no_grad():
            accuracy = (model(x[test]).argmax(1) == target[test]).float().mean()
        # It goes into the row of the next step, the first that sees these parameters.
        recorder.log(accuracy=accuracy)

with dyn.open("digits.h5") as recording:
    print(recording)
    print(f"test accuracy at the end: {recording.scalars['accuracy'][-1]:.3f}")
    plot_levels(recording, parameter="0.weight").savefig("digits.png")
