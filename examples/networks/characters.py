"""A transformer of two layers learns to write the next letter of a nursery rhyme whose verses repeat each other.

Leaves characters.h5 and characters.png. Takes about half a minute on one core.
"""

import torch
from torch import Tensor, nn

import dyn
from dyn.viz import plot

HOUSE = "the house that jack built"
WHO = (
    "the malt that lay in", "the rat that ate", "the cat that killed", "the dog that worried",
    "the cow with the crumpled horn that tossed", "the maiden all forlorn that milked",
    "the man all tattered and torn that kissed", "the priest all shaven and shorn that married",
    "the cock that crowed in the morn that waked", "the farmer sowing his corn that kept",
)  # fmt: skip
# Each verse tells of one more, and then all that was told before.
VERSES = ["this is " + " ".join([*reversed(WHO[:k]), HOUSE]) + ". " for k in range(len(WHO) + 1)]
RHYME = "".join(VERSES)
CONTEXT, WIDTH, HEADS = 32, 48, 4

torch.manual_seed(0)
letters = sorted(set(RHYME))
text = torch.tensor([letters.index(letter) for letter in RHYME])
# The last verse is not learned from: its end can be known, its beginning cannot.
cut = len(text) - len(VERSES[-1])


class Block(nn.Module):
    """One layer: attention to what came before, then a perceptron for each place."""

    def __init__(self) -> None:
        super().__init__()
        self.before_attention, self.before_mlp = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv = nn.Linear(WIDTH, 3 * WIDTH, bias=False)
        self.out = nn.Linear(WIDTH, WIDTH, bias=False)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """Return what comes out of the layer, (batch, length, width)."""
        batch, length, _ = x.shape
        q, k, v = self.qkv(self.before_attention(x)).view(batch, length, 3, HEADS, -1).permute(2, 0, 3, 1, 4)
        seen = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(seen.transpose(1, 2).reshape(batch, length, WIDTH))
        return x + self.down(nn.functional.gelu(self.up(self.before_mlp(x))))


class Transformer(nn.Module):
    """Letters to the scores of the letters that follow."""

    def __init__(self) -> None:
        super().__init__()
        self.token, self.place = nn.Embedding(len(letters), WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.ModuleList([Block(), Block()])
        self.last, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, len(letters))

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores of each letter at each place, (batch, length, letters)."""
        h = self.token(x) + self.place(torch.arange(x.shape[1]))
        for block in self.blocks:
            h = block(h)
        return self.head(self.last(h))


def loss_of(model: nn.Module, starts: Tensor) -> Tensor:
    """Return the loss in nats a letter of the pieces of text that begin there."""
    pieces = text[starts[:, None] + torch.arange(CONTEXT + 1)]
    return nn.functional.cross_entropy(model(pieces[:, :-1]).flatten(0, 1), pieces[:, 1:].flatten())


model = Transformer()
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.1)
held_out = torch.arange(cut, len(text) - CONTEXT - 1)

with dyn.attach(model, optimizer, "characters.h5", overwrite=True) as recorder:
    for step in range(800):
        loss = loss_of(model, torch.randint(0, cut - CONTEXT - 1, (16,)))
        optimizer.zero_grad()
        loss.backward()
        if step % 20 == 0:
            with torch.no_grad():
                recorder.log(test_loss=loss_of(model, held_out))
        recorder.log(loss=loss)
        optimizer.step()

with dyn.open("characters.h5") as recording:
    plot(recording, "overview").savefig("characters.png")
print("now: dyn info characters.h5")
