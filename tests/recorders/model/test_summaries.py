"""Summaries in rows, beside the whole parameters of the same training."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from torch import nn

import dyn
from dyn.dynamics.errors import RecordingError, SettingError
from dyn.recorders.compact import compact
from dyn.recorders.export import export
from dyn.recorders.stories.info import tell_info
from dyn.recorders.stories.ranking import rank_matrices
from dyn.recorders.stories.signals import tell_signal

STEPS = 40


def network(*, seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Embedding(50, 24), nn.Linear(24, 200), nn.ReLU(), nn.Linear(200, 150), nn.Linear(150, 5))


def train(model: nn.Module, steps: int, log: Callable[[float], None], optimizer: torch.optim.Optimizer) -> None:
    generator = torch.Generator().manual_seed(1)
    for _ in range(steps):
        x = torch.randint(0, 50, (64,), generator=generator)
        loss = nn.functional.cross_entropy(model(x), x % 5)
        optimizer.zero_grad()
        loss.backward()
        log(loss.item())
        optimizer.step()


@pytest.fixture(scope="module")
def paths(tmp_path_factory) -> tuple[Path, Path]:
    """One training recorded twice: by summaries, and whole."""
    folder = tmp_path_factory.mktemp("summaries")
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    few, whole = folder / "few.h5", folder / "whole.h5"
    with (
        dyn.attach(model, optimizer, few, summaries=True) as one,
        dyn.attach(model, optimizer, whole, features=None) as other,
    ):

        def log(loss: float) -> None:
            one.log(loss=loss)
            other.log(loss=loss)

        train(model, STEPS, log, optimizer)
    return few, whole


@pytest.fixture
def both(paths) -> Iterator[tuple[dyn.Recording, dyn.Recording]]:
    with dyn.open(paths[0]) as few, dyn.open(paths[1]) as whole:
        yield few, whole


def flat(recording: dyn.Recording) -> np.ndarray:
    return np.concatenate(
        [each[:].reshape(len(recording), -1).astype(float) for each in recording.parameters.values()], 1
    )


def test_rows_hold_summaries_and_no_parameters(both):
    few, whole = both
    assert not few.parameters
    assert not few.features
    matrices = [name for name in whole.parameters if name.endswith("weight")]
    assert [*few.summaries] == [*matrices, "others"]
    assert len(few) == len(whole) == STEPS + 1
    for name in matrices:
        assert few.summaries.shape_of(name) == whole[name].shape[1:]
    assert few.summaries.shape_of("others") == (200 + 150 + 5,)
    assert few.summaries.parameter_count == len(whole.parameters)
    assert set(few.summaries["others"]) == {"norm", "gradient_norm", "update", "sketch"}
    assert {*few.summaries["3.weight"]} > {"singular_values", "effective_rank", "dimensionality"}
    assert few.path.stat().st_size < whole.path.stat().st_size / 2


def test_norms_are_those_of_the_parameters(both):
    few, whole = both
    biases = [each[:] for name, each in whole.parameters.items() if name.endswith("bias")]
    arrays = {name: each[:] for name, each in whole.parameters.items() if name.endswith("weight")}
    for name, series in {**arrays, "others": np.concatenate(biases, axis=1)}.items():
        exact = np.linalg.norm(series[:].reshape(STEPS + 1, -1).astype(float), axis=1)
        np.testing.assert_allclose(few.summaries[name]["norm"][:], exact, rtol=1e-5)


def test_what_the_sketches_say_is_as_right_as_they_say(both):
    few, whole = both
    moved = np.diff(flat(whole), axis=0)
    sizes = np.linalg.norm(moved, axis=1)
    updates = few.summaries.updates()
    assert (np.abs(updates.value - sizes) < 4 * updates.error).all()
    cosines = (moved[1:] * moved[:-1]).sum(1) / sizes[1:] / sizes[:-1]
    found = few.summaries.cosines()
    assert (np.abs(found.value - cosines) < 5 * found.error).all()
    distances, exact = few.summaries.distances(row=3), np.linalg.norm(flat(whole) - flat(whole)[3], axis=1)
    assert distances.value[3] == 0
    assert (np.abs(distances.value - exact) <= 4 * distances.error).all()
    rows, components = few.summaries.components()
    centred = flat(whole) - flat(whole).mean(0)
    variances = np.linalg.eigvalsh(centred @ centred.T)[::-1]
    assert rows.tolist() == [*range(STEPS + 1)]
    assert (np.abs(components.shares - variances[:3] / variances.sum()) < 4 * components.error + 1e-3).all()


def test_each_row_says_how_far_it_moved(both):
    few, whole = both
    update = few.summaries["3.weight"]["update"]
    assert np.isnan(update[0])
    np.testing.assert_allclose(update[1:], few.summaries.updates("3.weight").value, rtol=1e-5)
    exact = np.linalg.norm(np.diff(whole["3.weight"][:].astype(float), axis=0), axis=(1, 2))
    ratio = few.summaries.updates_over_weights("3.weight")
    norm = np.linalg.norm(whole["3.weight"][:-1].astype(float), axis=(1, 2))
    assert (np.abs(ratio.value - exact / norm) < 4 * ratio.error).all()


def test_gradients_are_those_that_the_step_used(tmp_path):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with dyn.attach(model, optimizer, tmp_path / "run.h5", summaries=True) as recorder:
        norms = []
        optimizer.register_step_pre_hook(lambda *_: norms.append(float(model[3].weight.grad.norm())))
        train(model, 4, lambda loss: recorder.log(loss=loss), optimizer)
    with dyn.open(tmp_path / "run.h5") as recording:
        found = recording.summaries["3.weight"]["gradient_norm"][:]
    np.testing.assert_allclose(found[:-1], norms, rtol=1e-5)
    # What stands there at the end belongs to the row before.
    assert np.isnan(found[-1])


def test_matrices_are_measured_in_turn_and_at_the_end(both):
    few, whole = both
    kept = few.summaries["3.weight"]
    rows = np.flatnonzero(np.isfinite(kept["effective_rank"][:]))
    assert rows[-1] == STEPS
    assert rows.size < STEPS
    W = whole["3.weight"][rows]
    np.testing.assert_allclose(kept["effective_rank"][rows], dyn.dynamics.geometry.effective_rank(W), rtol=1e-3)
    exact = dyn.dynamics.geometry.singular_values(W)[:, :16]
    np.testing.assert_allclose(kept["singular_values"][rows], exact, rtol=1e-3)
    D = np.quantile(dyn.dynamics.geometry.dimensionality(W), (0.1, 0.25, 0.5, 0.75, 0.9), axis=1).T
    np.testing.assert_allclose(kept["dimensionality"][rows], D, rtol=1e-3)
    assert json.loads(kept["dimensionality"].attrs["quantiles"]) == [0.1, 0.25, 0.5, 0.75, 0.9]
    # The features of an embedding are its rows.
    D = dyn.dynamics.geometry.dimensionality(whole["0.weight"][-1].T)
    np.testing.assert_allclose(few.summaries["0.weight"]["dimensionality"][-1][2], np.median(D), rtol=1e-3)


def test_a_file_is_plain_hdf5(paths):
    with h5py.File(paths[0]) as file:
        assert file["summaries/3.weight/sketch"].shape[0] == STEPS + 1
        assert file["summaries/3.weight/norm"].attrs["shape"] == "[150, 200]"


def test_recording_does_not_change_the_training(tmp_path):
    trained = []
    for options in ({}, {"summaries": True}):
        model = network()
        optimizer = torch.optim.Adam(model.parameters(), 1e-2)
        if options:
            with dyn.attach(model, optimizer, tmp_path / "run.h5", **options):
                train(model, 3, lambda _: None, optimizer)
        else:
            train(model, 3, lambda _: None, optimizer)
        trained.append([p.detach().clone() for p in model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*trained, strict=True))


def test_a_state_that_was_not_kept_is_named(both):
    with pytest.raises(RecordingError, match=r"0\.weight"):
        both[0].state_dict()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"summaries": "some"}, "summaries='some'"),
        ({"summaries": 3}, "summaries=3"),
        ({"summaries": True, "gradients": "allocation"}, "allocation"),
    ],
)
def test_arguments_that_cannot_be_used(tmp_path, options, says):
    model = network()
    with pytest.raises(SettingError, match=says):
        dyn.attach(model, torch.optim.SGD(model.parameters(), 0.1), tmp_path / "run.h5", **options)
    assert not [*tmp_path.iterdir()]


def test_an_ensemble_is_refused(tmp_path):
    class Members(nn.Module):
        n_instances = 3

        def __init__(self):
            super().__init__()
            self.W = nn.Parameter(torch.randn(3, 4, 5))

    model = Members()
    with pytest.raises(SettingError, match="summaries are of one model"):
        dyn.attach(model, torch.optim.SGD(model.parameters(), 0.1), tmp_path / "run.h5", summaries=True)


def test_heads_have_their_own_dimensionalities(tmp_path):
    model = nn.Linear(12, 12, bias=False)
    pattern = ("(head d) m -> head d m", {"head": 3})
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with dyn.attach(model, optimizer, tmp_path / "run.h5", summaries=True, features={"weight": pattern}):
        pass
    heads = model.weight.detach().numpy().reshape(3, 4, 12)
    D = dyn.dynamics.geometry.dimensionality(heads)
    with dyn.open(tmp_path / "run.h5") as recording:
        found = recording.summaries["weight"]["dimensionality"][-1]
    np.testing.assert_allclose(found[2], np.median(D), rtol=1e-3)


def test_a_matrix_that_is_not_finite_ends_nothing(tmp_path):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with dyn.attach(model, optimizer, tmp_path / "run.h5", summaries=True) as recorder:
        train(model, 3, lambda loss: recorder.log(loss=loss), optimizer)
        with torch.no_grad():
            model[3].weight[0, 0] = torch.inf
        train(model, 2, lambda loss: recorder.log(loss=loss), optimizer)
    with dyn.open(tmp_path / "run.h5") as recording:
        assert len(recording) == 6
        assert recording.diverged_at == 3
        assert np.isnan(recording.summaries["3.weight"]["effective_rank"][-1])


def test_a_recording_goes_on(tmp_path):
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for resume in (False, True):
        with dyn.attach(model, optimizer, tmp_path / "run.h5", summaries=True, resume=resume) as recorder:
            train(model, 3, lambda loss: recorder.log(loss=loss), optimizer)
    with dyn.open(tmp_path / "run.h5") as recording:
        assert recording.step[:].tolist() == [*range(7)]
        assert np.isfinite(recording.summaries["3.weight"]["norm"][:]).all()
    with pytest.raises(SettingError, match="cannot be continued"):
        dyn.attach(model, optimizer, tmp_path / "run.h5", resume=True)


KILLED = """
import os, sys, torch, dyn
from torch import nn
model = nn.Linear(100, 100)
optimizer = torch.optim.SGD(model.parameters(), 0.1)
recorder = dyn.attach(model, optimizer, sys.argv[1], summaries=True)
for _ in range(5):
    optimizer.zero_grad()
    model(torch.ones(1, 100)).sum().backward()
    optimizer.step()
