"""PyTorch-Ignite's quick start, on made data."""

import torch
from ignite.engine import Events, create_supervised_trainer
from own_log import tell
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(0)
x = torch.randn(512, 20)
data = DataLoader(TensorDataset(x, (x[:, 0] > 0).long()), batch_size=32, shuffle=True)
model = nn.Sequential(nn.Linear(20, 16), nn.ReLU(), nn.Linear(16, 2))
optimizer = torch.optim.RMSprop(model.parameters(), lr=0.005)
trainer = create_supervised_trainer(model, optimizer, nn.CrossEntropyLoss())
losses = []


@trainer.on(Events.ITERATION_COMPLETED)
def log_training_loss(trainer):
    losses.append(trainer.state.output)


trainer.run(data, max_epochs=5)
tell(losses, dict(model.named_parameters()))
