"""Which axis holds features, where nobody says so."""

import logging

import numpy as np
import pytest
import torch
from torch import nn

import dyn
from dyn.recorders.model.feature_axes import guessed_axis, instances_of, is_bias
from dyn.recorders.stories.summary import summarize


def module(n_instances: int | None = None, **shapes: tuple[int, ...]) -> nn.Module:
    made = nn.Module()
    for name, shape in shapes.items():
        made.register_parameter(name, nn.Parameter(torch.rand(shape)))
    if n_instances:
        made.n_instances = n_instances  # pyright: ignore[reportAttributeAccessIssue]
    return made


@pytest.mark.parametrize(
    ("shapes", "axes"),
    [
        ({"W": (3, 5, 2), "b_final": (3, 5)}, {"W": "rows", "b_final": None}),
        ({"W": (3, 2, 5), "b": (3, 5)}, {"W": "columns", "b": None}),
        ({"W": (3, 5, 5), "b": (3, 5)}, {"W": "columns", "b": None}),
        # A bias that fits no axis, and one of another number of instances, make no ensemble.
        ({"W": (3, 5, 2), "b": (3, 4)}, {"W": None, "b": None}),
        ({"W": (3, 5, 2), "b": (4, 5)}, {"W": None, "b": None}),
        # Nor does what is no bias by its name.
        ({"W": (3, 5, 2), "M": (3, 5)}, {"W": None, "M": "columns"}),
        ({"W": (5, 2), "bias": (3, 5), "b1": (3, 5)}, {"W": "columns", "bias": None, "b1": None}),
        ({"weight": (4, 3, 2), "bias": (4,)}, {"weight": None, "bias": None}),
    ],
)
def test_auto(shapes, axes):
    owner = module(**shapes)
    found = {name: guessed_axis(owner, name, p, "auto") for name, p in owner.named_parameters()}
    assert found == axes


def test_a_module_that_says_how_many_instances_it_has_is_believed():
    assert instances_of(module(3, W=(3, 5, 2))) == 3
    owner = module(3, W=(3, 5, 2), b=(3, 5))
    assert guessed_axis(owner, "W", owner.W, "auto") == "rows"
    owner = module(3, W=(3, 5, 2))
    assert guessed_axis(owner, "W", owner.W, "auto") == "columns"


def test_biases_by_name():
    assert all(map(is_bias, ["b", "layer.b_enc", "out_b", "b2", "in_proj_bias", "relative_position_bias_table"]))
    assert not any(map(is_bias, ["weight", "lora_B", "b.weight", "embed", "W_blob", "bias.weight"]))


def test_a_guess_is_said_in_the_first_line_with_how_to_say_otherwise(path, caplog):
    model = module(W=(3, 5, 2), b_final=(3, 5))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with caplog.at_level(logging.INFO), dyn.attach(model, optimizer, path):
        pass
    assert "W is taken for 3 instances, features in rows; features={'W': …} says otherwise" in caplog.text
    with dyn.open(path) as recording:
        first = str(summarize(recording)).splitlines()[0]
        assert "guessed: W as 3 instances, features in rows (attach(features=" in first
        assert set(recording.features) == {"W"}
        assert recording.features["W"]["norm"].shape == (1, 3, 5)
        expected = np.linalg.norm(model.W.detach().numpy(), axis=-1)
        np.testing.assert_allclose(recording.features["W"]["norm"][-1], expected, rtol=1e-6)


@pytest.mark.parametrize("features", ["auto", {"W": "columns"}, {"W": None}, None], ids=str)
def test_what_was_said_is_no_guess(path, features):
    model = module(W=(3, 5, 2), b_final=(3, 5)) if features != "auto" else nn.Linear(5, 2)
    with dyn.attach(model, torch.optim.SGD(model.parameters(), lr=0.1), path, features=features):
        pass
    with dyn.open(path) as recording:
        assert "guessed" not in str(summarize(recording)).splitlines()[0]
