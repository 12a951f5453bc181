"""The landscape about recorded rows: the plateau of the geometry experiment, an ensemble, and losses of one's own."""

import json

import numpy as np
import pytest
import torch
from torch import nn

import dyn
from dyn.dynamics.errors import RecordingError, SettingError
from dyn.dynamics.experiments import EXPERIMENTS
from dyn.dynamics.theory.kgons import best_kgon, kgon_loss, kgon_parameters
from dyn.recorders.experiment import record_experiment
from dyn.recorders.stories.plateaus import plateau_steps
from dyn.recorders.stories.saddles import curvatures, landscape

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def plateau(tmp_path_factory):
    """Two models of the geometry experiment, up to the middle of the plateau."""
    experiment = EXPERIMENTS["geometry"].with_settings(n_instances=2, steps=400, evaluation_size=64)
    with dyn.open(record_experiment(experiment, tmp_path_factory.mktemp("plateau") / "run.h5", every=50)) as recording:
        yield recording


@pytest.mark.parametrize("instance", [0, 1])
def test_the_plateau_of_the_geometry_experiment_is_a_saddle(plateau, instance):
    (row,) = landscape(plateau, [400], instance=instance)
    assert row.step == 400
    # Each set has two contrasts, and each of them grows along the free dimension or the other set's axis; one model in
    # ten rests with both sets on one axis and can leave it in two ways more.
    assert row.index in (8, 10)
    assert row.kind == f"saddle of index {row.index}"
    # p times the variance 1/12 of what a set's sum leaves open, two thirds of each feature; the blur adds a little.
    assert row.critical_loss == pytest.approx(EXPERIMENTS["geometry"].density / 18, rel=0.03)
    # Each of the four curvatures along the free dimension is -p/18.
    np.testing.assert_allclose(row.eigenvalues[:4], -EXPERIMENTS["geometry"].density / 18, rtol=0.3)
    assert str(row).startswith(f"step 400: loss 0.0028, saddle of index {row.index} (")


def test_rows_are_the_nearest_and_documents(plateau):
    rows = landscape(plateau, [40, 260])
    assert [row.step for row in rows] == [50, 250]
    document = json.loads(json.dumps([row.as_dict() for row in rows], allow_nan=False))
    assert document[1]["kind"] == rows[1].kind


def test_without_steps_it_looks_at_the_plateaus(plateau):
    assert [row.step for row in landscape(plateau)] == [row.step for row in landscape(plateau, plateau_steps(plateau))]


def test_curvatures_of_a_toy_model_are_those_across_rotations(plateau):
    found = curvatures(plateau, [0, 390])
    assert list(found) == [0, 400]
    # 3 × 6 weights and 6 biases, and three planes to turn in.
    assert found[400].size == len(found[400].eigenvalues) == 24 - 3
    (row,) = landscape(plateau, [400])
    np.testing.assert_array_equal(found[400].eigenvalues[:10], row.eigenvalues)
    assert found[400].saddle_index == row.saddle_index


def test_on_one_hot_data_in_a_plane_the_nearest_k_gon_is_named(path, plateau):
    experiment = EXPERIMENTS["k-gons"].with_settings(repeat=1).member(0)
    W, b = kgon_parameters(best_kgon(5), 6, lifted=1)
    noise = 0.01 * np.random.default_rng(0).normal(size=(3, 6))
    model = nn.ParameterDict({"W": torch.tensor(W + noise[:2]), "b": torch.tensor(b + noise[2])})
    config = {"experiment": experiment.as_dict()}
    with dyn.attach(model, None, path, features={"W": "columns"}, config=config) as recorder:
        recorder.step()
    with dyn.open(path) as recording:
        (row,) = landscape(recording, [0])
    assert row.known == "5-gon+"
    # The polygon is turned to where it is nearest, so that the noise is as far as it can be.
    assert 0 < row.known_distance <= np.linalg.norm(noise)
    assert str(row).endswith(f"; {row.known_distance:.2g} from the 5-gon+")
    # The blur of 0.01 lets overlaps move by about as much, and each of six outputs loses up to 0.01² more by it.
    assert row.critical_loss == pytest.approx(kgon_loss(best_kgon(5), 6, lifted=1), abs=1e-3)
    # In three dimensions, with features in sets, theory knows none.
    assert landscape(plateau, [400])[0].known is None


