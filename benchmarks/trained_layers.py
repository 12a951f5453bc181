"""The layers of small networks of many kinds, trained on the data that scikit-learn ships and on a nursery rhyme.

Their directions crowd as those of real networks do: a few are preferred, in some there is a common one. Each network
takes one to fifteen seconds on one core.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from torch import Tensor, nn

Loss = Callable[[], Tensor]
_BATCH, _CONTEXT = 64, 24
_WHO = (
    "the malt that lay in", "the rat that ate", "the cat that killed", "the dog that worried",
    "the cow with the crumpled horn that tossed", "the maiden all forlorn that milked",
    "the man all tattered and torn that kissed", "the priest all shaven and shorn that married",
)  # fmt: skip
_RHYME = "".join(
    "this is " + " ".join([*reversed(_WHO[:k]), "the house that jack built"]) + ". " for k in range(len(_WHO) + 1)
)


class _Letters(nn.Module):
    """Letters to the scores of the letters that follow, by whatever *core* makes of (batch, length, width)."""

    def __init__(self, core: nn.Module, width: int, out: int, letters: int):
        super().__init__()
        self.token, self.core, self.head = nn.Embedding(letters, width), core, nn.Linear(out, letters)

    def forward(self, x: Tensor) -> Tensor:
        h = self.core(self.token(x))
        return self.head(h[0] if isinstance(h, tuple) else h)


class _Attention(nn.Module):
    """A transformer's encoder that sees what came before."""

    def __init__(self, width: int, depth: int):
        super().__init__()
        layer = nn.TransformerEncoderLayer(width, 4, 3 * width, dropout=0.0, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, depth, enable_nested_tensor=False)
        self.place = nn.Embedding(_CONTEXT, width)

    def forward(self, x: Tensor) -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
        return self.layers(x + self.place.weight[: x.shape[1]], mask=mask, is_causal=True)


def _table(load: Callable[..., Any]) -> tuple[Tensor, Tensor]:
    x, y = load(return_X_y=True)
    spread = x.std(axis=0)
    x = (x - x.mean(axis=0)) / np.where(spread > 0, spread, 1)
    return torch.tensor(x, dtype=torch.float32), torch.tensor(y)


def _digits() -> tuple[Tensor, Tensor]:
    images, labels = load_digits(return_X_y=True)
    return torch.tensor(images / 16, dtype=torch.float32), torch.tensor(labels)


def _classifier(model: nn.Module, x: Tensor, y: Tensor) -> tuple[nn.Module, Loss]:
    def loss() -> Tensor:
        batch = torch.randint(0, len(x), (_BATCH,))
        return nn.functional.cross_entropy(model(x[batch]), y[batch])

    return model, loss


def _regressor(model: nn.Module, x: Tensor, y: Tensor) -> tuple[nn.Module, Loss]:
    def loss() -> Tensor:
        batch = torch.randint(0, len(x), (_BATCH,))
        return nn.functional.mse_loss(model(x[batch]), y[batch])

    return model, loss


def _reader(core: nn.Module, width: int, out: int) -> tuple[nn.Module, Loss]:
    letters = sorted(set(_RHYME))
    text = torch.tensor([letters.index(letter) for letter in _RHYME])
    model = _Letters(core, width, out, len(letters))

    def loss() -> Tensor:
        starts = torch.randint(0, len(text) - _CONTEXT - 1, (16,))
        pieces = text[starts[:, None] + torch.arange(_CONTEXT + 1)]
        return nn.functional.cross_entropy(model(pieces[:, :-1]).flatten(0, 1), pieces[:, 1:].flatten())

    return model, loss


def _stack(
    *widths: int, act: type[nn.Module] = nn.ReLU, between: Callable[[int], nn.Module] | None = None
) -> nn.Module:
    layers: list[nn.Module] = []
    for n, m in pairwise(widths):
        layers += [nn.Linear(n, m), *([between(m)] if between and m != widths[-1] else []), act()]
    return nn.Sequential(*layers[:-1])


