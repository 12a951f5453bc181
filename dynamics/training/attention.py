"""Networks of attention alone, on sequences that repeat: two layers can learn induction, and one cannot."""

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from ..experiments.experiment import Experiment
from .models import initial_weight, instance_seed

HEADS, CONTEXT = 4, 48
# How long what is repeated may be.
SHORTEST, LONGEST = 8, 24
_EVALUATION_STREAM = 2**31 + 5
_EVALUATED = 128


class AttentionOnly(nn.Module):
    """A causal transformer of attention layers alone, without normalisation: logits = U (x + Σ_l attention_l).

    x is the sum of the token's embedding, a row of E (v, d), and the position's, a row of P (48, d). Each layer has
    Q, K, V (d, d), whose rows are those of the four heads one after the other, and O (d, d), whose columns are; U is
    (v, d). First values are N(0, 1/d).

    Source: Elhage et al. 2021, "A Mathematical Framework for Transformer Circuits"; Olsson et al. 2022.
    """

    def __init__(self, vocabulary: int, width: int, layers: int, *, seed: int = 0):
        super().__init__()
        std = width**-0.5

        def weight(rows: int, *stream: int) -> nn.Parameter:
            return initial_weight((rows, width), None, std, seed, stream=(layers, *stream))

        self.E, self.P, self.U = weight(vocabulary, 0), weight(CONTEXT, 1), weight(vocabulary, 2)
        self.layers = nn.ModuleList(
            nn.ParameterDict({name: weight(width, 3 + k, part) for part, name in enumerate("QKVO")})
            for k in range(layers)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the logits of each next token; (batch, 48) -> (batch, 48, v)."""
        x = self.E[tokens] + self.P
        for layer in self.layers:
            assert isinstance(layer, nn.ParameterDict)
            q, k, v = _of_heads(x, layer)
            x = x + _written(scaled_dot_product_attention(q, k, v, is_causal=True), layer)
        return x @ self.U.mT

    def patterns(self, tokens: Tensor) -> Tensor:
        """Return what each head attends to, row t that of a query; (batch, 48) -> (batch, layers, heads, 48, 48)."""
        x, patterns = self.E[tokens] + self.P, []
        for layer in self.layers:
            assert isinstance(layer, nn.ParameterDict)
            q, k, v = _of_heads(x, layer)
            future = torch.ones(CONTEXT, CONTEXT, dtype=torch.bool, device=x.device).triu(1)
            patterns.append((q @ k.mT * q.shape[-1] ** -0.5).masked_fill(future, -torch.inf).softmax(-1))
            x = x + _written(patterns[-1] @ v, layer)
        return torch.stack(patterns, 1)


class InductionModels(AttentionOnly):
    """The network of two layers, with one of a single layer beside it as a control, whose parameters are control.*"""

    def __init__(self, vocabulary: int, width: int, *, seed: int = 0):
        super().__init__(vocabulary, width, 2, seed=seed)
        self.control = AttentionOnly(vocabulary, width, 1, seed=seed)

    @property
    def feature_axes(self) -> dict[str, str | tuple[str, dict[str, int]]]:
        """Features are the tokens, and what each head reads of the stream, or writes to it."""
        reads = ("(head d_head) d_model -> head d_head d_model", {"head": HEADS})
        writes = ("d_model (head d_head) -> head d_model d_head", {"head": HEADS})
        axes: dict[str, str | tuple[str, dict[str, int]]] = {"E": "rows", "U": "rows"}
        for name, _ in self.named_parameters():
            kind = name.rpartition(".")[2]
            if kind in "QKVO" and "layers" in name:
                axes[name] = writes if kind == "O" else reads
        return axes


class RepeatedSequences:
    """Sequences of 48 tokens, each a random one of 8 to 24 over and over; the loss is that of every next token.

    Both networks are trained, each on its own loss; the loss that is told is that of the first.
    """

    def __init__(self, experiment: Experiment):
        self._vocabulary, self._batch = experiment.n_features, experiment.batch_size

    def sample(self, generator: torch.Generator) -> Tensor:
        """Draw one minibatch; shape (batch, 48)."""
        return repeated(self._batch, self._vocabulary, generator)[0]

    def loss(self, model: InductionModels, tokens: Tensor) -> Tensor:
        """Return the mean loss of the two-layer network, in nats; shape ()."""
        loss, control = (next_token_losses(each(tokens), tokens).mean() for each in (model, model.control))
        # A term of zero, whose gradient trains the control.
        return loss + (control - control.detach())


def repeated(batch: int, vocabulary: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw sequences (batch, 48), and how long what each of them repeats is, (batch, 1)."""
    on = generator.device
    length = torch.randint(SHORTEST, LONGEST + 1, (batch, 1), generator=generator, device=on)
    once = torch.randint(0, vocabulary, (batch, LONGEST), generator=generator, device=on)
    return once.gather(1, torch.arange(CONTEXT, device=on) % length), length


def evaluation_sequences(experiment: Experiment) -> tuple[Tensor, Tensor]:
    """Return the sequences on which rows are evaluated, always the same ones of a seed, as repeated() has them."""
    generator = torch.Generator().manual_seed(instance_seed(experiment.seed, _EVALUATION_STREAM))
    return repeated(_EVALUATED, experiment.n_features, generator)


def next_token_losses(logits: Tensor, tokens: Tensor) -> Tensor:
    """Return the cross-entropy of each next token; (batch, 48, v), (batch, 48) -> (batch, 47)."""
    return -logits[:, :-1].log_softmax(-1).gather(-1, tokens[:, 1:, None])[..., 0]


def _of_heads(x: Tensor, layer: nn.ParameterDict) -> list[Tensor]:
    """Return queries, keys and values; (batch, t, d) -> each (batch, heads, t, d / heads)."""
    return [(x @ layer[name].mT).unflatten(-1, (HEADS, -1)).transpose(1, 2) for name in "QKV"]


def _written(read: Tensor, layer: nn.ParameterDict) -> Tensor:
    """Return what heads write to the stream of what they have read; (batch, heads, t, d / heads) -> (batch, t, d)."""
    return read.transpose(1, 2).flatten(2) @ layer["O"].mT
