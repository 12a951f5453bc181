"""Whether an optimizer's step is called by a step of the same optimizer."""

import sys

from torch.optim import Optimizer

_FILE = sys.modules[Optimizer.__module__].__file__


def is_nested(optimizer: Optimizer) -> bool:
    """Return whether the step that is under way was called by another one of the same optimizer.

    torch calls the hooks around the step of each class that was ever used, so that they are called twice where a class
    calls the step of the class that it is derived from. It looks at the whole stack: ask where something is odd only.
    """
    frame, calls = sys._getframe(1), 0
    while frame is not None:
        is_step = frame.f_code.co_filename == _FILE and frame.f_code.co_name == "wrapper"
        calls += is_step and frame.f_locals.get("self") is optimizer
        frame = frame.f_back
    return calls > 1
