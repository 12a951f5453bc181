"""Which axis of a parameter holds features, where nobody has said so."""

import re
from collections.abc import Mapping
from typing import Literal

from torch import Tensor, nn

from ..ring.channels import FeatureAxis

# An axis, or an einops pattern, with the sizes of its axes where the shape does not tell them.
FeatureChoice = FeatureAxis | str | tuple[str, Mapping[str, int]] | None
Features = Mapping[str, FeatureChoice] | Literal["auto"] | None

# Multiplications per row beyond which the dimensionality of a matrix is no longer "nearly free" (about 0.3 ms).
# Such a matrix is recorded all the same, so its dimensionality can be had later; features= asks for it at once.
_FREE = 2**22
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
# What multiplies by its weights (outputs, inputs).
_LINEAR = (nn.Linear, nn.MultiheadAttention, nn.RNNBase, nn.RNNCellBase)
# b, b1, b_final, out_b, bias, relative_position_bias_table; but not lora_B.
_BIAS = re.compile(r"(?i:bias)|(?:^|_)b\d*(?:_|$)")


def guessed_axis(
    owner: nn.Module, name: str, parameter: Tensor, features: Features, *, most: float = _FREE
) -> FeatureAxis | None:
    """Return which axis holds features by the rules of "auto", None where none does.

    Matrices have features in their columns, embeddings in their rows, convolutions in the columns of (out, in ·
    kernel). In an ensemble, (instances, m, n), the axis is the one that is as long as the members' biases,
    (instances, n); columns where that does not tell. Biases have none, and what takes more than *most* multiplications.
    """
    if features is None or not parameter.is_floating_point() or is_bias(name):
        return None
    if convolution_pattern(owner, name, parameter, "columns"):
        return "columns" if parameter.numel() * min(len(parameter), parameter[0].numel()) <= most else None
    instances = instances_of(owner)
    if parameter.ndim != (3 if instances else 2) or (instances and parameter.shape[0] != instances):
        return None
    m, n = parameter.shape[-2:]
    if parameter.numel() * min(m, n) > most:
        return None
    if isinstance(owner, nn.Embedding | nn.EmbeddingBag):
        return "rows"
    lengths = {bias.shape[1] for bias in _biases_of_members(owner)} if instances else set()
    return "rows" if m in lengths and n not in lengths else "columns"


def convolution_pattern(owner: nn.Module, name: str, parameter: Tensor, axis: FeatureAxis) -> str | None:
    """Return how the weight of a convolution is seen as a matrix (out, in · kernel), None where it is none.

    Its columns are what a patch of the input is made of, its rows, which the pattern turns into columns, the filters.
    """
    if not isinstance(owner, _CONVOLUTIONS + _TRANSPOSED) or name.rpartition(".")[2] != "weight":
        return None
    kernel = " ".join(("depth", "height", "width")[5 - parameter.ndim :])
    channels = "channel out" if isinstance(owner, _TRANSPOSED) else "out channel"
    matrix = f"out (channel {kernel})" if axis == "columns" else f"(channel {kernel}) out"
    return f"{channels} {kernel} -> {matrix}"


def meaning_of(owner: nn.Module, name: str, axis: FeatureAxis) -> str | None:
    """Return what the features along an axis are, "tokens", "inputs" or "outputs"; None where the owner does not tell.

    A matrix of somebody's own may be multiplied from either side.
    """
    if isinstance(owner, nn.Embedding | nn.EmbeddingBag):
        return "tokens" if axis == "rows" else None
    if not isinstance(owner, _LINEAR + _CONVOLUTIONS + _TRANSPOSED) or "weight" not in name.rpartition(".")[2]:
        return None
    return "inputs" if axis == "columns" else "outputs"


def instances_of(owner: nn.Module) -> int | None:
    """Return of how many instances a module's parameters are, along their first axis; None where it is one model.

    A module says so by its attribute n_instances. One that does not is taken for an ensemble where it has a bias
    (instances, n) beside a weight (instances, m, n) or (instances, n, m).
    """
    if said := getattr(owner, "n_instances", None):
        return said
    shapes = [p.shape for p in owner._parameters.values() if p is not None and p.ndim == 3]
    for bias in _biases_of_members(owner):
        if any(shape[0] == bias.shape[0] and bias.shape[1] in shape[1:] for shape in shapes):
            return bias.shape[0]
    return None


def guess_of(owner: nn.Module, parameter: Tensor, axis: FeatureAxis) -> str | None:
    """Return in words what was guessed of a parameter, None where it is what anybody would have expected."""
    if parameter.ndim != 3 or (getattr(owner, "n_instances", None) and axis == "columns"):
        return None
    return f"{parameter.shape[0]} instances, features in {axis}"


def is_bias(name: str) -> bool:
    """Whether a parameter is a bias by its name, whatever its shape."""
    return bool(_BIAS.search(name.rpartition(".")[2]))


def _biases_of_members(owner: nn.Module) -> list[Tensor]:
    """Return the biases of an ensemble's members, (instances, n), if the module has such."""
    return [p for name, p in owner._parameters.items() if p is not None and p.ndim == 2 and is_bias(name)]
