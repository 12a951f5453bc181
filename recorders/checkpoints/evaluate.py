"""Questions that nobody asked during training: functions of the model, at every row of a recording or at some."""

import random
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

import numpy as np
import torch
from torch import nn

from ...dynamics.errors import RecordingError, SettingError
from ..model.parameters import unwrap
from ..reading.recording import Recording
from ..ring.channels import check_name
from .asking import Function, Question, left_as_it_was, reasons
from .restore import row_of
from .saving import check_saving, save_answers
from .states import StateReader

Progress = Callable[[Iterable[int]], Iterable[int]]


def evaluate(
    recording: Recording,
    model: nn.Module,
    functions: Mapping[str, Function],
    *,
    steps: Iterable[int] | None = None,
    save: bool | Literal["replace"] = False,
    progress: Progress = iter,
) -> dict[str, np.ndarray]:
    """Return what each function of the model says at these steps, by default at every row.

    a_k = f(model with the parameters and buffers of row k): a number or a tensor, of one shape for all rows. The
    answers are (steps, *shape): numbers float64, tensors float, in the order of *steps*. The function is given the
    model itself, in the mode that it is in, without gradients unless it asks for some (torch.func.grad, enable_grad).
    Many rows are asked at once (torch.func.vmap) where that is quicker; a function that cannot be asked so is asked
    row by row, of which a warning tells. How many is found by timing, so the last digits may differ between two calls.
    The model is left as it was, and so are the random generators.

    save puts the answers into the file, numbers as scalars and tensors as probes, with NaN in rows that were not asked;
    save="replace" also in the place of what an earlier call has put there. *progress* wraps the rows, such as tqdm.

    Raises SettingError for a step without a row, another model, a function that fails or returns something else;
    RecordingError for a state that was not recorded whole, and for a file that cannot be saved into.
    """
    _check_functions(functions)
    if save not in (True, False, "replace"):
        raise SettingError(f'save={save!r} is none of True, False and "replace"')
    if not len(recording):
        raise RecordingError(f"{recording.path} has no rows yet")
    wanted = _rows(recording, steps)
    if save:
        check_saving(recording, functions, replace=save == "replace")
    # In the order of the file, each once.
    rows, places = np.unique(wanted, return_inverse=True)
    found = _asked(recording, unwrap(model), functions, rows, progress)
    if save:
        save_answers(recording, found, rows, replace=save == "replace")
    return {name: answers[places] for name, answers in found.items()}


def _check_functions(functions: Mapping[str, Function]) -> None:
    if not isinstance(functions, Mapping) or not functions:
        raise SettingError(f'functions={functions!r} is no dict of functions by name, such as {{"accuracy": fn}}')
    seen: list[str] = []
    for name, function in functions.items():
        if not isinstance(name, str) or not callable(function):
            raise SettingError(f"functions: {name!r}: {function!r} is no name with a function of the model")
        check_name(name, seen, where="functions")
        seen.append(name)


def _rows(recording: Recording, steps: Iterable[int] | None) -> np.ndarray:
    if steps is None:
        return np.arange(len(recording))
    if isinstance(steps, str) or not isinstance(steps, Iterable):
        raise SettingError(f"steps={steps!r} is no list of steps; leave it out for every row")
    known = {int(step): row for row, step in enumerate(recording.step[:])}
    # What is not there is told in the words of row_of().
    rows = [known[step] if step in known else row_of(recording, step) for step in steps]
    if not rows:
        raise SettingError("steps is empty; leave it out for every row")
    return np.asarray(rows)


def _asked(
    recording: Recording, model: nn.Module, functions: Mapping[str, Function], rows: np.ndarray, progress: Progress
) -> dict[str, np.ndarray]:
    reader = StateReader(recording, model, rows.tolist())
    steps = recording.step[:][rows]
    questions = [Question(name, function, model) for name, function in functions.items()]
    ticks = iter(progress(range(len(rows) * len(questions))))

    def done(count: int) -> None:
        for _ in range(count):
            next(ticks)

    start = 0
    with torch.no_grad(), left_as_it_was(model), _random_as_it_was(model):
        for states in reader.blocks():
            stop = start + len(next(iter(states.changing.values())))
            for each in questions:
                each.ask(states, steps[start:stop], done)
            start = stop
    # A bar ends when it is asked for more.
    next(ticks, None)
    for reason in reasons(questions):
        warnings.warn(reason, stacklevel=3)
    return {each.name: each.result() for each in questions}


@contextmanager
def _random_as_it_was(model: nn.Module) -> Iterator[None]:
    devices = {p.device for p in model.parameters() if p.device.type == "cuda"}
    numpy_state, python_state = np.random.get_state(), random.getstate()  # noqa: NPY002
    try:
        with torch.random.fork_rng(list(devices)):
            yield
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002
        random.setstate(python_state)
