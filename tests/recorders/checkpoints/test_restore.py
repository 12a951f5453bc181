"""Rows as checkpoints: what goes back into a model is what was there, bit for bit."""

import copy
import warnings

import h5py
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

import dyn
from dyn.dynamics.errors import RecordingError, SettingError
from dyn.recorders.checkpoints.restore import as_tensor, row_of
from dyn.recorders.export import export
from dyn.recorders.rewriting.compact import compact


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = weight_norm(nn.LSTM(5, 6, batch_first=True), "weight_hh_l0")
        self.head = nn.Linear(6, 3)

    def forward(self, x):
        return self.head(self.lstm(x)[0])


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.tok = nn.Embedding(11, 8)
        self.block = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True)
        self.out = nn.Linear(8, 11, bias=False)
        self.out.weight = self.tok.weight
        self.scale = nn.Parameter(torch.rand(8), requires_grad=False)
        self.register_buffer("mask", torch.triu(torch.ones(7, 7), 1).bool())
        self.register_buffer("positions", torch.randn(600, 64))
        self.register_buffer("cache", torch.zeros(2), persistent=False)

    def forward(self, x):
        return self.out(self.scale * self.block(self.tok(x) + self.positions[:7, :8], src_mask=self.mask))


class Ensemble(nn.Module):
    def __init__(self):
        super().__init__()
        self.n_instances = 3
        self.W, self.b = nn.Parameter(torch.randn(3, 2, 5)), nn.Parameter(torch.zeros(3, 5))

    def forward(self, x):
        return torch.relu(torch.einsum("bij,ikj,ikl->bil", x, self.W, self.W) + self.b)


def mlp(width: int = 6) -> nn.Module:
    return nn.Sequential(nn.Linear(4, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, 2))


def wide() -> nn.Module:
    return nn.Sequential(mlp(600), nn.BatchNorm1d(2, momentum=None), mlp_of_two())


def mlp_of_two() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3), nn.Linear(3, 2, bias=False))


def convolutional() -> nn.Module:
    last = nn.utils.parametrizations.spectral_norm(nn.Conv2d(3, 2, 3))
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), last, nn.Flatten())


MODELS = {
    "mlp": (mlp, lambda: torch.randn(8, 4)),
    "wide": (wide, lambda: torch.randn(8, 4)),
    "lstm": (Recurrent, lambda: torch.randn(3, 7, 5)),
    "transformer": (lambda: Tied().to(torch.bfloat16), lambda: torch.randint(11, (3, 7))),
    "convolutions": (convolutional, lambda: torch.randn(4, 1, 7, 7)),
    "ensemble": (Ensemble, lambda: torch.rand(8, 3, 5)),
}


def said(model, x):
    """Return what a model says in evaluation, and leave it in training."""
    with torch.no_grad():
        y = model.eval()(x)
    model.train()
    return y


def trained(model, sample, path, steps=120, **options):
    """Record a training; return the state of each row."""
    return [state for state, _ in told(model, sample, path, steps, None, **options)]


def told(model, sample, path, steps, x, **options):
    """Record a training; return the state of each row, and what the model said of *x* then."""
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], 1e-2)
    twins = []

    def note():
        twins.append((copy.deepcopy(model.state_dict()), None if x is None else said(model, x)))

    with dyn.attach(model, optimizer, path, **options) as recorder:
        for _ in range(steps):
            loss = model(sample()).float().pow(2).mean()
            optimizer.zero_grad()
            loss.backward()
            note()
            recorder.log(loss=loss)
            optimizer.step()
    note()
    return twins


def bits(tensor: Tensor) -> bytes:
    return tensor.detach().reshape(-1).view(torch.uint8).numpy().tobytes()


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        assert (found[name].dtype, found[name].shape) == (tensor.dtype, tensor.shape)
        assert bits(found[name]) == bits(tensor), name


@pytest.mark.parametrize("kind", MODELS)
def test_a_hundred_rows_go_back_bit_for_bit(kind, path):
    make, sample = MODELS[kind]
    x = sample()
    twins = told(make(), sample, path, 120, x)
    with dyn.open(path) as recording:
        fresh = make()
        for step in np.random.default_rng(0).permutation(121)[:100]:
            assert recording.load_into(fresh, int(step)) == step
            state, y = twins[step]
            assert_same(fresh.state_dict(), state)
            assert_same(recording.state_dict(int(step)), state)
            assert bits(said(fresh, x)) == bits(y)
        assert recording.load_into(fresh) == 120
        assert_same(recording.state_dict(), twins[-1][0])
        make().load_state_dict(recording.state_dict(7))


def test_it_fails_where_a_bit_differs(path):
    twins = trained(mlp(), MODELS["mlp"][1], path, 5)
    state = dyn.open(path).state_dict(3)
    state["1.running_mean"][0] = torch.nextafter(state["1.running_mean"][0], torch.tensor(9.0))
    with pytest.raises(AssertionError, match="running_mean"):
        assert_same(state, twins[3])


