"""Functions of a model that a user's file has, and the model that they are asked of."""

import sys
from collections.abc import Callable, Sequence
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from ...dynamics.errors import SettingError, unknown_name
from ...dynamics.experiments.experiment import Experiment
from ...dynamics.training.loop import build_model
from ..reading.opening import catalogue_entry
from ..reading.recording import Recording
from .asking import Function

# What a file calls its model, or a function without arguments that makes one.
_MODELS = ("model", "build_model", "make_model")


def find_functions(addresses: Sequence[str]) -> tuple[dict[str, Function], list[ModuleType]]:
    """Return the functions at addresses such as ``script.py:accuracy`` by their names, and the files that have them.

    Each file is imported once, as a module beside others of its folder; what stands under ``if __name__ ==
    "__main__"`` does not run. Raises SettingError for an address that leads to no function, or a file that fails.
    """
    modules: dict[str, ModuleType] = {}
    functions: dict[str, Function] = {}
    for address in addresses:
        file, colon, name = address.rpartition(":")
        if not (colon and file and name.isidentifier()):
            raise SettingError(f"{address!r} is no function; write FILE.py:FUNCTION, such as probes.py:accuracy")
        if file not in modules:
            modules[file] = _imported(Path(file))
        function = getattr(modules[file], name, None)
        if not callable(function):
            known = [key for key, value in vars(modules[file]).items() if callable(value) and not key.startswith("_")]
            raise unknown_name(f"function in {file}", name, known)
        if name in functions:
            raise SettingError(f"{address}: there are two functions {name!r}, whose answers would have one name")
        functions[name] = function
    return functions, [*modules.values()]


def find_model(recording: Recording, modules: Sequence[ModuleType]) -> nn.Module:
    """Return the model that a file names, as ``model`` or as a function that builds it; else that of the catalogue.

    Raises SettingError where there is neither.
    """
    for module in modules:
        for name in _MODELS:
            found = getattr(module, name, None)
            if isinstance(found, nn.Module):
                return found
            if callable(found):
                return _built(f"{module.__file__}:{name}", found)
    entry = catalogue_entry(recording.config)
    if not entry:
        files = " or ".join(str(module.__file__) for module in modules)
        raise SettingError(
            f"{recording.path} is not of the catalogue, so its model is not known; let {files} have a function "
            "build_model() that returns one, or a model"
        )
    lists: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
    return build_model(Experiment(**lists))


def _built(name: str, function: Callable[[], Any]) -> nn.Module:
    try:
        model = function()
    except Exception as error:
        raise SettingError(f"{name} failed: {type(error).__name__}: {error}") from error
    if not isinstance(model, nn.Module):
        raise SettingError(f"{name} returned {type(model).__name__}; let it return the model, without arguments")
    return model


def _imported(path: Path) -> ModuleType:
    if not path.is_file():
        raise SettingError(f"there is no file {str(path)!r}; write FILE.py:FUNCTION, such as probes.py:accuracy")
    spec = spec_from_file_location(path.stem, path.resolve())
    if spec is None or spec.loader is None:
        raise SettingError(f"{path} is no Python file; write FILE.py:FUNCTION, such as probes.py:accuracy")
    module = module_from_spec(spec)
    # Its dataclasses look for it there, and it for the files beside it.
    sys.modules.setdefault(path.stem, module)
    sys.path.insert(0, str(path.resolve().parent))
    try:
        spec.loader.exec_module(module)
    # A script that ends, as by argparse, is none to import.
    except (Exception, SystemExit) as error:
        raise SettingError(f"{path} failed when it was imported: {type(error).__name__}: {error}") from error
    return module
