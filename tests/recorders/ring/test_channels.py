"""What a recorded array is called, where it lies and what it takes; and which of them one file can hold."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import dyn
from dyn.dynamics.errors import SettingError
from dyn.recorders.ring.channels import (
    Channel,
    array_channel,
    check_channels,
    check_name,
    feature_channels,
    row_bytes,
    stored_channels,
)

FLOAT = np.dtype(np.float32)
QUANTITIES = ("dimensionality", "norm", "interference")


def matrix(name: str = "W", shape: tuple[int, ...] = (3, 4), features="columns") -> Channel:
    axes = tuple(f"{name}.axis{k}" for k in range(len(shape)))
    return Channel("parameters", name, shape, FLOAT, FLOAT, axes, features)


def probe(name: str, shape: tuple[int, ...] = ()) -> Channel:
    return array_channel("probes", name, np.zeros(shape))


@pytest.mark.parametrize(("features", "kept"), [("columns", 2), ("rows", 1)])
def test_features_of_a_matrix_keep_the_axis_of_the_features(features, kept):
    channel = matrix(shape=(5, 3, 4), features=features)
    derived = feature_channels(channel)
    assert [each.path for each in derived] == [f"features/W/{quantity}" for quantity in QUANTITIES]
    assert {(each.shape, each.axes) for each in derived} == {
        ((5, channel.shape[kept]), ("W.axis0", channel.axes[kept])),
    }
    assert {(each.dtype, each.stored_dtype) for each in derived} == {(FLOAT, FLOAT)}


def test_what_has_no_features_has_no_channels_of_them():
    assert feature_channels(matrix(features=None)) == ()


def test_the_file_has_each_channel_and_behind_it_what_is_derived_from_it():
    paths = [channel.path for channel in stored_channels([matrix(), probe("p")])]
    assert paths == ["parameters/W", *(f"features/W/{quantity}" for quantity in QUANTITIES), "probes/p"]


def test_the_channel_of_a_probe():
    channel = array_channel("probes", "p", np.zeros((2, 3), np.int32))
    assert (channel.path, channel.shape, channel.dtype, channel.stored_dtype) == (
        "probes/p",
        (2, 3),
        np.int32,
        np.int32,
    )
    assert len(set(channel.axes)) == 2


@pytest.mark.parametrize(("dtype", "stored"), [("<f4", "<f4"), ("<u2", "<f4"), ("|b1", "|b1"), ("<c8", "<c8")])
def test_a_channel_survives_json(dtype, stored):
    channel = replace(
        matrix(shape=(3, 4)), dtype=np.dtype(dtype), stored_dtype=np.dtype(stored), attributes={"aliases": "ä"}
    )
    assert Channel.from_dict(json.loads(json.dumps(channel.as_dict()))) == channel


def test_sizes():
    channel = replace(matrix(shape=(3, 4)), dtype=np.dtype(np.uint16))
    assert (channel.nbytes, channel.stored_bytes) == (24, 48)
    assert (probe("p").nbytes, probe("p", (2, 0)).nbytes) == (8, 0)
    # Twelve weights and three features of four columns in single precision; step, time, loss and lr.
    assert row_bytes([channel]) == 4 * (12 + 3 * 4) + 4 * 8
    assert row_bytes([channel, probe("p", (5,))]) == row_bytes([channel]) + 40


@pytest.mark.parametrize("name", ["loss", "train/loss", "top-5 error", "a/b/c", "größe", "...", "a/..b", "trai"])
def test_names(name):
    check_name(name, ["lr", "train/accuracy"], where="log()")


@pytest.mark.parametrize("name", ["", "/", "/a", "a/", "a//b", "a/./b", "a/..", ".", "..", "a\0b", "\0", "a\udc80"])
def test_names_that_cannot_be_paths(name):
    with pytest.raises(SettingError, match=r"in log\(\): a name is made of words"):
        check_name(name, [], where="log()")


@pytest.mark.parametrize(("name", "other"), [("lr", "lr"), ("lr/0", "lr"), ("train", "train/accuracy")])
def test_names_that_lie_on_each_other(name, other):
    with pytest.raises(SettingError, match=rf"'{name}' in probes collides with '{other}'"):
        check_name(name, ["lr", "train/accuracy"], where="probes")


@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a"), ("a", "a"), ("a/b", "c", "a/b/c")])
@pytest.mark.parametrize("make", [matrix, probe])
def test_channels_that_lie_on_each_other(names, make):
    with pytest.raises(SettingError, match="collides with"):
        check_channels([make(name) for name in names])


@pytest.mark.parametrize("names", [("a.b", "a", "ab/c", "a-b"), ("a/b", "a/bc", "a/c/b")])
def test_channels_that_lie_beside_each_other(names):
    check_channels([*map(matrix, names), *map(probe, names)])


@pytest.mark.parametrize(
    "channels",
    [
        [matrix("a.b"), matrix("a/b", (3, 5))],
        [matrix("probes.p"), probe("p", (4,))],
    ],
    ids=["a slash and a dot", "a parameter and a probe"],
)
def test_one_name_of_an_axis_has_one_size(channels):
    """As xarray wants it: in the names of axes, slashes are dots."""
    with pytest.raises(SettingError, match=r"axes of .* would be called like those of .*; rename one"):
        check_channels(channels)


def test_a_file_holds_five_thousand_arrays():
    # With its features, each matrix is four arrays.
    check_channels([matrix(f"layer{k}.weight") for k in range(1250)])
    with pytest.raises(SettingError, match=r"5001 arrays are too many .* select fewer parameters.*features=None"):
        check_channels([*(matrix(f"layer{k}.weight") for k in range(1250)), probe("p")])


def slashed() -> nn.Module:
    model = nn.Module()
    model.register_parameter("a", nn.Parameter(torch.ones(2)))
    model.register_parameter("a/b", nn.Parameter(torch.ones(2)))
    return model


@pytest.mark.parametrize("name", ["", "a/..", "a\0b", "\udc80", "a//b"])
def test_a_bad_name_of_a_probe_is_refused_before_anything_is_on_the_disk(regression, path, name):
    with pytest.raises(SettingError, match="in probes"):
        dyn.attach(regression.model, regression.optimizer, path, probes={name: lambda _: 0.0})
    assert not list(path.parent.iterdir())


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (slashed(), "'a/b' in parameters collides with 'a'"),
        (nn.ParameterList([torch.ones(1)] * 5001), "5001 arrays are too many"),
    ],
    ids=["names", "too many"],
)
def test_a_model_that_fits_in_no_file_is_refused_before_anything_is_on_the_disk(path, model, message):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(SettingError, match=message):
        dyn.attach(model, optimizer, path)
    assert not list(path.parent.iterdir())
    assert not optimizer._optimizer_step_pre_hooks
