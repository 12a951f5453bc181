"""The weight that a module computes from its parameters is recorded as the module used it, and left as it was."""

import warnings

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrizations, parametrize, prune, remove_weight_norm

import dyn
from dyn.recorders.model.computed_weights import effective_weights
from dyn.recorders.model.sources import Sources


class Watched(nn.Linear):
    """A layer that keeps the weight of each of its forward passes."""

    def __init__(self, n: int = 3, m: int = 3):
        super().__init__(n, m)
        self.seen: list[np.ndarray] = []

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight
        self.seen.append(weight.detach().numpy().copy())
        return nn.functional.linear(x, weight, self.bias)


def old_weight_norm(layer: nn.Module) -> nn.Module:
    with warnings.catch_warnings(action="ignore"):
        return nn.utils.weight_norm(layer)


def pruned(layer: nn.Module) -> nn.Module:
    return prune.random_unstructured(layer, "weight", 0.5)


def pruned_twice(layer: nn.Module) -> nn.Module:
    return prune.l1_unstructured(pruned(layer), "weight", 1)


OLD = [old_weight_norm, nn.utils.spectral_norm, pruned, pruned_twice]
NEW = [parametrizations.weight_norm, parametrizations.spectral_norm, parametrizations.orthogonal]


def make(normalize) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(normalize(Watched()))


def train(model: nn.Module, steps: int, path=None) -> nn.Module:
    """Train and, with a path, record."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    recorder = None if path is None else dyn.attach(model, optimizer, path)
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.eye(3)).square().mean().backward()
        optimizer.step()
    if recorder is not None:
        recorder.close()
    return model


@pytest.mark.parametrize("normalize", [*NEW, *OLD])
def test_every_row_has_the_weight_that_the_layer_used(path, normalize):
    model = train(make(normalize), 4, path)
    with dyn.open(path) as recording:
        weight = recording.parameters["0.weight"]
        np.testing.assert_array_equal(weight[:-1], model[0].seen)
        assert len(np.unique(weight[:], axis=0)) == 5
        assert "computed" in weight.attrs
        assert recording.features["0.weight"]["norm"].shape == (5, 3)
        # What it is computed from is recorded beside it.
        originals = [name for name in recording.parameters if name not in ("0.weight", "0.bias")]
        assert set(originals) == {name for name, _ in model.named_parameters()} - {"0.bias"}


@pytest.mark.parametrize("normalize", [*NEW, *OLD])
def test_recording_does_not_change_the_training_by_a_bit(path, normalize):
    alone, recorded = train(make(normalize), 6), train(make(normalize), 6, path)
    assert alone.state_dict().keys() == recorded.state_dict().keys()
    for name, value in alone.state_dict().items():
        assert torch.equal(value, recorded.state_dict()[name]), name
    assert all(module.training for module in recorded.modules())


def test_the_power_iteration_takes_no_step_for_the_recorder():
    layer = parametrizations.spectral_norm(nn.Linear(4, 3))
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    compute = effective_weights(layer, None)["weight"].compute
    assert torch.equal(compute(layer), compute(layer))
    assert all(torch.equal(value, before[name]) for name, value in layer.state_dict().items())
    # Whereas the layer itself takes one.
    _ = layer.weight
    assert not all(torch.equal(value, before[name]) for name, value in layer.state_dict().items())


class Failing(nn.Module):
    """A parametrization that fails on demand."""

    fails = False

    def forward(self, weight: Tensor) -> Tensor:
        assert not self.training or not self.fails
        if self.fails:
            raise ZeroDivisionError
        return weight + 1


def test_the_mode_comes_back_after_a_failure():
    layer = nn.Linear(2, 2)
    parametrize.register_parametrization(layer, "weight", Failing())
    parametrize.register_parametrization(layer, "weight", nn.Identity())
    layer.parametrizations["weight"][1].eval()
    weight = effective_weights(layer, None)["weight"]
    Failing.fails = True
    with pytest.raises(ZeroDivisionError):
        weight.compute(layer)
    Failing.fails = False
    first, second = layer.parametrizations["weight"]
    assert (layer.training, first.training, second.training) == (True, True, False)
    original = layer.parametrizations["weight"].original
    assert torch.equal(weight.compute(layer), original.detach() + 1)
    assert not weight.compute(layer).requires_grad


def test_the_module_that_computes_a_weight_says_which_axis_holds_features():
    model = nn.Sequential(parametrizations.weight_norm(nn.Embedding(5, 3)), nn.Linear(3, 2))
    channels = {channel.name: channel for channel in Sources(model, None, "auto", {}).channels}
    assert (channels["0.weight"].features, channels["1.weight"].features) == ("rows", "columns")


@pytest.mark.parametrize(
    ("select", "names"),
    [
        (None, {"0.bias", "0.weight", "0.parametrizations.weight.original0", "0.parametrizations.weight.original1"}),
        ("0.weight", {"0.weight"}),
        (["0.*original0"], {"0.parametrizations.weight.original0"}),
        ("*weight", {"0.weight", "1.weight"}),
    ],
)
def test_select_goes_for_computed_weights_too(select, names):
    frozen = parametrizations.weight_norm(nn.Linear(2, 2)).requires_grad_(False)
    model = nn.Sequential(parametrizations.weight_norm(nn.Linear(3, 2)), frozen)
    assert {channel.name for channel in Sources(model, select, "auto", {}).channels} == names


@pytest.mark.parametrize("normalize", [*NEW, *OLD])
def test_a_compiled_layer_computes_its_weight_once(normalize):
    inner = normalize(nn.Embedding(3, 3) if normalize is not parametrizations.orthogonal else nn.Linear(3, 3))
    found = effective_weights(nn.Sequential(torch.compile(inner, backend="eager")), None)
    assert {name: weight.owner for name, weight in found.items()} == {"0.weight": inner}


def test_bfloat16_and_double():
    for dtype, expected in ((torch.bfloat16, np.float32), (torch.float64, np.float64)):
        layer = parametrizations.weight_norm(nn.Linear(3, 2, dtype=dtype))
        channel = {channel.name: channel for channel in Sources(layer, None, "auto", {}).channels}["weight"]
        assert channel.dtype == channel.stored_dtype == expected


@pytest.mark.parametrize(
    ("normalize", "remove", "named"),
    [
        (
            parametrizations.weight_norm,
            lambda m: parametrize.remove_parametrizations(m, "weight"),
            "'0.parametrizations'",
        ),
        (old_weight_norm, remove_weight_norm, "'0.weight_g'"),
    ],
)
def test_a_parametrization_that_is_removed_is_never_recorded_stale(path, normalize, remove, named):
    model = make(normalize)
    recorder = dyn.attach(model, torch.optim.SGD(model.parameters(), lr=0.1), path)
    recorder.step()
    remove(model[0])
    with pytest.warns(RuntimeWarning, match=f"ended after 1 rows: .*{named} was .*taken out of the model"):
        recorder.step()
    assert len(dyn.open(path)) == 1
