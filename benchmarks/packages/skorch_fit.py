"""skorch's quick start, with ten epochs of made data."""

import numpy as np
import torch
from own_log import tell
from sklearn.datasets import make_classification
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback
from torch import nn


class Losses(Callback):
    """Keeps the loss of every training batch."""

    def initialize(self):
        self.losses = []
        return self

    def on_batch_end(self, net, batch=None, training=False, loss=None, **_):
        if training:
            self.losses.append(loss.item())


class MyModule(nn.Module):
    def __init__(self, num_units=10, nonlin=nn.functional.relu):
        super().__init__()
        self.dense0 = nn.Linear(20, num_units)
        self.nonlin = nonlin
        self.dropout = nn.Dropout(0.5)
        self.dense1 = nn.Linear(num_units, num_units)
        self.output = nn.Linear(num_units, 2)

    def forward(self, X):
        X = self.dropout(self.nonlin(self.dense0(X)))
        return nn.functional.softmax(self.output(self.nonlin(self.dense1(X))), dim=-1)


torch.manual_seed(0)
X, y = make_classification(1000, 20, n_informative=10, random_state=0)
net = NeuralNetClassifier(
    MyModule, max_epochs=10, lr=0.1, iterator_train__shuffle=True, callbacks=[("losses", Losses())], verbose=0
)
net.fit(X.astype(np.float32), y.astype(np.int64))
tell(dict(net.callbacks_)["losses"].losses, dict(net.module_.named_parameters()))
