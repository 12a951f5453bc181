"""Every kind of parameter gets into the ring as it is now, one by one or many at once."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dyn.dynamics.errors import RecordingError, SettingError
from dyn.recorders.model.bulk_copies import ParameterTensors
from dyn.recorders.model.copies import ParameterView, ProbeTap, call_probe, ring_dtype
from dyn.recorders.model.parameters import parameter_channels, parameter_places
from dyn.recorders.ring.channels import array_channel
from dyn.recorders.ring.layout import RowLayout
from dyn.recorders.ring.ring import Ring
from dyn.recorders.step.row import RowFiller

DTYPES = [
    torch.float32,
    torch.float64,
    torch.float16,
    torch.bfloat16,
    torch.float8_e4m3fn,
    torch.complex64,
    torch.complex128,
    torch.int64,
    torch.uint8,
    torch.bool,
]
LAYOUTS: dict[str, Callable[[Tensor], Tensor]] = {
    "contiguous": lambda t: t[:4, :4].contiguous(),
    "transposed": lambda t: t[:4, :4].contiguous().T,
    "strided": lambda t: t[::2, 1::2],
    "of one column": lambda t: t[:, 3:4],
    "repeated": lambda t: t[:1].expand(4, 8),
    "a number": lambda t: t[3, 5],
}
kinds = pytest.mark.parametrize("kind", ["one by one", "all at once"])


def values(seed: int, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    numbers = 100 * torch.randn(shape, generator=torch.Generator().manual_seed(seed))
    return numbers > 0 if dtype == torch.bool else numbers.to(dtype)


class Recorded:
    """A module of two parameters, of which one is changed, and rows of it."""

    def __init__(self, value: Tensor, path: Path, kind: str):
        self.model = nn.Module()
        self.model.other = nn.Parameter(values(9, 5))
        self.model.p = nn.Parameter(value, requires_grad=value.is_floating_point() or value.is_complex())
        places = parameter_places(self.model, "*")
        channels = parameter_channels(self.model, places, None, {})
        self.ring = Ring.create(path, RowLayout("token", 2, tuple(channels.values())), 3, ("loss", "lr"))
        taps = [ParameterTensors([*places.values()], self.ring)] if kind == "all at once" else []
        views = [] if taps else [ParameterView(place) for place in places.values()]
        self.filler = RowFiller(self.ring, views, taps, [], [])

    def take_row(self) -> int:
        self.filler._fill(0, 0.0)
        self.filler._commit()
        return (self.filler._row - 1) % self.ring.capacity

    def bytes_of(self, slot: int, name: str = "p") -> bytes:
        return self.ring.rows[f"parameters/{name}"][slot].tobytes()


@pytest.fixture
def record(tmp_path):
    made = []

    def make(value: Tensor, kind: str) -> Recorded:
        made.append(Recorded(value, tmp_path / f"{len(made)}.ring", kind))
        return made[-1]

    yield make
    for each in made:
        each.ring.release()


def as_bytes(tensor: Tensor) -> bytes:
    """The values of a tensor as the ring has them, found without the code under test."""
    plain = tensor.detach().clone(memory_format=torch.contiguous_format).resolve_conj()
    plain = plain.float() if plain.dtype == torch.float8_e4m3fn else plain
    return bytes(plain.reshape(-1).view(torch.uint8).tolist())


@kinds
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_bytes_in_the_ring_are_those_of_the_parameter(record, kind, dtype, layout):
    lay = LAYOUTS[layout]
    recorded = record(lay(values(0, 8, 8, dtype=dtype)), kind)
    p, rows = recorded.model.p, []
    for seed in range(5):
        slot = recorded.take_row()
        rows.append(recorded.bytes_of(slot))
        assert rows[-1] == as_bytes(p)
        assert recorded.bytes_of(slot, "other") == as_bytes(recorded.model.other)
        with torch.no_grad():
            further = lay(values(seed + 1, 8, 8, dtype=dtype))
            if layout == "repeated":
                # Its elements share their memory, where nothing can be written in place.
                p.data = further
            else:
                p.copy_(further)
    assert dtype == torch.bool or len(set(rows)) == 5
    # A row that has been taken stays, until its slot comes round.
    assert recorded.bytes_of(2) == rows[2]


def assign(model: nn.Module, tensor: Tensor) -> None:
    model.load_state_dict({"p": tensor, "other": model.other.detach()}, assign=True)


REPLACEMENTS: dict[str, Callable[[nn.Module], object]] = {
    "data": lambda m: setattr(m.p, "data", values(1, 4, 4)),
    "data, copied": lambda m: setattr(m.p, "data", m.p.data.clone()),
    "data, strided": lambda m: setattr(m.p, "data", values(1, 8, 8)[::2, ::2]),
    "data, wider": lambda m: setattr(m.p, "data", m.p.data.double()),
    "transposed in place": lambda m: setattr(m.p, "data", m.p.data.T),
    "a neighbour in its storage": lambda m: setattr(m.p, "data", m.p.data.new_zeros(9, 4)[5:]),
    "another parameter": lambda m: setattr(m, "p", nn.Parameter(values(1, 4, 4))),
    "another of the same storage": lambda m: setattr(m, "p", nn.Parameter(m.p.data)),
    "loaded": lambda m: assign(m, values(1, 4, 4)),
    "to double": lambda m: m.to(torch.float64),
    "to bfloat16": lambda m: m.to(torch.bfloat16),
    "swapped": lambda m: torch.utils.swap_tensors(m.p, nn.Parameter(values(1, 4, 4))),
    "shared": lambda m: m.share_memory(),
}


@kinds
@pytest.mark.parametrize("how", REPLACEMENTS)
def test_what_was_replaced_is_never_recorded_stale(record, kind, how):
    recorded = record(values(0, 4, 4), kind)
    recorded.take_row()
    REPLACEMENTS[how](recorded.model)
    for _ in range(4):
        assert recorded.bytes_of(recorded.take_row()) == as_bytes(recorded.model.p.float())
        with torch.no_grad():
            recorded.model.p.mul_(2)


@kinds
def test_a_parameter_that_is_a_conjugate(record, kind):
    recorded = record(values(0, 4, dtype=torch.complex64).conj(), kind)
    assert recorded.model.p.is_conj()
    assert recorded.bytes_of(recorded.take_row()) == as_bytes(recorded.model.p)
    recorded.model.p.data = recorded.model.p.data.conj()
    assert recorded.bytes_of(recorded.take_row()) == as_bytes(recorded.model.p)


@kinds
@pytest.mark.parametrize(
    "replace",
    [
        lambda m: setattr(m.p, "data", values(1, 5, 3)),
        lambda m: setattr(m.p, "data", m.p.data[:2]),
        lambda m: setattr(m.p, "data", m.p.data.view(3, 4)),
        lambda m: setattr(m.p, "data", m.p.data.flatten()),
        lambda m: setattr(m, "p", nn.Parameter(values(1, 4, 5))),
    ],
    ids=["another", "two rows of it", "viewed otherwise", "flat", "another parameter"],
)
def test_another_shape_is_an_error(record, kind, replace):
    recorded = record(values(0, 4, 3), kind)
    recorded.take_row()
    replace(recorded.model)
    with pytest.raises(RecordingError, match=r"'p' changed its shape from \(4, 3\) to \(.*close this recording"):
        recorded.take_row()


@kinds
def test_a_parameter_that_is_gone_is_an_error(record, kind):
    recorded = record(values(0, 4, 3), kind)
    recorded.take_row()
    del recorded.model.p
    with pytest.raises(RecordingError, match="'p' was taken out of the model"):
        recorded.take_row()


@pytest.mark.parametrize(
    ("dtype", "in_ring", "of_a_probe"),
    [
        (torch.float64, torch.float64, torch.float64),
        (torch.bfloat16, torch.bfloat16, torch.float32),
        (torch.float8_e5m2, torch.float32, torch.float32),
        (torch.complex32, torch.complex64, torch.complex64),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:ComplexHalf")
def test_ring_dtype(dtype, in_ring, of_a_probe):
    assert (ring_dtype(dtype), ring_dtype(dtype, bits=False)) == (in_ring, of_a_probe)


@pytest.mark.parametrize("later", [np.ones(3), np.ones((2, 1)), np.ones(2, complex)], ids=["size", "rank", "kind"])
def test_a_probe_may_not_change_its_shape_or_kind(tmp_path, later):
    returned = iter([np.ones(2), np.array([2, 3]), later])
    ring = Ring.create(tmp_path / "ring", RowLayout("token", 2, (array_channel("probes", "q", np.ones(2)),)), 3)
    tap = ProbeTap("q", lambda _: next(returned), nn.Linear(1, 1), ring.rows["probes/q"])
    tap.copy(0)
    tap.copy(1)
    np.testing.assert_array_equal(ring.rows["probes/q"], [[1, 1], [2, 3], [0, 0]])
    with pytest.raises(RecordingError, match=r"'q' returned .*, at first it was float64 of shape \(2,\)"):
        tap.copy(2)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.5, np.array(1.5)),
        (3, np.array(3.0)),
        ([1, 2], np.array([1, 2])),
        (np.float32(2), np.array(2, np.float32)),
        (torch.ones(2, requires_grad=True), np.ones(2, np.float32)),
        (torch.tensor([0.5], dtype=torch.bfloat16), np.array([0.5], np.float32)),
        (torch.tensor([0.5]).to(torch.float8_e4m3fn), np.array([0.5], np.float32)),
        (torch.tensor([1 + 2j]).conj(), np.array([1 - 2j], np.complex64)),
        (torch.ones(2, 2).T[0], np.ones(2, np.float32)),
    ],
    ids=str,
)
def test_call_probe(value, expected):
    found = call_probe("p", lambda _: value, nn.Linear(1, 1))
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("value", ["text", None, {"a": 1}, [[1], [2, 3]], torch.eye(2).to_sparse(), [torch.ones(2), 1]])
def test_what_is_no_array_of_numbers_is_named_in_one_line(value):
    with pytest.raises(SettingError, match="probe 'p' returned") as caught:
        call_probe("p", lambda _: value, nn.Linear(1, 1))
    assert "\n" not in str(caught.value)


def test_a_probe_is_a_function():
    with pytest.raises(SettingError, match="probe 'p' is 3; give a function of the model"):
        call_probe("p", 3, nn.Linear(1, 1))


def test_no_gradient_is_traced_through_a_probe():
    seen = []
    call_probe("p", lambda model: seen.append(model.weight.sum().requires_grad) or 0, nn.Linear(1, 1))
    assert seen == [False]