os.kill(os.getpid(), 9)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal")
def test_a_killed_training_keeps_its_rows(tmp_path):
    path = tmp_path / "run.h5"
    ended = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False, capture_output=True)
    assert ended.returncode == -signal.SIGKILL
    with dyn.open(path) as recording:
        assert len(recording) == 5
        update = recording.summaries["weight"]["update"][:]
    assert np.isnan(update[0])
    assert (update[1:] > 0).all()


def test_a_checkpoint_is_a_full_row(tmp_path):
    model = nn.Sequential(nn.Embedding(40, 30), nn.Linear(30, 30), nn.Linear(30, 40, bias=False))
    model[2].weight = model[0].weight
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    states = []
    with dyn.attach(model, optimizer, tmp_path / "run.h5", summaries=True, checkpoint_every=3) as recorder:
        for _ in range(7):
            states.append({name: each.clone() for name, each in model.state_dict().items()})
            loss = nn.functional.cross_entropy(model(torch.arange(40)), torch.arange(40) % 7)
            optimizer.zero_grad()
            loss.backward()
            recorder.log(loss=loss)
            optimizer.step()
    with dyn.open(tmp_path / "run.h5") as recording:
        found = recording.state_dict(3)
        assert found.keys() == states[3].keys()
        assert all(torch.equal(found[name], each) for name, each in states[3].items())
        assert recording.load_into(model, 6) == 6
        assert torch.equal(model[0].weight, states[6]["0.weight"])
        with pytest.raises(RecordingError, match=r"keeps summaries .* steps 0, 3, 6, 7 do"):
            recording.state_dict(4)