def _mlp() -> tuple[nn.Module, Loss]:
    return _classifier(_stack(64, 48, 24, 10), *_digits())


def _tanh_mlp() -> tuple[nn.Module, Loss]:
    return _classifier(_stack(64, 64, 64, 64, 10, act=nn.Tanh), *_digits())


def _normed_mlp() -> tuple[nn.Module, Loss]:
    return _classifier(_stack(64, 96, 96, 10, between=nn.BatchNorm1d), *_digits())


def _convnet() -> tuple[nn.Module, Loss]:
    x, y = _digits()
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, stride=2, padding=1), nn.ReLU(), nn.Flatten(),
        nn.Linear(512, 32), nn.ReLU(), nn.Linear(32, 10),
    )  # fmt: skip
    return _classifier(model, x.view(-1, 1, 8, 8), y)


def _autoencoder() -> tuple[nn.Module, Loss]:
    x, _ = _digits()
    return _regressor(_stack(64, 48, 12, 48, 64), x, x)


def _tabular() -> tuple[nn.Module, Loss]:
    return _classifier(_stack(30, 32, 32, 2), *_table(load_breast_cancer))


def _regression() -> tuple[nn.Module, Loss]:
    x, y = _table(load_diabetes)
    return _regressor(_stack(10, 32, 32, 1, act=nn.GELU), x, ((y - y.mean()) / y.std()).float()[:, None])


def _sums() -> tuple[nn.Module, Loss]:
    """Addition modulo 23, which a network learns by Fourier components."""
    p = 23
    pairs = torch.cartesian_prod(torch.arange(p), torch.arange(p))
    x = nn.functional.one_hot(pairs, p).flatten(1).float()
    return _classifier(_stack(2 * p, 64, p), x, pairs.sum(1) % p)


NETWORKS: dict[str, tuple[Callable[[], tuple[nn.Module, Loss]], int, dict[str, float]]] = {
    "mlp": (_mlp, 1200, {"lr": 2e-3}),
    "mlp, weight decay": (_mlp, 1200, {"lr": 2e-3, "weight_decay": 0.3}),
    "tanh mlp": (_tanh_mlp, 1200, {"lr": 1e-3}),
    "batch norm mlp": (_normed_mlp, 800, {"lr": 2e-3}),
    "convnet": (_convnet, 500, {"lr": 1e-3}),
    "autoencoder": (_autoencoder, 1500, {"lr": 2e-3}),
    "tabular": (_tabular, 800, {"lr": 2e-3, "weight_decay": 0.05}),
    "regression": (_regression, 800, {"lr": 2e-3}),
    "modular sums": (_sums, 2500, {"lr": 3e-3, "weight_decay": 0.3}),
    "lstm": (lambda: _reader(nn.LSTM(24, 32, batch_first=True), 24, 32), 400, {"lr": 5e-3}),
    "gru": (lambda: _reader(nn.GRU(24, 32, batch_first=True), 24, 32), 400, {"lr": 5e-3}),
    "transformer": (lambda: _reader(_Attention(32, 2), 32, 32), 500, {"lr": 2e-3, "weight_decay": 0.1}),
}


def trained(name: str, seed: int) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the name and the last values of each matrix (m, n) of a network that was trained, in float64.

    A convolution's kernel is the matrix (out, in · height · width), of an embedding the rows are the features.
    """
    torch.manual_seed(seed)
    make, steps, options = NETWORKS[name]
    model, loss = make()
    decay = options.get("weight_decay", 0.0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=options["lr"], weight_decay=decay)
    for _ in range(steps):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    embeddings = {f"{path}.weight" for path, module in model.named_modules() if isinstance(module, nn.Embedding)}
    for path, parameter in model.named_parameters():
        if parameter.ndim >= 2:
            W = parameter.detach().double().flatten(1).numpy()
            yield path, W.T if path in embeddings else W
