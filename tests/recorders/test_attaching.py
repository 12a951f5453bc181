"""What attach() takes, and what it refuses."""

from collections.abc import Callable

import h5py
import numpy as np
import pytest
import torch
from torch import nn

import dyn
from dyn.dynamics.errors import OutputExistsError, RecordingError, SettingError


@pytest.fixture
def attach(regression, path) -> Callable[..., dyn.Recorder]:
    """attach() with the model, optimizer and path given."""
    return lambda **options: dyn.attach(regression.model, regression.optimizer, path, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"every": 0}, "every=0"),
        ({"every": -1}, "every=-1"),
        ({"every": 1.5}, "every=1.5"),
        ({"every": True}, "every=True"),
        ({"every": None}, "every=None"),
        ({"on_error": "wran"}, "did you mean warn"),
        ({"select": "wieght"}, "select='wieght' matches no parameter; there are weight, bias"),
        ({"select": []}, r"select=\[\] matches no parameter"),
        ({"features": "rows"}, "features='rows' is neither"),
        ({"features": {"wieght": "rows"}}, "did you mean weight"),
        ({"features": {"weight": "diagonal"}}, "'diagonal' is neither 'columns', 'rows' nor None"),
        ({"features": {"bias": "rows"}}, r"features\['bias'\]='rows' needs a real matrix"),
        ({"select": "bias", "features": {"weight": "rows"}}, "unknown parameter in features 'weight'"),
        ({"probes": {"text": lambda _: "a"}}, "text"),
        ({"probes": {"nothing": lambda _: None}}, "nothing"),
        ({"probes": {"ragged": lambda _: {"a": 1}}}, "ragged"),
        ({"config": {(1, 2): 3}}, "config"),
    ],
    ids=lambda each: str(each) if isinstance(each, str) else "-".join(each),
)
def test_an_argument_that_cannot_be_used_changes_nothing(attach, regression, path, options, message):
    path.write_text("precious")
    with pytest.raises(SettingError, match=message) as caught:
        attach(overwrite=True, **options)
    assert "\n" not in str(caught.value)
    assert path.read_text() == "precious"
    assert not regression.optimizer._optimizer_step_pre_hooks


def test_a_probe_that_raises_changes_nothing(attach, path):
    with pytest.raises(ZeroDivisionError):
        attach(probes={"p": lambda _: 1 / 0})
    assert not path.exists()


def test_an_existing_file_is_kept(attach, path):
    path.write_text("precious")
    with pytest.raises(OutputExistsError, match=r"run.h5 exists already.*overwrite=True"):
        attach()
    assert path.read_text() == "precious"


def test_overwrite_replaces_a_file(attach, recorded, regression):
    with attach(overwrite=True) as recorder:
        regression.train(2, recorder)
    assert len(dyn.open(recorded)) == 3


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_directory_is_refused(regression, tmp_path, overwrite):
    with pytest.raises(OutputExistsError, match="is a directory"):
        dyn.attach(regression.model, regression.optimizer, tmp_path, overwrite=overwrite)


@pytest.mark.parametrize("folder", ["missing", "file"])
def test_a_missing_folder_is_refused(regression, tmp_path, folder):
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordingError, match=f"{folder} is no directory"):
        dyn.attach(regression.model, regression.optimizer, tmp_path / folder / "run.h5")


def test_a_recording_under_way_is_not_replaced(regression, path):
    with dyn.attach(regression.model, regression.optimizer, path) as recorder:
        regression.train(2, recorder)
        with pytest.raises(OutputExistsError, match="being recorded at this moment; close its recorder"):
            dyn.attach(regression.model, regression.optimizer, path, overwrite=True)
        regression.train(1, recorder)
    with dyn.open(path) as recording:
        assert (recording.status, recording.step[:].tolist()) == ("complete", [0, 1, 2, 3])


@pytest.mark.parametrize("writer", ["inline", "process"])
def test_a_recorder_that_was_lost_is_closed_as_aborted_and_said(attach, regression, path, writer):
    lost = attach(writer=writer)
    regression.train(3, lost)
    with pytest.warns(UserWarning, match=r"run\.h5 was still being recorded .* closed now, as aborted, at step 3"):
        recorder = attach(overwrite=True)
    regression.train(1, recorder)
    recorder.close()
    lost.close()
    assert (len(dyn.open(path)), dyn.open(path).status) == (2, "complete")


