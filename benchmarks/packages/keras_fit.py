"""Keras's quick start with torch as its backend. Its optimizers are its own, and none of torch's."""

import os

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
from own_log import tell


class Losses(keras.callbacks.Callback):
    """Keeps the loss of every batch, which fit() gives as a mean over the epoch so far."""

    def on_epoch_begin(self, epoch, logs=None):
        self.losses, self.total = getattr(self, "losses", []), 0.0

    def on_train_batch_end(self, batch, logs=None):
        total = float(logs["loss"]) * (batch + 1)
        self.losses.append(total - self.total)
        self.total = total


keras.utils.set_random_seed(0)
draw = np.random.default_rng(0)
x = draw.normal(size=(320, 20)).astype("float32")
y = (x[:, 0] > 0).astype("int64")
model = keras.Sequential([keras.Input((20,)), keras.layers.Dense(16, activation="relu"), keras.layers.Dense(2)])
model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
losses = Losses()
model.fit(x, y, batch_size=32, epochs=3, verbose=0, callbacks=[losses])
# What Keras calls a weight is its path; its module has it under the same name.
tell(losses.losses, {name: p for name, p in model.named_parameters() if p.requires_grad}, tolerance=1e-4)
