"""What is on a CUDA device gets into the row of the step at which it was there, without a training that waits for it.

Where there is no device, one is played on the CPU: a copy to the host is made when its event is waited for, as late as
it may be.
"""

from contextlib import nullcontext

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import dyn
from dyn.dynamics.errors import RecordingError, SettingError
from dyn.recorders.model import device_copies
from dyn.recorders.model.device_copies import DEPTH, DeviceParameters, DeviceScalar
from dyn.recorders.model.parameters import parameter_channels, parameter_places
from dyn.recorders.ring.layout import RowLayout
from dyn.recorders.ring.ring import Ring
from dyn.recorders.step.row import RowFiller

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")


class Event:
    """An event that is reached when the host waits for it; work that was given to the side stream is done then."""

    def __init__(self):
        self.reached = False

    def record(self, stream: "Stream") -> None:
        self.reached, self.work, stream.work = False, stream.work, []

    def query(self) -> bool:
        return self.reached

    def synchronize(self) -> None:
        for copy in self.work:
            copy()
        self.work, self.reached = [], True


class Stream:
    """A stream whose work is done when an event behind it is waited for."""

    def __init__(self, _: object = None):
        self.work: list = []

    def wait_event(self, event: Event) -> None:
        assert event.work == []


class Played:
    """torch, with a CUDA device that is the CPU."""

    def __init__(self):
        self.current = Stream()
        self.cuda = self
        self.Event, self.Stream = Event, Stream
        self.memory: list[Tensor] = []

    def __getattr__(self, name: str):
        return getattr(torch, name)

    def current_stream(self, _: object) -> Stream:
        return self.current

    def stream(self, stream: Stream):
        for pinned in self.memory:
            pinned.stream = stream
        return nullcontext()

    def empty(self, *size: int, pin_memory: bool = False, **options: object) -> Tensor:
        if not pin_memory:
            return torch.empty(*size, **options)
        self.memory.append(torch.empty(*size, **options).as_subclass(Pinned))
        return self.memory[-1]


class Pinned(Tensor):
    """Memory to which a copy that shall not block is made later."""

    stream: Stream

    def copy_(self, source: Tensor, non_blocking: bool = False) -> Tensor:
        assert non_blocking
        target = self.as_subclass(Tensor)
        # The host must not land the row before this.
        target.fill_(255)
        self.stream.work.append(lambda: target.copy_(source))
        return self


@pytest.fixture(params=["played", pytest.param("cuda", marks=needs_cuda)])
def where(request, monkeypatch) -> str:
    if request.param == "played":
        monkeypatch.setattr(device_copies, "torch", Played())
        return "cpu"
    return "cuda"


@pytest.fixture
def begin(tmp_path, where):
    rings = []

    def make(model: nn.Module, among: str = "*") -> tuple[RowFiller, Ring]:
        """Take rows of a model, whose parameters *among* are on the device_copies."""
        channels = parameter_channels(model, parameter_places(model, "*"), None, {})
        layout = RowLayout("token", 4, tuple(channels.values()))
        rings.append(Ring.create(tmp_path / f"{len(rings)}.ring", layout, 8, ("loss", "lr")))
        places = [*parameter_places(model, among).values()]
        return RowFiller(rings[-1], [], [], [DeviceParameters(places, rings[-1], torch.device(where))], []), rings[-1]

    yield make
    for ring in rings:
        ring.release()


DTYPES = [torch.float32, torch.bfloat16, torch.float16, torch.float64, torch.complex64, torch.float8_e4m3fn]


def model_of(where: str, *sizes: int) -> nn.ParameterList:
    model = nn.ParameterList(torch.arange(size).to(DTYPES[k % len(DTYPES)]) for k, size in enumerate(sizes))
    return model.to(where)


def as_bytes(tensor: Tensor) -> bytes:
    plain = tensor.detach().cpu().contiguous()
    plain = plain.float() if plain.dtype == torch.float8_e4m3fn else plain
    return bytes(plain.reshape(-1).view(torch.uint8).tolist())


