"""SAELens: its trainer and a standard sparse autoencoder, on made activations."""

import torch
from own_log import tell
from sae_lens import StandardTrainingSAE, StandardTrainingSAEConfig
from sae_lens.config import SAETrainerConfig
from sae_lens.training.sae_trainer import SAETrainer

torch.manual_seed(0)
directions = torch.randn(16, 8)


def activations():
    while True:
        yield (torch.rand(256, 16) * (torch.rand(256, 16) < 0.1)) @ directions


class Told(SAETrainer):
    """Keeps the loss of every step."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.losses = []

    def step(self, batch):
        output = super().step(batch)
        self.losses.append(output.loss.item())
        return output


sae = StandardTrainingSAE(StandardTrainingSAEConfig(d_in=8, d_sae=32, l1_coefficient=0.1))
settings = SAETrainerConfig(total_training_samples=256 * 40, train_batch_size_samples=256, lr_end=3e-4)
trainer = Told(settings, sae, activations())
trainer.fit()
tell(trainer.losses, dict(sae.named_parameters()))
