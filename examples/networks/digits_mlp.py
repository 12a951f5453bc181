"""A perceptron of two hidden layers learns to read handwritten digits; then every matrix of it is ranked.

Leaves digits-mlp.h5 and digits-mlp.png. Takes about ten seconds on one core. Needs scikit-learn for its data.
"""

import torch
from sklearn.datasets import load_digits
from torch import nn

import dyn
from dyn.viz import plot

torch.manual_seed(0)
images, labels = load_digits(return_X_y=True)
x, target = torch.tensor(images / 16, dtype=torch.float32), torch.tensor(labels)
train, test = slice(0, 1400), slice(1400, None)

model = nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 24), nn.ReLU(), nn.Linear(24, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)

with dyn.attach(model, optimizer, "digits-mlp.h5", overwrite=True) as recorder:
    for step in range(1500):
        batch = torch.randint(0, 1400, (64,))
        loss = nn.functional.cross_entropy(model(x[train][batch]), target[train][batch])
        optimizer.zero_grad()
        loss.backward()
        if step % 20 == 0:
            with torch.no_grad():
                scores = model(x[test])
            recorder.log(test_accuracy=(scores.argmax(1) == target[test]).float().mean())
            recorder.log(test_loss=nn.functional.cross_entropy(scores, target[test]))
        recorder.log(loss=loss)
        optimizer.step()

with dyn.open("digits-mlp.h5") as recording:
    plot(recording, "overview").savefig("digits-mlp.png")
print("now: dyn info digits-mlp.h5")
