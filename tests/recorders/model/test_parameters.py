"""Which parameters are recorded, under what names, and which of their axes holds features."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper
from torch.optim.swa_utils import AveragedModel
from torch.testing._internal.two_tensor import TwoTensor

from dyn.dynamics.errors import RecordingError, SettingError
from dyn.dynamics.training.models import ToyModel
from dyn.recorders.model.parameters import numpy_dtype, parameter_channels, parameter_places, unwrap
from dyn.recorders.ring.channels import Channel, feature_channels


def channels(model: nn.Module, select=None, features="auto") -> dict[str, Channel]:
    return parameter_channels(model, parameter_places(model, select), features, {})


class Bare(nn.Module):
    """A module whose parameters have the given shapes."""

    def __init__(self, n_instances=None, **shapes):
        super().__init__()
        if n_instances is not None:
            self.n_instances = n_instances
        for name, shape in shapes.items():
            self.register_parameter(name, nn.Parameter(torch.ones(shape)))


def holding(tensor: torch.Tensor) -> nn.Module:
    """A module with one parameter *p* beside one that is trained."""
    model = Bare(trained=(2,))
    model.p = nn.Parameter(tensor, requires_grad=tensor.is_floating_point() or tensor.is_complex())
    return model


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (nn.Linear(3, 4), {"weight": "columns", "bias": None}),
        (nn.Embedding(5, 2), {"weight": "rows"}),
        (nn.EmbeddingBag(5, 2), {"weight": "rows"}),
        (nn.Conv2d(2, 3, 3), {"weight": "out channel height width -> out (channel height width)", "bias": None}),
        (nn.ConvTranspose1d(2, 3, 3), {"weight": "channel out width -> out (channel width)", "bias": None}),
        (nn.LayerNorm(3), {"weight": None, "bias": None}),
        (ToyModel(5, 2), {"W": "columns", "b": None}),
        (ToyModel(5, 2, n_instances=3), {"W": "columns", "b": None}),
        (Bare(W=(3, 2, 5)), {"W": None}),
        (
            Bare(n_instances=3, W=(3, 2, 5), temperature=(3,), gain=()),
            {"W": "columns", "temperature": None, "gain": None},
        ),
        (Bare(huge=(200, 3000)), {"huge": None}),
        (Bare(wide=(20, 3000)), {"wide": "columns"}),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, nn.Module) else "",
)
def test_features_by_the_rules_of_auto(model, expected):
    assert {name: channel.features for name, channel in channels(model).items()} == expected
    assert not any(channel.features for channel in channels(model, features=None).values())


def test_what_is_too_dear_unasked_is_had_by_asking():
    assert channels(Bare(huge=(200, 3000)), features={"huge": "rows"})["huge"].features == "rows"


@pytest.mark.parametrize(
    ("features", "axes"),
    [
        ("columns", ("weight.hidden", "weight.feature")),
        ("rows", ("weight.feature", "weight.hidden")),
        (None, ("weight.axis0", "weight.axis1")),
    ],
)
def test_axes_are_named_within_the_parameter(features, axes):
    channel = channels(nn.Linear(3, 4), features={"weight": features})["weight"]
    assert (channel.axes, channel.attributes.get("features")) == (axes, features)
    assert all(each.axes == ("weight.feature",) for each in feature_channels(channel))


def test_an_ensemble_has_an_axis_of_instances():
    found = channels(ToyModel(5, 2, n_instances=3))
    assert found["W"].axes == ("W.instance", "W.hidden", "W.feature")
    assert {(each.shape, each.axes) for each in feature_channels(found["W"])} == {((3, 5), ("W.instance", "W.feature"))}
    assert found["b"].axes[0] == "b.instance"


def test_an_axis_of_another_size_is_not_called_that_of_the_instances():
    assert "W.instance" not in channels(Bare(n_instances=4, W=(3, 5)))["W"].axes


@pytest.mark.parametrize(
    ("dtype", "in_ring", "in_file", "origin", "features"),
    [
        (torch.float32, np.float32, np.float32, None, "columns"),
        (torch.float64, np.float64, np.float64, None, "columns"),
        (torch.float16, np.float16, np.float32, "float16", "columns"),
        (torch.bfloat16, np.uint16, np.float32, "bfloat16", "columns"),
        (torch.float8_e4m3fn, np.float32, np.float32, "float8_e4m3fn", "columns"),
        (torch.complex64, np.complex64, np.complex64, None, None),
        (torch.complex32, np.complex64, np.complex64, "complex32", None),
        (torch.int64, np.int64, np.int64, None, None),
        (torch.bool, np.bool_, np.bool_, None, None),
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:ComplexHalf")
def test_dtypes(dtype, in_ring, in_file, origin, features):
    channel = channels(holding(torch.zeros(3, 4, dtype=dtype)), select="p")["p"]
    assert (channel.dtype, channel.stored_dtype, channel.features) == (in_ring, in_file, features)
    assert channel.attributes.get("origin_dtype") == origin
    assert numpy_dtype(dtype) == (in_ring if origin in (None, "float16") else None)


def test_parameters_without_elements_are_left_out():
    assert set(channels(Bare(empty=(0, 3), full=(2,)))) == {"full"}


def test_a_tied_parameter_stands_under_its_first_name():
    model = nn.Sequential(nn.Embedding(5, 3), nn.Linear(3, 5, bias=False))
    model[1].weight = model[0].weight
    found = channels(model)
    assert set(found) == {"0.weight"}
    assert found["0.weight"].attributes["aliases"] == "1.weight"
    assert found["0.weight"].features == "rows"


def test_containers_have_owners_too():
    model = nn.ModuleDict({"list": nn.ParameterList([torch.ones(2), torch.ones(3)])})
    assert {name: channel.shape for name, channel in channels(model).items()} == {"list.0": (2,), "list.1": (3,)}


def compiled(model: nn.Module) -> nn.Module:
    return torch.compile(model, backend="eager")  # pyright: ignore[reportReturnType]


def test_torchs_wrappers_do_not_show_in_the_names():
    layer = nn.Linear(3, 2)
    model = nn.Sequential(compiled(layer), layer, checkpoint_wrapper(nn.Linear(2, 2)))
    wrapped = compiled(nn.DataParallel(compiled(model)))
    assert unwrap(wrapped) is model
    found = channels(unwrap(wrapped))
    assert list(found) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert found["0.weight"].attributes["aliases"] == "1.weight"
    assert all(place.name == name for name, place in parameter_places(model, "*").items())
    assert list(channels(checkpoint_wrapper(nn.Linear(2, 2)))) == ["weight", "bias"]


class _FabricModule(nn.Module):
    """As Lightning Fabric's: what it is around stands in it twice, in a data parallel wrapper too."""

    def __init__(self, module: nn.Module):
        super().__init__()
        self._forward_module = nn.DataParallel(module)
        self._original_module = module