def take(filler: RowFiller, model: nn.Module) -> dict[str, bytes]:
    """Take a row, change every parameter, and return what they were before."""
    before = {name: as_bytes(p) for name, p in model.named_parameters()}
    filler._fill(filler._row, 0.0)
    filler._commit()
    with torch.no_grad():
        for p in model.parameters():
            p.copy_((p.double() + 1 if not p.is_complex() else p + 1).to(p.dtype))
    return before


def test_each_row_has_the_parameters_of_its_step(where, begin):
    model = model_of(where, 5, 3, 7, 2, 4, 6, 1)
    filler, ring = begin(model)
    rows = []
    for _ in range(7):
        rows.append(take(filler, model))
        assert filler._row - filler._complete <= DEPTH
    filler._settle()
    assert ring.complete_after(0) == 7
    for k, row in enumerate(rows):
        for name, value in row.items():
            assert ring.rows[f"parameters/{name}"][k].tobytes() == value


def test_what_lies_between_in_the_row_is_left_alone(where, begin):
    model = model_of(where, 5, 3, 7)
    filler, ring = begin(model, among="[02]")
    ring.rows["parameters/1"][:] = 99
    take(filler, model)
    filler._settle()
    assert (ring.rows["parameters/1"] == 99).all()
    np.testing.assert_array_equal(ring.rows["parameters/0"][0], range(5))


@pytest.mark.parametrize(
    "replace",
    [
        lambda m: setattr(m[0], "data", m[0].data + 7),
        lambda m: m.__setitem__(0, nn.Parameter(m[0].data + 7)),
        lambda m: m.__setitem__(0, nn.Parameter(m[0].data.double() + 7)),
        lambda m: setattr(m[0], "data", m[0].data.T),
    ],
    ids=["data", "another", "wider", "transposed"],
)
def test_what_was_replaced_is_never_recorded_stale(where, begin, replace):
    model = nn.ParameterList([torch.arange(9.0).view(3, 3)]).to(where)
    filler, ring = begin(model)
    take(filler, model)
    replace(model)
    expected = as_bytes(model[0].float())
    take(filler, model)
    filler._settle()
    assert ring.rows["parameters/0"][1].tobytes() == expected


def test_another_shape_or_none_is_an_error(where, begin):
    model = model_of(where, 5)
    filler, _ = begin(model)
    model[0].data = model[0].data[:2]
    with pytest.raises(RecordingError, match=r"'0' changed its shape from \(5,\) to \(2,\)"):
        take(filler, model)
    model._parameters["0"] = None
    with pytest.raises(RecordingError, match="'0' was taken out of the model"):
        filler._fill(0, 0.0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64, torch.int64, torch.bool], ids=str)
def test_a_number_of_any_dtype_arrives(where, dtype):
    scalar = DeviceScalar(torch.tensor([1], device=where).to(dtype).requires_grad_(dtype.is_floating_point))
    scalar.wait()
    assert scalar.is_done()
    assert scalar.number() == 1
    assert type(scalar.number()) is float


@needs_cuda
def test_a_training_on_a_device_is_recorded_as_it_was(path):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 3)).cuda()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1, fused=True)
    states, losses = [], []
    with dyn.attach(model, optimizer, path) as recorder:
        for _ in range(50):
            optimizer.zero_grad()
            loss = model(torch.eye(8, device="cuda")).square().mean()
            loss.backward()
            recorder.log(loss=loss)
            losses.append(loss.item())
            states.append(model[0].weight.detach().cpu().numpy().copy())
            optimizer.step()
        with pytest.raises(SettingError, match="takes a number"):
            recorder.log(bad=torch.ones(2, device="cuda"))
    with dyn.open(path) as recording:
        assert recording.status == "complete"
        np.testing.assert_array_equal(recording.parameters["0.weight"][:-1], states)
        np.testing.assert_array_equal(recording.scalars["loss"][:-1], losses)


@needs_cuda
def test_the_training_does_not_wait_for_the_device(path):
    model = nn.Linear(64, 64).cuda()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model.weight.grad, model.bias.grad = torch.ones_like(model.weight), torch.ones_like(model.bias)
    with dyn.attach(model, optimizer, path) as recorder:
        optimizer.step()
        torch.cuda.set_sync_debug_mode("error")
        try:
            for _ in range(DEPTH - 1):
                recorder.log(loss=model.bias.sum())
                optimizer.step()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    assert len(dyn.open(path)) == DEPTH + 1
