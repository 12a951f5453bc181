"""TransformerLens: its own train() on a small transformer and made tokens."""

import io
import re
from contextlib import redirect_stdout

import torch
from own_log import tell
from torch.utils.data import Dataset
from transformer_lens import HookedTransformer, HookedTransformerConfig
from transformer_lens.train import HookedTransformerTrainConfig, train


class Tokens(Dataset):
    def __init__(self):
        self.tokens = torch.randint(0, 20, (64, 12))

    def __len__(self):
        return len(self.tokens)

    def __getitem__(self, k):
        return {"tokens": self.tokens[k]}


torch.manual_seed(0)
model = HookedTransformer(
    HookedTransformerConfig(
        n_layers=1, d_model=16, d_head=8, n_heads=2, n_ctx=12, d_vocab=20, act_fn="relu", seed=0, device="cpu"
    )
)
with redirect_stdout(io.StringIO()) as printed:
    train(model, HookedTransformerTrainConfig(num_epochs=3, batch_size=16, print_every=1, device="cpu"), Tokens())
losses = [float(loss) for loss in re.findall(r"Loss ([\d.e+-]+)", printed.getvalue())]
tell(losses, {name: p for name, p in model.named_parameters() if p.requires_grad})