def test_wrappers_within_a_model_do_not_show_in_the_names_and_other_modules_do():
    class Pair(nn.Module):
        def __init__(self):
            super().__init__()
            self.module = nn.Linear(2, 2, bias=False)
            self.net = nn.DataParallel(nn.Sequential(nn.Linear(2, 2, bias=False)))
            self.average = AveragedModel(nn.Linear(2, 2, bias=False))
            self.fabric = _FabricModule(nn.Linear(2, 2, bias=False))

    model = Pair()
    found = channels(model, select="*")
    assert list(found) == ["module.weight", "net.0.weight", "average.weight", "fabric.weight"]
    assert not any("aliases" in channel.attributes for channel in found.values())
    assert unwrap(_FabricModule(compiled(model))) is model


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_torchscript_is_refused_by_name_unless_it_is_frozen():
    scripted = torch.jit.script(nn.Linear(2, 2))
    for model, named in ((scripted, "the model"), (nn.Sequential(nn.ReLU(), scripted), "1")):
        with pytest.raises(SettingError, match=f"'{named}' is TorchScript"):
            channels(model)
    for p in scripted.parameters():
        p.requires_grad_(False)
    assert list(channels(nn.Sequential(nn.Linear(2, 2), scripted))) == ["0.weight", "0.bias"]


def test_a_tensor_made_of_others_is_refused_by_name_unless_it_is_not_selected():
    model = nn.Linear(2, 2)
    model.weight = nn.Parameter(TwoTensor(torch.ones(2, 2), torch.ones(2, 2)))
    with pytest.raises(SettingError, match="parameter 'weight' is a TwoTensor"):
        channels(model)
    assert list(channels(model, select="bias")) == ["bias"]


def test_a_compiled_model_that_has_run_is_called_as_before():
    model = nn.Linear(3, 2)
    wrapped = compiled(model)
    wrapped(torch.ones(1, 3))
    assert list(channels(unwrap(wrapped))) == ["weight", "bias"]


@pytest.mark.parametrize(
    ("select", "names"),
    [
        (None, ["0.weight", "0.bias"]),
        ("*", ["0.weight", "0.bias", "1.weight", "1.bias"]),
        ("1.*", ["1.weight", "1.bias"]),
        (["*.bias", "0.*"], ["0.weight", "0.bias", "1.bias"]),
        (("[0-9].weight",), ["0.weight", "1.weight"]),
    ],
)
def test_select(select, names):
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2).requires_grad_(False))
    assert list(parameter_places(model, select)) == names


@pytest.mark.parametrize(
    ("select", "message"),
    [
        ("wieght", "select='wieght' matches no parameter; there are weight, bias"),
        ([], r"select=\[\] matches no parameter"),
        (5, "select=5 is no glob"),
        (["weight", None], r"select=\['weight', None\] is no glob"),
    ],
)
def test_a_selection_that_cannot_be_used(select, message):
    with pytest.raises(SettingError, match=message):
        parameter_places(nn.Linear(2, 2), select)


def test_a_selection_may_match_nothing_where_something_else_is_recorded():
    assert parameter_places(nn.Linear(2, 2), "wieght", none_is_fine=True) == {}


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Sequential(nn.Linear(2, 2), nn.LazyLinear(3)), "'1.weight' of a lazy module .* call the model once"),
        (nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2, device="meta")]), "'1.weight' is on the meta device"),
        (nn.ModuleList([nn.Linear(2, 2), holding(torch.eye(2).to_sparse())]), "'1.p' is torch.sparse_coo"),
    ],
    ids=["lazy", "meta", "sparse"],
)
def test_parameters_without_a_plain_value_are_refused_where_they_are_selected(model, message):
    with pytest.raises(SettingError, match=message):
        parameter_places(model, None)
    assert list(parameter_places(model, "0.*")) == ["0.weight", "0.bias"]


def test_a_place_holds_the_parameter_that_is_there_now():
    model = nn.Sequential(nn.Linear(2, 2))
    place = parameter_places(model, None)["0.weight"]
    assert place.parameter() is model[0].weight
    model[0].weight = nn.Parameter(torch.zeros(2, 2))
    assert place.parameter() is model[0].weight


@pytest.mark.parametrize("take_out", [lambda m: delattr(m, "weight"), lambda m: m.register_parameter("weight", None)])
def test_a_parameter_that_was_taken_out_is_named(take_out):
    model = nn.Sequential(nn.Linear(2, 2))
    place = parameter_places(model, None)["0.weight"]
    take_out(model[0])
    with pytest.raises(RecordingError, match=r"parameter '0.weight' was taken out of the model"):
        place.parameter()