def test_what_changes_is_in_the_rows_and_what_does_not_is_kept_once(path):
    make, sample = MODELS["transformer"]
    model = make()
    trained(model, sample, path, 4)
    with dyn.open(path) as recording:
        assert set(recording.buffers) == {"mask"}
        assert recording.buffers["mask"].shape == (5, 7, 7)
        assert {name: each.attrs["kind"] for name, each in recording.constants.items()} == {
            "scale": "parameter",
            "positions": "buffer",
        }
        assert recording.constants["positions"].attrs["origin_dtype"] == "bfloat16"
        assert np.array_equal(recording.constants["positions"], model.positions.float())
        assert recording.constants["scale"].shape == (8,)
        state = recording.state_dict()
        assert state["out.weight"] is state["tok.weight"]
        assert "cache" not in state


def test_buffers_that_are_not_part_of_the_state_are_left_alone(path):
    make, sample = MODELS["transformer"]
    trained(make(), sample, path, 2)
    model = make()
    model.cache.fill_(3)
    dyn.open(path).load_into(model)
    assert model.cache.tolist() == [3, 3]


@pytest.mark.parametrize(
    "buffer",
    [
        torch.tensor([1.5, -0.0, float("nan")], dtype=torch.float16),
        torch.tensor([1 + 2j, -3j]),
        torch.tensor(7, dtype=torch.int64),
        torch.tensor([True, False]),
        torch.tensor([-3, 4], dtype=torch.int8),
        torch.tensor([1.0, 2.5], dtype=torch.float64),
        torch.tensor([0x7FC1, 0x3F80], dtype=torch.uint16).view(torch.bfloat16),
    ],
    ids=lambda tensor: str(tensor.dtype),
)
@pytest.mark.parametrize("place", ["row", "once"])
def test_every_dtype_comes_back(buffer, place, path):
    model = nn.Linear(2, 2)
    model.register_buffer("kept", buffer if place == "row" else buffer.repeat((2**17,) if buffer.ndim else ()))
    trained(model, lambda: torch.randn(3, 2), path, 2)
    state = dyn.open(path).state_dict(1)
    assert state["kept"].dtype == buffer.dtype
    assert bits(state["kept"]) == bits(model.kept)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_names_of_wrappers_fit_either_side(path):
    make, sample = MODELS["mlp"]
    model = make()
    twins = trained(nn.DataParallel(model), sample, path, 3)
    expected = {name.removeprefix("module."): tensor for name, tensor in twins[2].items()}
    for wrapped in (make(), nn.DataParallel(make()), torch.compile(make()), nn.DataParallel(torch.compile(make()))):
        assert dyn.open(path).load_into(wrapped, 2) == 2
        inner = {name.split("module.")[-1].removeprefix("_orig_mod."): t for name, t in wrapped.state_dict().items()}
        assert_same(inner, expected)


def test_parameters_keep_their_identity(path):
    trained(mlp(), MODELS["mlp"][1], path, 3)
    model = mlp()
    before = [*map(id, model.parameters())]
    dyn.open(path).load_into(model)
    assert [*map(id, model.parameters())] == before
    assert all(p.requires_grad for p in model.parameters())


def test_a_step_without_a_row_names_the_nearest(path):
    trained(mlp(), MODELS["mlp"][1], path, 30, every=10)
    with dyn.open(path) as recording:
        assert [row_of(recording, step) for step in (0, 10, np.int64(20), None)] == [0, 1, 2, 3]
        for step, nearest in ((13, "10 and 20"), (-1, "with one: 0$"), (31, "with one: 30$")):
            with pytest.raises(SettingError, match=f"step={step}: .* no row of it; the nearest .*{nearest}"):
                recording.load_into(mlp(), step)
        with pytest.raises(SettingError, match="step='last' is no step"):
            recording.state_dict("last")


def test_what_was_not_recorded_is_named(path):
    trained(mlp(), MODELS["mlp"][1], path, 3, select="0.*")
    with dyn.open(path) as recording:
        with pytest.raises(RecordingError, match=r"does not have 1\.weight, 1\.bias, 3\.weight, 3\.bias at step 3"):
            recording.state_dict()
        model = mlp()
        before = copy.deepcopy(model.state_dict())
        with pytest.raises(RecordingError, match=r"1\.weight"):
            recording.load_into(model)
        assert_same(model.state_dict(), before)


def test_a_recording_without_buffers_says_so(path):
    trained(mlp(), MODELS["mlp"][1], path, 3, buffers=False)
    with dyn.open(path) as recording:
        assert not recording.buffers
        assert set(recording.state_dict()) == {"0.weight", "0.bias", "1.weight", "1.bias", "3.weight", "3.bias"}
        with pytest.raises(RecordingError, match=r"does not have 1\.running_mean, 1\.running_var, 1\.num_batches"):
            recording.load_into(mlp())


