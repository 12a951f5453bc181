"""A small GAN in the manner of PyTorch's DCGAN tutorial; it knows nothing of recordings.

Instead of faces it makes points on a circle. Record it with: dyn record gan.py
"""

# The names are the tutorial's.
# ruff: noqa: N816

import torch
from torch import nn

torch.manual_seed(0)
netG = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
netD = nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Linear(16, 1), nn.Sigmoid())
criterion = nn.BCELoss()
optimizerD = torch.optim.Adam(netD.parameters(), lr=1e-3)
optimizerG = torch.optim.Adam(netG.parameters(), lr=1e-3)
real_label, fake_label = torch.ones(64), torch.zeros(64)

for step in range(1, 201):
    angle = 2 * torch.pi * torch.rand(64)
    real = torch.stack([angle.cos(), angle.sin()], 1)
    fake = netG(torch.randn(64, 4))

    # Update D: a batch of real points, then one of fake ones
    netD.zero_grad()
    errD_real = criterion(netD(real).view(-1), real_label)
    errD_real.backward()
    errD_fake = criterion(netD(fake.detach()).view(-1), fake_label)
    errD_fake.backward()
    optimizerD.step()

    # Update G: D should take the fake points for real
    netG.zero_grad()
    errG = criterion(netD(fake).view(-1), real_label)
    errG.backward()
    optimizerG.step()

    if step % 100 == 0:
        print(f"[{step}/200]  D {(errD_real + errD_fake).item():.6f}  G {errG.item():.6f}")
