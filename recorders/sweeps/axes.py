"""The axes of a sweep: a setting and the values that it runs through, read from text."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...dynamics.errors import SettingError
from ...dynamics.experiments.experiment import Experiment
from ...dynamics.experiments.settings import parse_settings

_SPACINGS: dict[str, Callable[[float, float, int], np.ndarray]] = {"log": np.geomspace, "lin": np.linspace}
# What a sweep itself decides: how many models there are.
MODELS = ("repeat", "n_instances")


@dataclass(frozen=True)
class Axis:
    """One setting of an experiment and the values that it runs through, all different."""

    name: str
    values: tuple[Any, ...]

    def __post_init__(self):
        if self.name in MODELS:
            raise SettingError(f"{self.name} is no axis of a sweep; say how many models each point has with --repeat")
        if not self.values or len(set(self.values)) < len(self.values):
            raise SettingError(f"{self.name}={','.join(map(str, self.values))} must be different values, one or more")

    def __len__(self) -> int:
        return len(self.values)


def parse_axis(experiment: Experiment, text: str) -> Axis:
    """Read an axis such as ``density=log:0.01:1:50``, ``lr=lin:0.001:0.01:4`` or ``n_hidden=2,3,5``.

    ``log:A:B:N`` is N values from A to B each the same multiple of the one before, ``lin:A:B:N`` N values at equal
    distances. Raises SettingError naming the text and the way out.
    """
    name, sign, values = (part.strip() for part in text.partition("="))
    if not sign:
        raise SettingError(f"axis {text!r} has no '='; write KEY=log:A:B:N, KEY=lin:A:B:N or KEY=V,V,…")
    spacing, colon, range_ = values.partition(":")
    parts = _spaced(text, spacing, range_) if colon else [part.strip() for part in values.split(",") if part.strip()]
    return Axis(name, tuple(parse_settings(experiment, (f"{name}={part}",))[name] for part in parts))


def _spaced(text: str, spacing: str, range_: str) -> list[str]:
    """Return the values of a range as texts, to twelve digits, so that they are the same everywhere."""
    try:
        first, last, count = range_.split(":")
        start, stop, number = float(first), float(last), int(count)
        if number < 2 or (spacing == "log" and min(start, stop) <= 0):
            raise ValueError
        values = _SPACINGS[spacing](start, stop, number)
    except (ValueError, KeyError):
        raise SettingError(
            f"axis {text!r} is no range; write log:A:B:N with positive A and B, or lin:A:B:N, N being 2 or more"
        ) from None
    return [f"{value:.12g}" for value in values]
