"""A small convolution net learns to read handwritten digits; its kernels are ranked among the matrices.

Leaves digits-convnet.h5 and digits-convnet.png. Takes about ten seconds on one core. Needs scikit-learn.
"""

import torch
from sklearn.datasets import load_digits
from torch import nn

import dyn
from dyn.viz import plot

torch.manual_seed(0)
images, labels = load_digits(return_X_y=True)
x, target = torch.tensor(images / 16, dtype=torch.float32).view(-1, 1, 8, 8), torch.tensor(labels)
train, test = slice(0, 1400), slice(1400, None)

model = nn.Sequential(
    nn.Conv2d(1, 8, 3, padding=1),
    nn.ReLU(),
    nn.Conv2d(8, 16, 3, stride=2, padding=1),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(256, 32),
    nn.ReLU(),
    nn.Linear(32, 10),
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)

with dyn.attach(model, optimizer, "digits-convnet.h5", overwrite=True) as recorder:
    for step in range(1200):
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

with dyn.open("digits-convnet.h5") as recording:
    plot(recording, "overview").savefig("digits-convnet.png")
print("now: dyn info digits-convnet.h5")