def test_everything_that_reads_recordings_takes_summaries(paths, tmp_path):
    few = paths[0]
    copy = tmp_path / "copy.h5"
    compact(few, copy)
    parting = dyn.diff(few, copy, exhaustive=True)
    assert parting.step is None
    assert not parting.arrays
    assert not parting.only_a
    for suffix in (".nc", ".npz", ".csv"):
        export(few, tmp_path / f"run{suffix}")
    header = (tmp_path / "run.csv").read_text().partition("\n")[0].split(",")
    assert "3.weight.norm" in header
    assert not any("sketch" in name for name in header)
    with np.load(tmp_path / "run.npz") as arrays, dyn.open(few) as recording:
        assert arrays["summaries/3.weight/sketch"].shape == recording.summaries["3.weight"]["sketch"].shape
        assert "3.weight" in str(tell_info(recording))
        with pytest.raises(RecordingError, match="keeps summaries"):
            dyn.recorders.story.tell(recording)


def test_a_summary_is_a_signal(paths):
    with dyn.open(paths[0]) as recording:
        told = tell_signal(recording, "3.weight/norm")
        assert told.shape == ()
        with pytest.raises(SettingError, match=r"3\.weight"):
            tell_signal(recording, "3.weight/nrm")


def test_matrices_are_ranked_by_their_summaries(both):
    few, whole = both
    ranked = {each.parameter: each for each in rank_matrices(few).matrices}
    exact = {each.parameter: each for each in rank_matrices(whole).matrices}
    assert ranked.keys() == exact.keys()
    for name, each in ranked.items():
        assert abs(each.change - exact[name].change) < 4 * each.change_error
        assert each.norm == pytest.approx(exact[name].norm, rel=1e-4)
        assert each.effective_rank[1] == pytest.approx(exact[name].effective_rank[1], rel=1e-3)
        assert each.as_dict()["change_error"] == each.change_error
        assert "change_error" not in exact[name].as_dict()
    assert "±" in str(ranked["3.weight"])
    assert rank_matrices(few).others == rank_matrices(whole).others == 3
