"""learning-dynamics: an instrument for watching neural networks learn.

Recorder -> Recording -> Figure: :func:`attach` records a training into one HDF5 file at every step, :func:`open`
reads it back, and :mod:`dyn.viz` shows what happened. Nothing heavy is imported before it is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dyn import dynamics, recorders, viz
    from dyn.recorders.attaching import attach
    from dyn.recorders.checkpoints.compare import diff
    from dyn.recorders.checkpoints.evaluate import evaluate
    from dyn.recorders.reading.recording import Recording
    from dyn.recorders.reading.recording import open_recording as open
    from dyn.recorders.step.recorder import Recorder

    __version__: str

__all__ = ["Recorder", "Recording", "__version__", "attach", "diff", "dynamics", "evaluate", "open", "recorders", "viz"]

_HOMES = {
    "Recorder": ("dyn.recorders.step.recorder", "Recorder"),
    "Recording": ("dyn.recorders.reading.recording", "Recording"),
    "attach": ("dyn.recorders.attaching", "attach"),
    "diff": ("dyn.recorders.checkpoints.compare", "diff"),
    "evaluate": ("dyn.recorders.checkpoints.evaluate", "evaluate"),
    "open": ("dyn.recorders.reading.recording", "open_recording"),
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        module, attribute = _HOMES[name]
        return getattr(import_module(module), attribute)
    if name == "__version__":
        return import_module("importlib.metadata").version("learning-dynamics")
    if name in __all__:
        return import_module(f"dyn.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
