"""Record a training by Lightning: a small network that learns to read handwritten digits.

Leaves digits-lightning.h5 and digits-lightning.png. Needs the extra [lightning], and scikit-learn for its data.
"""

import pytorch_lightning as pl
import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from typing_extensions import override

import dyn
from dyn.recorders.frameworks.lightning import RecorderCallback
from dyn.viz import plot_levels


class Digits(pl.LightningModule):
    """64 pixels, 32 hidden neurons, 10 digits."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))

    @override
    def training_step(self, batch: list[Tensor], _: int) -> Tensor:
        images, labels = batch
        return nn.functional.cross_entropy(self.layers(images), labels)

    @override
    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=3e-3)


pl.seed_everything(0)
# Threads would cost a model this small more than they bring.
torch.set_num_threads(1)
images, labels = load_digits(return_X_y=True)
data = TensorDataset(torch.tensor(images / 16, dtype=torch.float32), torch.tensor(labels))

callback = RecorderCallback("digits-lightning.h5", overwrite=True, config={"data": "scikit-learn digits"})
trainer = pl.Trainer(max_epochs=5, callbacks=[callback], accelerator="cpu", logger=False, enable_checkpointing=False)
trainer.fit(Digits(), DataLoader(data, batch_size=64, shuffle=True))

with dyn.open("digits-lightning.h5") as recording:
    print(recording)
    print(f"loss: {recording.scalars['loss'][0]:.2f} at first, {recording.scalars['loss'][-2]:.2f} at last")
    plot_levels(recording, parameter="layers.0.weight").savefig("digits-lightning.png")