def test_another_model_is_refused_and_left_as_it_was(path):
    trained(mlp(), MODELS["mlp"][1], path, 3)
    for other, message in ((mlp(7), r"0\.weight is \(6, 4\)"), (nn.Linear(4, 6), "does not have weight")):
        before = copy.deepcopy(other.state_dict())
        with pytest.raises((SettingError, RecordingError), match=message):
            dyn.open(path).load_into(other)
        assert_same(other.state_dict(), before)


def test_a_model_without_some_of_it_is_refused(path):
    trained(nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6)), MODELS["mlp"][1], path, 3)
    with pytest.raises(SettingError, match=r"the model has no 1\.running_mean, .*1\.weight, 1\.bias, which"):
        dyn.open(path).load_into(nn.Sequential(nn.Linear(4, 6)))


def test_a_recording_of_0_1_0_goes_back(recorded):
    with h5py.File(recorded, "r+") as file:
        del file.attrs["not_recorded"]
    model = nn.Linear(3, 4)
    assert dyn.open(recorded).load_into(model, 5) == 5
    assert np.array_equal(model.weight.detach(), dyn.open(recorded).parameters["weight"][5])


def test_a_recording_by_the_name_of_a_parameter(recorded):
    with dyn.open(recorded) as recording:
        assert np.array_equal(recording["weight"], recording.parameters["weight"])
        with pytest.raises(KeyError, match="did you mean weight"):
            recording["wieght"]
        with pytest.raises(TypeError, match=r"recording\[3\]: give the name"):
            recording[3]


def test_a_live_recording_goes_back_too(path):
    model = mlp()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    with dyn.attach(model, optimizer, path):
        for _ in range(5):
            model(torch.randn(8, 4)).sum().backward()
            twin = copy.deepcopy(model.state_dict())
            optimizer.step()
        with dyn.open(path) as recording:
            assert_same(recording.state_dict(4), twin)


def test_a_continued_recording_has_buffers_and_constants(path):
    make, sample = MODELS["transformer"]
    model = make()
    first = trained(model, sample, path, 5)
    second = trained(model, sample, path, 5, resume=True)
    with dyn.open(path) as recording:
        for step, twin in enumerate([*first[:-1], *second]):
            assert_same(recording.state_dict(step), twin)


def test_buffers_join_a_recording_that_had_none(path):
    model = mlp()
    trained(model, MODELS["mlp"][1], path, 5, buffers=False)
    twins = trained(model, MODELS["mlp"][1], path, 5, resume=True)
    with dyn.open(path) as recording:
        assert_same(recording.state_dict(7), twins[2])
        with pytest.raises(RecordingError, match=r"1\.running_mean.* at step 2"):
            recording.state_dict(2)


def test_a_frozen_parameter_that_trains_later_has_both_its_lives(path):
    model = mlp()
    model[0].requires_grad_(False)
    first = trained(model, MODELS["mlp"][1], path, 5)
    model[0].requires_grad_(True)
    second = trained(model, MODELS["mlp"][1], path, 5, resume=True)
    with dyn.open(path) as recording:
        for step, twin in enumerate([*first[:-1], *second]):
            assert_same(recording.state_dict(step), twin)


def test_a_recording_is_not_continued_with_other_constants(path):
    make, sample = MODELS["transformer"]
    model = make()
    trained(model, sample, path, 3)
    model.positions.add_(1)
    with pytest.raises(SettingError, match="cannot be continued: positions was kept once"):
        trained(model, sample, path, 3, resume=True)


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_compact_recording_goes_back(compression, path):
    make, sample = MODELS["transformer"]
    twins = trained(make(), sample, path, 20)
    compact(path, compression=compression)
    with dyn.open(path) as recording:
        assert_same(recording.state_dict(13), twins[13])


@pytest.mark.parametrize("suffix", ["nc", "npz"])
def test_an_export_has_buffers_and_constants(suffix, path):
    make, sample = MODELS["transformer"]
    model = make()
    trained(model, sample, path, 3)
    made = export(path, path.with_suffix(f".{suffix}"))
    found = h5py.File(made) if suffix == "nc" else np.load(made)
    assert found["buffers/mask"].shape == (4, 7, 7)
    assert np.array_equal(found["constants/positions"], model.positions.float())


def test_a_table_has_no_column_for_what_is_kept_once(path):
    make, sample = MODELS["transformer"]
    trained(make(), sample, path, 3)
    with pytest.warns(UserWarning, match="the same in every row: constants/scale"):
        export(path, path.with_suffix(".csv"), select=["loss", "constants/*"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        export(path, path.with_suffix(".csv"), select=["loss", "buffers/mask"], overwrite=True)


def test_bfloat16_keeps_the_bits_of_its_nans():
    values = np.array([0x7FC1_0000, 0xFFA5_0000, 0x3F80_0000], np.uint32).view(np.float32)
    assert as_tensor(values, "bfloat16").view(torch.int16).tolist() == [0x7FC1, 0xFFA5 - 2**16, 0x3F80]
