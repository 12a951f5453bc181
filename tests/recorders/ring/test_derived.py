"""The features of the rows on their way to the file."""

import h5py
import numpy as np
import pytest
import torch
from torch import nn

import dyn
from dyn.dynamics.geometry.measures import measure
from dyn.dynamics.training.models import ToyModel


def record(model, path, *, steps: int = 6, change=None, **options) -> dyn.Recording:
    """Record a few steps of a model whose parameters *change* sets."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    generator = torch.Generator().manual_seed(0)
    with dyn.attach(model, optimizer, path, **options):
        for k in range(steps):
            for p in model.parameters():
                p.data = change(k, p) if change else torch.randn(p.shape, generator=generator).to(p.dtype)
            optimizer.step()
    return dyn.open(path)


def assert_features(recording, name, W):
    for quantity, expected in measure(W)._asdict().items():
        found = recording.features[name][quantity][:]
        assert found.dtype == np.float32
        # Computed in single precision from entries of order one.
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.usefixtures("small_ring")
def test_features_of_every_row(path, dtype):
    with record(nn.Linear(5, 3, dtype=dtype), path) as recording:
        assert_features(recording, "weight", recording.parameters["weight"][:].astype(np.float64))


def test_features_are_rows_where_they_are(path):
    with record(nn.Embedding(5, 3), path) as recording:
        assert_features(recording, "weight", recording.parameters["weight"][:].mT)
        assert recording.features["weight"]["norm"].shape == (7, 5)


def test_features_of_an_ensemble(path):
    with record(ToyModel(5, 2, n_instances=3), path) as recording:
        assert set(recording.features) == {"W"}
        assert_features(recording, "W", recording.parameters["W"][:])


def test_batches_do_not_show(path, monkeypatch):
    monkeypatch.setattr("dyn.recorders.ring.derived._BATCH_ELEMENTS", 40)
    with record(nn.Linear(5, 3), path, steps=10) as recording:
        assert_features(recording, "weight", recording.parameters["weight"][:])


@pytest.mark.parametrize("value", [np.nan, np.inf, 3e38])
def test_weights_that_diverge_are_recorded_without_a_warning(path, value):
    diverge = lambda k, p: torch.full_like(p, value if k >= 2 else 1.0)  # noqa: E731
    with record(nn.Linear(3, 2), path, change=diverge) as recording:
        assert recording.status == "complete"
        np.testing.assert_array_equal(recording.parameters["weight"][3], np.full((2, 3), value, np.float32))
        np.testing.assert_allclose(recording.features["weight"]["dimensionality"][0], 1 / 3, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_a_16_bit_float_is_stored_as_the_float32_of_the_same_value(path, dtype):
    model = nn.Linear(3, 2, dtype=dtype)
    expected = model.weight.detach().float().numpy()
    dyn.attach(model, torch.optim.SGD(model.parameters()), path).close()
    with h5py.File(path) as file:
        dataset = file["parameters/weight"]
        assert (dataset.dtype, dataset.attrs["origin_dtype"]) == (np.float32, str(dtype).removeprefix("torch."))
        np.testing.assert_array_equal(dataset[0], expected)


def test_a_zero_column_has_no_dimensionality(path):
    with record(nn.Linear(2, 2), path, change=lambda _, p: torch.zeros_like(p)) as recording:
        assert not recording.features["weight"]["dimensionality"][:].any()
