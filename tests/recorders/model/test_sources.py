"""Where the values of every channel come from, and that each gets to its own place in the row."""

import numpy as np
import pytest
import torch
from torch import nn

import dyn
from dyn.dynamics.errors import SettingError
from dyn.recorders.model.bulk_copies import ParameterTensors
from dyn.recorders.model.sources import Sources
from dyn.recorders.ring.layout import RowLayout
from dyn.recorders.ring.ring import Ring
from dyn.recorders.step.row import RowFiller


def layers(*sizes: int, dtype: torch.dtype = torch.float32) -> nn.ParameterList:
    """A model with one parameter of each size, whose elements are all different."""
    start = np.cumsum([0, *sizes])
    return nn.ParameterList([torch.arange(k, k + n).to(dtype) for k, n in zip(start, sizes, strict=False)])


@pytest.fixture
def fill(tmp_path):
    """Take rows of a model; return the ring, and what has taken them."""
    rings = []

    def take(model: nn.Module, *, rows: int = 1, select=None, probes=None, change=lambda parameter: parameter.add_(1)):
        sources = Sources(model, select, "auto", probes or {})
        layout = RowLayout("token", 4, tuple(sources.channels))
        ring = Ring.create(tmp_path / f"{len(rings)}.ring", layout, 3, ("loss", "lr"))
        rings.append(ring)
        views, taps, devices = sources.taps(ring)
        filler = RowFiller(ring, views, taps, devices, [])
        for _ in range(rows):
            filler._fill(0, 0.0)
            filler._commit()
            with torch.no_grad():
                for parameter in model.parameters():
                    change(parameter)
        filler._settle()
        return ring, (views, taps, devices)

    yield take
    for ring in rings:
        ring.release()


FEW, MANY, LARGE = (3,) * 8, (3,) * 9, (2**16 - 3, 4)


@pytest.mark.parametrize(
    ("sizes", "at_once"),
    [(FEW, False), (MANY, True), ((5,) * 100, True), ((2**16 - 3, 3), False), (LARGE, True), ((2**17,), True)],
    ids=["few", "more", "many", "just small", "just large", "large"],
)
def test_every_parameter_gets_to_its_own_place(fill, sizes, at_once):
    model = layers(*sizes)
    ring, (views, taps, devices) = fill(model, rows=5)
    assert [type(tap) for tap in taps] == ([ParameterTensors] if at_once else [])
    assert (len(views), len(devices)) == (0 if at_once else len(sizes), 0)
    first = 0
    for k, size in enumerate(sizes):
        # Slots 0 and 1 hold rows 3 and 4, slot 2 still row 2.
        expected = np.arange(first, first + size, dtype=np.float32) + np.array([[3], [4], [2]], np.float32)
        np.testing.assert_array_equal(ring.rows[f"parameters/{k}"], expected)
        first += size


@pytest.mark.parametrize("sizes", [FEW, MANY], ids=["few", "many"])
def test_dtypes_lie_beside_each_other(fill, sizes):
    dtypes = [torch.float64, torch.bfloat16, torch.float16, torch.complex64, torch.float8_e4m3fn, torch.bool]
    model = nn.ParameterList(
        nn.Parameter(torch.arange(k, k + size).to(dtypes[k % 6]), requires_grad=False) for k, size in enumerate(sizes)
    )
    ring, _ = fill(model, select="*", change=lambda _: None)
    for k, parameter in enumerate(model):
        plain = parameter.float() if parameter.dtype == torch.float8_e4m3fn else parameter
        assert ring.rows[f"parameters/{k}"][0].tobytes() == bytes(plain.view(torch.uint8).tolist())


def test_channels_come_in_order_and_a_tied_one_once():
    model = nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 5), nn.utils.parametrizations.weight_norm(nn.Linear(5, 2)))
    model[1].weight = model[0].weight
    sources = Sources(model, None, "auto", {"p": lambda _: 1.0, "0.weight": lambda m: m[0].weight})
    assert [channel.path for channel in sources.channels] == [
        "parameters/0.weight",
        "parameters/1.bias",
        "parameters/2.bias",
        "parameters/2.parametrizations.weight.original0",
        "parameters/2.parametrizations.weight.original1",
        "parameters/2.weight",
        "probes/p",
        "probes/0.weight",
    ]
    assert sources.channels[0].attributes["aliases"] == "1.weight"


def test_a_probe_gets_the_model_as_it_was_given(fill):
    model = torch.compile(nn.Linear(2, 2), backend="eager")
    seen = []
    ring, _ = fill(model, probes={"weight": lambda m: seen.append(m) or m.weight, "one": lambda _: 1}, rows=2)
    assert all(each is model for each in seen)
    np.testing.assert_array_equal(ring.rows["probes/weight"], ring.rows["parameters/weight"])
    np.testing.assert_array_equal(ring.rows["probes/one"], [1, 1, 0])


@pytest.mark.parametrize("probes", [[print], {1: print}, {"a": print, b"b": print}, "loss"], ids=str)
def test_probes_are_a_dictionary_of_names(probes):
    with pytest.raises(SettingError, match="is no dictionary such as"):
        Sources(nn.Linear(2, 2), None, None, probes)


@pytest.mark.parametrize("size", [1, 9])
def test_a_parameter_that_goes_ends_the_recording_and_is_named(path, size):
    model = nn.Sequential(*(nn.Linear(2, 2) for _ in range(size)))
    with dyn.attach(model, None, path) as recorder:
        recorder.step()
        model[size - 1].bias = None
        with pytest.warns(
            RuntimeWarning, match=f"after 1 rows: parameter '{size - 1}.bias' was taken out of the model"
        ):
            recorder.step()
    assert dyn.open(path).status == "aborted"


@pytest.mark.parametrize("size", [1, 9])
def test_what_is_recorded_is_what_the_model_was(path, size):
    """The bytes of every parameter before every step, through the ring and the file."""
    torch.manual_seed(0)
    model = nn.Sequential(*(nn.Linear(4, 4) for _ in range(size)))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    states = []
    with dyn.attach(model, optimizer, path):
        for _ in range(20):
            optimizer.zero_grad()
            model(torch.eye(4)).square().sum().backward()
            states.append({name: p.detach().numpy().tobytes() for name, p in model.named_parameters()})
            optimizer.step()
    with dyn.open(path) as recording:
        for name, series in recording.parameters.items():
            assert [row.tobytes() for row in series[:-1]] == [state[name] for state in states]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")
def test_parameters_of_two_devices(fill):
    model = nn.ModuleDict({"cpu": layers(3, 4), "cuda": layers(5, 6).cuda()})
    ring, (views, taps, devices) = fill(model, rows=5)
    assert (len(views), len(taps), len(devices)) == (2, 0, 1)
    for name, first in (("cpu.0", 0), ("cpu.1", 3), ("cuda.0", 0), ("cuda.1", 5)):
        np.testing.assert_array_equal(ring.rows[f"parameters/{name}"][:, 0] - first, [3, 4, 2])
