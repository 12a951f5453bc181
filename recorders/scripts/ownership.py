"""Which modules own the parameters of a training, and what to call them."""

import gc
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from glob import escape
from typing import Any, cast

from torch import Tensor, nn

from ..model.parameters import clean_name, unwrap
from ..model.shards import is_recorded_elsewhere
from .naming import names_of


class Holder(nn.Module):
    """Several modules and loose tensors under one roof; it names them and leaves them as they are."""

    def __init__(self, children: Mapping[str, nn.Module], tensors: Mapping[str, Tensor]):
        super().__init__()
        for name, child in children.items():
            self.add_module(name, child)
        for name, tensor in tensors.items():
            self._place(name, tensor)

    def _place(self, name: str, tensor: Tensor) -> None:
        """Put a tensor where its name, which may have dots, leads."""
        word, _, rest = name.partition(".")
        if rest:
            cast(Holder, self._modules.setdefault(word, Holder({}, {})))._place(rest, tensor)
        else:
            # register_parameter() takes an nn.Parameter only, and a copy in that form would miss a storage replaced
            # later.
            self._parameters[word] = cast(nn.Parameter, tensor)


@dataclass(frozen=True)
class Ownership:
    """The module to record for a training, a name for the whole, and which parameters are trained.

    select is None where every parameter of the module that requires a gradient is trained, else the globs of those
    that are. is_elsewhere says that another rank records it.
    """

    model: nn.Module
    label: str
    select: list[str] | None
    is_elsewhere: bool


def ownership(parameters: Sequence[Tensor], variables: Mapping[str, Any]) -> Ownership:
    """Return who owns the parameters of a training, found among all modules alive.

    The owners are the outermost modules that hold them. A single one is recorded as it is; several stand in a Holder,
    without the wrappers of torch.compile and data parallelism, each under the name that *variables* has for it, or
    else under that of its class. Tensors that no module owns stand there under what the script calls them, or else as
    param_0, param_1, ….
    """
    owners, loose = owners_of(parameters, variables)
    children: dict[str, nn.Module] = {}
    for owner in owners:
        name = _variable_of([owner, unwrap(owner)], variables) or type(unwrap(owner)).__name__
        children[_free(name, children)] = unwrap(owner)
    tensors = _named_tensors(loose, variables, children)
    model = owners[0] if len(owners) == 1 and not loose else Holder(children, tensors)
    label = "-".join(children) or (next(iter(tensors)) if len(tensors) == 1 else "parameters")
    selected = _selection(unwrap(model), {id(p) for p in parameters})
    return Ownership(model, label, selected, any(map(is_recorded_elsewhere, owners)))


def owners_of(parameters: Sequence[Tensor], variables: Mapping[str, Any]) -> tuple[list[nn.Module], list[Tensor]]:
    """Return the fewest modules that hold the parameters, in the parameters' order, and those that none holds."""
    left = {id(p): p for p in parameters}
    place = {key: k for k, key in enumerate(left)}
    chosen: dict[int, nn.Module] = {}
    modules = _live_modules()
    inner = {id(child) for module in modules for child in module.children()}
    # The second round is for modules that hold each other, of which none is outermost.
    for candidates in ([module for module in modules if id(module) not in inner], modules):
        holdings = [(module, {id(p) for p in module.parameters()}) for module in candidates] if left else []
        while left:
            # Of two that hold as much: the one that has a name, then the smaller one.
            module, held = max(
                holdings,
                key=lambda each: (len(each[1] & left.keys()), _has_variable(each[0], variables), -len(each[1])),
                default=(None, set()),
            )
            found = held & left.keys()
            if module is None or not found:
                break
            chosen[min(place[key] for key in found)] = module
            for key in found:
                del left[key]
    return [chosen[k] for k in sorted(chosen)], list(left.values())


def _live_modules() -> list[nn.Module]:
    # type() and not isinstance(), which would wake the proxies that other packages leave lying about; a module without
    # _modules is under construction.
    return [
        thing
        for thing in gc.get_objects()
        if issubclass(type(thing), nn.Module) and type(thing) is not Holder and "_modules" in vars(thing)
    ]


def _has_variable(module: nn.Module, variables: Mapping[str, Any]) -> bool:
    return _variable_of([module, unwrap(module)], variables) is not None


def _variable_of(things: Sequence[Any], variables: Mapping[str, Any]) -> str | None:
    wanted = {id(thing) for thing in things}
    return next((name for name, value in variables.items() if id(value) in wanted and name[0] != "_"), None)


def _named_tensors(
    tensors: Sequence[Tensor], variables: Mapping[str, Any], taken: Collection[str]
) -> dict[str, Tensor]:
    names = names_of(tensors, variables) if tensors else {}
    named: dict[str, Tensor] = {}
    for k, tensor in enumerate(tensors):
        word, dot, rest = names.get(id(tensor), f"param_{k}").partition(".")
        # What the name of a module begins with is the module's.
        name = f"{_free(word, taken)}{dot}{rest}"
        named[_free(name, [*taken, *named])] = tensor
    return named


def _free(name: str, taken: Collection[str]) -> str:
    """Return *name*, with a number where it is taken."""
    candidate, k = name, 1
    while candidate in taken:
        k += 1
        candidate = f"{name}_{k}"
    return candidate


def _selection(model: nn.Module, held: Collection[int]) -> list[str] | None:
    trainable = {name: id(p) in held for name, p in model.named_parameters() if p.requires_grad}
    held_names = [escape(clean_name(name, model)) for name, is_held in trainable.items() if is_held]
    return None if len(held_names) == len(trainable) else held_names