def test_a_recording_whose_recorder_was_lost_goes_on_after_its_last_step(attach, regression, path):
    lost = attach()
    regression.train(3, lost)
    with pytest.warns(UserWarning, match="as aborted"):
        recorder = attach(resume=True)
    with recorder:
        regression.train(2, recorder)
    with dyn.open(path) as recording:
        assert (recording.step[:].tolist(), recording.status) == ([0, 1, 2, 3, 4, 5], "complete")


def test_a_lost_recorder_goes_on_where_the_other_is_refused(attach, regression, path):
    lost = attach()
    with pytest.raises(OutputExistsError, match="exists already"):
        attach()
    with pytest.raises(SettingError, match="wieght"):
        attach(overwrite=True, select="wieght")
    regression.train(2, lost)
    lost.close()
    assert (len(dyn.open(path)), dyn.open(path).status) == (3, "complete")


def test_a_file_that_is_deleted_under_way_is_told_of(regression, path):
    recorder = dyn.attach(regression.model, regression.optimizer, path)
    regression.train(3, recorder)
    path.unlink()
    with pytest.warns(RuntimeWarning, match="deleted or replaced"):
        recorder.close()
    assert not path.exists()


@pytest.mark.parametrize(
    ("select", "names"),
    [
        (None, ["0.weight", "0.bias", "1.weight"]),
        ("*", ["0.weight", "0.bias", "1.weight", "2.weight"]),
        ("*.weight", ["0.weight", "1.weight", "2.weight"]),
        (["0.*", "2.*"], ["0.weight", "0.bias", "2.weight"]),
        ("2.weight", ["2.weight"]),
    ],
)
def test_select_takes_globs_and_by_default_what_is_trained(path, select, names):
    layers = [nn.Linear(3, 4), nn.Linear(4, 2, bias=False), nn.Linear(2, 2, bias=False).requires_grad_(False)]
    model = nn.Sequential(*layers)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with dyn.attach(model, optimizer, path, select=select):
        model(torch.ones(1, 3)).sum().backward()
        optimizer.step()
    assert set(dyn.open(path).parameters) == set(names)


def test_a_model_with_nothing_to_train_is_refused(path):
    model = nn.Linear(2, 2).requires_grad_(False)
    with pytest.raises(SettingError, match=r"select='\*'"):
        dyn.attach(model, torch.optim.SGD(model.parameters()), path)


@pytest.mark.parametrize(
    ("features", "shapes"),
    [
        ("auto", {"weight": 3}),
        ({"weight": "rows"}, {"weight": 4}),
        ({"weight": "columns"}, {"weight": 3}),
        ({"weight": None}, {}),
        ({}, {"weight": 3}),
        (None, {}),
    ],
)
def test_features(attach, path, features, shapes):
    attach(features=features).close()
    found = {name: group["norm"].shape for name, group in dyn.open(path).features.items()}
    assert found == {name: (1, n) for name, n in shapes.items()}


def test_probes_are_sampled_with_the_row(attach, regression, path):
    probes = {
        "total": lambda model: float(model.weight.sum()),
        "shifted": lambda model: model.weight + 1,
        "half": lambda model: model.bias.to(torch.bfloat16),
        "nested/count": lambda _: np.arange(3),
    }
    with attach(probes=probes) as recorder:
        regression.train(3, recorder)
    with dyn.open(path) as recording:
        weight, bias = recording.parameters["weight"][:], recording.parameters["bias"][:]
        np.testing.assert_array_equal(recording.probes["shifted"], weight + 1)
        # Four by three numbers, summed in another order.
        np.testing.assert_allclose(recording.probes["total"], weight.sum((1, 2)), rtol=1e-5)
        # bfloat16 has eight bits of precision.
        np.testing.assert_allclose(recording.probes["half"], bias, rtol=2**-8)
        np.testing.assert_array_equal(recording.probes["nested/count"], [[0, 1, 2]] * 4)


def test_a_probe_that_is_whole_at_first_keeps_its_fractions(attach, regression, path):
    values = iter([0, 0, 0.5, 0.25])
    with attach(probes={"p": lambda _: next(values)}) as recorder:
        regression.train(2, recorder)
    np.testing.assert_array_equal(dyn.open(path).probes["p"], [0, 0.5, 0.25])


def test_config_is_kept(attach, path):
    config = {"seed": 3, "sizes": [1, 2], "nested": {"path": path}, "long": "x" * 100_000}
    attach(config=config).close()
    assert dyn.open(path).config == {**config, "nested": {"path": str(path)}}


def test_a_path_may_be_text(regression, path):
    dyn.attach(regression.model, regression.optimizer, str(path)).close()
    with h5py.File(path) as file:
        assert file.attrs["status"] == "complete"
