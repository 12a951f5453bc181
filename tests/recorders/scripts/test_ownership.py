"""The module that is recorded for a training, and the names that its parameters get."""

import pytest
import torch
from torch import nn

from dyn.recorders.scripts.ownership import Holder, ownership


class Twins(nn.Module):
    """Two layers under names of their own, in a module that has a name."""

    def __init__(self):
        super().__init__()
        self.left = nn.Linear(3, 2)
        self.right = nn.Linear(2, 1)

    def forward(self, x):
        return self.right(self.left(x))


def trained(*parameters) -> list[torch.Tensor]:
    return [p for each in parameters for p in each]


def names(owned) -> list[str]:
    return [name for name, _ in owned.model.named_parameters()]


def test_the_outermost_module_owns_its_parameters():
    model = Twins()
    owned = ownership(trained(model.parameters()), {"net": model})
    assert (owned.model, owned.label, owned.select) == (model, "net", None)


def test_without_a_variable_its_class_names_it():
    model = Twins()
    owned = ownership(trained(model.parameters()), {"_": model, "other": 3})
    assert (owned.model, owned.label) == (model, "Twins")


def test_a_part_is_selected_from_the_whole():
    model = Twins()
    owned = ownership(trained(model.right.parameters()), {})
    assert (owned.model, owned.select) == (model, ["right.weight", "right.bias"])


def test_frozen_parameters_need_no_selection():
    model = Twins()
    model.left.requires_grad_(False)
    assert ownership(trained(model.right.parameters()), {}).select is None


def test_a_selection_means_the_names_as_they_stand():
    model = nn.ParameterDict({"a[0]": nn.Parameter(torch.ones(1)), "a0": nn.Parameter(torch.ones(1))})
    assert ownership(trained([model["a[0]"]]), {}).select == ["a[[]0]"]


@pytest.mark.parametrize("wrap", [nn.DataParallel, lambda model: torch.compile(model, backend="eager")])
def test_wrappers_of_torch_do_not_count(wrap):
    wrapped, second = wrap(Twins()), nn.Linear(2, 2)
    assert ownership(trained(wrapped.parameters()), {}).label == "Twins"
    assert ownership(trained(wrapped.parameters()), {"net": wrapped}).label == "net"
    assert ownership(trained(list(wrapped.parameters())[:2]), {}).select == ["left.weight", "left.bias"]
    both = ownership(trained(wrapped.parameters(), second.parameters()), {"net": wrapped})
    assert names(both)[0] == "net.left.weight"


def test_several_owners_stand_side_by_side_in_the_order_of_their_parameters():
    first, second = Twins(), nn.Linear(2, 2)
    owned = ownership(trained(second.parameters(), first.parameters()), {"net": first, "head": second})
    assert owned.label == "head-net"
    assert names(owned)[:3] == ["head.weight", "head.bias", "net.left.weight"]
    assert owned.select is None
    assert owned.model.get_submodule("net") is first


def test_owners_of_the_same_class_are_numbered():
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    owned = ownership(trained(first.parameters(), second.parameters()), {})
    assert list(dict(owned.model.named_children())) == ["Linear", "Linear_2"]


def test_tensors_that_no_module_owns_are_recorded_themselves():
    W, b, scale = (torch.ones(2, requires_grad=True) for _ in range(3))
    owned = ownership(trained([W, b, scale]), {"W": W, "scale": scale})
    assert owned.label == "parameters"
    assert {name: id(p) for name, p in owned.model.named_parameters()} == {
        "W": id(W), "param_1": id(b), "scale": id(scale)
    }  # fmt: skip


def test_loose_tensors_beside_a_module():
    model, scale = Twins(), torch.ones(2, requires_grad=True)
    owned = ownership(trained(model.parameters(), [scale]), {"Twins": scale})
    assert owned.model.get_submodule("Twins") is model
    assert "Twins_2" in names(owned)


def test_a_holder_owns_nothing_itself():
    first, second = Twins(), nn.Linear(2, 2)
    parameters = trained(first.parameters(), second.parameters())
    held = ownership(parameters, {})
    assert isinstance(held.model, Holder)
    assert ownership(trained(first.parameters()), {}).model is first
    assert ownership(parameters, {}).label == held.label


def test_of_two_owners_the_named_one_then_the_smaller_one():
    part = Twins()
    larger, smaller = nn.ModuleList([part, nn.Linear(9, 9)]), nn.ModuleList([part])
    parameters = trained(part.parameters())
    assert ownership(parameters, {}).model is smaller
    assert ownership(parameters, {"net": larger}).model is larger


def test_modules_that_hold_each_other():
    model = Twins()
    model.left.parent = model
    owned = ownership(trained(model.parameters()), {})
    assert len(list(owned.model.parameters())) == 4


def test_a_tied_parameter_counts_once():
    model = Twins()
    model.again = model.left
    owned = ownership(trained(model.parameters()), {})
    assert (owned.model, owned.select) == (model, None)


def test_names_with_dots_lead_through_modules():
    weights = {"net.weight": torch.ones(2, requires_grad=True), "net.bias": torch.ones(1, requires_grad=True)}
    model = Twins()
    alone = ownership(trained(weights.values()), {})
    assert (alone.label, names(alone)) == ("parameters", ["net.weight", "net.bias"])
    assert alone.model.get_submodule("net")._parameters["bias"] is weights["net.bias"]
    # What the module's name begins is the module's own.
    beside = ownership(trained(model.parameters(), weights.values()), {"net": model})
    assert names(beside)[4:] == ["net_2.weight", "net_2.bias"]
    assert len(list(model.parameters())) == 4


def test_a_single_tensor_gives_its_name_to_the_whole():
    agent = {"log_alpha": torch.zeros(1, requires_grad=True)}
    assert ownership(trained(agent.values()), {}).label == "log_alpha"
