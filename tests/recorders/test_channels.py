"""Which tensors are recorded, under what names, and which of their axes holds features."""

import numpy as np
import pytest
import torch
from torch import nn

from dyn.dynamics.models import ToyModel
from dyn.recorders.channels import array_channel, feature_channels, numpy_dtype, parameter_channels


def channels(model: nn.Module, select=None, features="auto") -> dict:
    return {name: channel for name, (_, channel) in parameter_channels(model, select, features).items()}


class Bare(nn.Module):
    """A module whose parameters have the given shapes."""

    def __init__(self, n_instances=None, **shapes):
        super().__init__()
        if n_instances is not None:
            self.n_instances = n_instances
        for name, shape in shapes.items():
            self.register_parameter(name, nn.Parameter(torch.ones(shape)))


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (nn.Linear(3, 4), {"weight": "columns", "bias": None}),
        (nn.Embedding(5, 2), {"weight": "rows"}),
        (nn.Conv2d(2, 3, 3), {"weight": None, "bias": None}),
        (nn.LayerNorm(3), {"weight": None, "bias": None}),
        (ToyModel(5, 2), {"W": "columns", "b": None}),
        (ToyModel(5, 2, n_instances=3), {"W": "columns", "b": None}),
        (Bare(W=(3, 2, 5)), {"W": None}),
        (
            Bare(n_instances=3, W=(3, 2, 5), temperature=(3,), gain=()),
            {"W": "columns", "temperature": None, "gain": None},
        ),
        (Bare(huge=(200, 3000)), {"huge": None}),
        (Bare(wide=(20, 3000)), {"wide": "columns"}),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, nn.Module) else "",
)
def test_features_by_the_rules_of_auto(model, expected):
    assert {name: channel.features for name, channel in channels(model).items()} == expected


def test_what_is_too_dear_unasked_is_had_by_asking():
    assert channels(Bare(huge=(200, 3000)), features={"huge": "rows"})["huge"].features == "rows"


@pytest.mark.parametrize(
    ("features", "n", "axes"),
    [("columns", 3, ("weight.hidden", "weight.feature")), ("rows", 4, ("weight.feature", "weight.hidden"))],
)
def test_feature_channels(features, n, axes):
    channel = channels(nn.Linear(3, 4), features={"weight": features})["weight"]
    assert channel.axes == axes
    derived = feature_channels(channel)
    assert [each.path for each in derived] == [
        f"features/weight/{q}" for q in ("dimensionality", "norm", "interference")
    ]
    assert {(each.shape, each.stored_dtype, each.axes) for each in derived} == {
        ((n,), np.dtype(np.float32), ("weight.feature",))
    }


def test_an_ensemble_has_an_axis_of_instances():
    found = channels(ToyModel(5, 2, n_instances=3))
    assert found["W"].axes == ("W.instance", "W.hidden", "W.feature")
    assert [(each.shape, each.axes) for each in feature_channels(found["W"])] == [
        ((3, 5), ("W.instance", "W.feature"))
    ] * 3
    assert found["b"].axes[0] == "b.instance"
    assert feature_channels(found["b"]) == ()


def test_an_axis_of_another_size_is_not_called_that_of_the_instances():
    assert "W.instance" not in channels(Bare(n_instances=4, W=(3, 5)))["W"].axes


def test_a_tied_parameter_stands_under_its_first_name():
    model = nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 5, bias=False))
    model[1].weight = model[0].weight
    found = channels(model)
    assert set(found) == {"0.weight"}
    assert found["0.weight"].attributes["aliases"] == "1.weight"
    assert found["0.weight"].features == "rows"


def test_parametrizations_and_containers_have_owners_too():
    model = nn.Module()
    model.layer = nn.utils.parametrizations.weight_norm(nn.Linear(3, 2))
    model.list = nn.ParameterList([torch.ones(2), torch.ones(3)])
    assert {"layer.bias", "layer.parametrizations.weight.original0", "list.1"} < set(channels(model))


@pytest.mark.parametrize(
    ("dtype", "in_ring", "in_file"),
    [
        (torch.float64, np.float64, np.float64),
        (torch.float16, np.float16, np.float16),
        (torch.bfloat16, np.uint16, np.float32),
        (torch.complex64, np.complex64, np.complex64),
    ],
)
def test_dtypes(dtype, in_ring, in_file):
    channel = channels(nn.Linear(3, 4, dtype=dtype))["weight"]
    assert (channel.dtype, channel.stored_dtype) == (in_ring, in_file)
    assert channel.stored_bytes == 12 * np.dtype(in_file).itemsize
    assert channel.attributes.get("origin_dtype") == ("bfloat16" if dtype == torch.bfloat16 else None)
    assert channel.features == (None if dtype.is_complex else "columns")


def test_numpy_dtype():
    assert numpy_dtype(torch.float32) == np.float32
    assert numpy_dtype(torch.bfloat16) is None


def test_parameters_without_elements_are_left_out():
    assert set(channels(Bare(empty=(0, 3), full=(2,)))) == {"full"}


def test_array_channel():
    channel = array_channel("probes", "p", np.zeros((2, 3), np.int32))
    assert (channel.path, channel.shape, channel.stored_dtype, len(set(channel.axes))) == (
        "probes/p",
        (2, 3),
        np.int32,
        2,
    )
