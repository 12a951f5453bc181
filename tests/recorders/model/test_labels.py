"""The user's own names of features, and parameters seen through einops patterns: checked, recorded and read again."""

import json

import numpy as np
import pytest
import torch
from torch import nn

import dyn
from dyn.dynamics.errors import SettingError
from dyn.dynamics.geometry import dimensionality
from dyn.recorders.compact import compact
from dyn.recorders.export import export
from dyn.recorders.reading.selection import select
from dyn.recorders.stories.story import tell

HEADS = "(qkv head d_head) d_model -> (qkv head) d_head d_model"


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.head, self.tok = nn.Linear(2, 4, bias=False), nn.Embedding(4, 2)
        self.head.weight = self.tok.weight


def record(path, model, **options):
    with dyn.attach(model, None, path, **options) as recorder, torch.no_grad():
        for _ in range(5):
            recorder.step(loss=1.0)
            for parameter in model.parameters():
                parameter.add_(torch.randn_like(parameter))
    return dyn.open(path)


def test_packed_heads_have_the_dimensionality_of_each_by_hand(tmp_path):
    features = {"in_proj_weight": (HEADS, {"qkv": 3, "head": 2})}
    with record(tmp_path / "run.h5", nn.MultiheadAttention(6, 2), features=features) as recording:
        W = recording.parameters["in_proj_weight"][:]
        D = recording.features["in_proj_weight"]["dimensionality"][:]
        assert (W.shape, D.shape) == ((6, 18, 6), (6, 6, 6))
        for head in range(2):
            own = W[:, 3 * head : 3 * head + 3]
            np.testing.assert_allclose(D[:, head], dimensionality(own), atol=1e-6)
            np.testing.assert_array_equal(select(recording, "in_proj_weight", head).weights_at(slice(None)), own)


@pytest.mark.parametrize(("features", "n"), [("auto", 18), ({"weight": "columns"}, 18), ({"weight": "rows"}, 3)])
def test_a_convolution_is_a_matrix_of_outputs_and_patches(tmp_path, features, n):
    with record(tmp_path / "run.h5", nn.Conv2d(2, 3, 3), features=features) as recording:
        W = recording.parameters["weight"][:].reshape(6, 3, 18)
        W = W if n == 18 else W.swapaxes(1, 2)
        np.testing.assert_allclose(recording.features["weight"]["dimensionality"][:], dimensionality(W), atol=1e-5)
        np.testing.assert_array_equal(select(recording).weights_at(slice(None)), W)
        assert select(recording).subject == ("inputs of weight" if n == 18 else "outputs of weight")


def test_a_tied_embedding_is_told_by_the_names_of_its_tokens(tmp_path):
    labels = ["a", " ", "<b>", "\n"]
    with record(tmp_path / "run.h5", Tied(), labels={"head.weight": labels}) as recording:
        assert json.loads(recording.parameters["head.weight"].attrs["labels"]) == labels
        selection = select(recording)
        assert (selection.labels, selection.subject) == (tuple(labels), "tokens of head.weight")
        assert str(tell(recording)).startswith("tokens of head.weight")
    compact(tmp_path / "run.h5", tmp_path / "compact.h5")
    with dyn.open(tmp_path / "compact.h5") as recording:
        assert select(recording).labels == tuple(labels)
        export(recording, tmp_path / "run.npz")
    notes = json.loads(str(np.load(tmp_path / "run.npz")["attributes"]))
    assert json.loads(notes["features/head.weight/dimensionality"]["labels"]) == labels


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"labels": {"weight": ["a"]}}, r"labels\['weight'\] has 1 texts, but weight \(4, 3\) has 3 features"),
        ({"labels": {"weight": ["a", "b", 3]}}, r"labels\['weight'\]\[2\]=3 is no text"),
        ({"labels": {"bias": ["a"] * 4}}, "recorded without features"),
        ({"labels": {"wieght": ["a"]}}, "did you mean weight"),
        ({"labels": 3}, "is no dictionary"),
        ({"features": {"weight": "a b c -> a b c"}}, "does not fit its shape"),
        ({"features": {"weight": "a b -> (a b)"}}, "it gives 1 axes"),
        ({"features": {"weight": ("(h a) b -> h a b", {"h": 3})}}, "does not fit its shape"),
        ({"features": {"bias": "columns"}}, "which has no features"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_way_out(tmp_path, options, message):
    with pytest.raises(SettingError, match=message):
        dyn.attach(nn.Linear(3, 4), None, tmp_path / "run.h5", **options)
    assert not (tmp_path / "run.h5").exists()