def test_other_members_and_parameters_are_refused(plateau):
    with pytest.raises(SettingError, match="instance=2"):
        landscape(plateau, [0], instance=2)
    with pytest.raises(SettingError, match="nothing"):
        landscape(plateau, [0], parameter="nothing")


@pytest.fixture
def digon(path):
    """A linear layer without a loss that the toolkit knows: at first a digon, then not finite."""
    model = nn.Linear(2, 1)
    with dyn.attach(model, None, path) as recorder, torch.no_grad():
        model.bias.zero_()
        for weights in ([1.0, -1.1], [np.nan, 1.0]):
            model.weight.copy_(torch.tensor([weights]))
            recorder.step()
    with dyn.open(path) as recording:
        yield recording


def saddle(weight: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Up from the digon (1, -1) along the first feature, down along the second, and up along the bias."""
    return 2 + (weight[0, 0] - 1) ** 2 - (weight[0, 1] + 1) ** 2 + bias.square().sum()


def test_a_loss_of_ones_own(digon):
    (row,) = landscape(digon, [0], loss=saddle)
    # The row is float32 and 0.1 away, where the loss is 0.01 lower and has the slope 0.2.
    assert row.loss == pytest.approx(1.99, abs=1e-6)
    assert row.gradient_norm == pytest.approx(0.2, abs=1e-6)
    assert row.distance == pytest.approx(0.1, abs=1e-6)
    # Curvatures are twice the coefficients.
    np.testing.assert_allclose(row.eigenvalues, [-2, 2, 2], atol=1e-12)
    assert row.length == pytest.approx(np.sqrt(1 + 1.1**2), rel=1e-6)
    assert (row.index, row.critical_loss, row.polytopes) == (1, pytest.approx(2, abs=1e-12), "digon")
    assert str(row) == "step 0: loss 1.99, saddle of index 1 (digon), 0.1 away (7 % of |θ|)"


def test_features_may_be_rows(path):
    with dyn.attach(nn.Linear(1, 2), None, path, features={"weight": "rows"}) as recorder, torch.no_grad():
        recorder.step()
    with dyn.open(path) as recording:
        (row,) = landscape(recording, [0], loss=lambda weight, bias: saddle(weight.T, bias))
    assert row.polytopes == "digon"


def test_where_there_is_none_it_says_so(digon):
    (row,) = landscape(digon, [0], loss=lambda weight, bias: weight.sum() + bias.sum())
    assert (row.kind, row.index) == ("no critical point", None)
    assert "no critical point" in str(row)


def test_a_model_too_large_for_the_search_has_its_curvature(path):
    model = nn.Linear(700, 1, bias=False)
    with dyn.attach(model, None, path) as recorder:
        recorder.step()
    with dyn.open(path) as recording:
        (row,) = landscape(recording, [0], loss=lambda weight: weight.square().sum())
    assert (row.kind, row.distance, row.saddle_index) == (None, None, 0)
    assert "index 0; too large" in str(row)


def test_without_a_loss_it_asks_for_one(digon):
    with pytest.raises(SettingError, match=r"a function of the tensors weight, bias"):
        landscape(digon, [0])


def test_a_row_that_is_not_finite_is_named(digon):
    with pytest.raises(RecordingError, match="weight is not finite at step 1"):
        landscape(digon, [1], loss=saddle)


def test_a_parameter_that_was_not_recorded_is_named(tmp_path):
    experiment = EXPERIMENTS["geometry"].with_settings(steps=1)
    path = record_experiment(experiment, tmp_path / "run.h5", select="W")
    with dyn.open(path) as recording, pytest.raises(RecordingError, match="has no b"):
        landscape(recording, [0])
