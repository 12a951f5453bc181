"""The settings of an experiment: read from text, and held to what they can mean.

An experiment is any dataclass with these settings here; ``Experiment``, which has them checked, stands above.
"""

import math
import re
import typing
from dataclasses import fields
from typing import Any

from ..errors import SettingError, unknown_name

CHOICES = {
    "model": ("toy", "absolute-value", "modular-addition", "attention-only"),
    "nonlinearity": ("relu", "linear"),
    "correlation": ("independent", "correlated", "anticorrelated"),
    "reduction": ("sum", "mean"),
    "optimizer": ("adam", "adamw", "sgd"),
    "schedule": ("constant", "linear", "cosine"),
}
# Of each layer of a network of attention.
_HEADS = 4
_COUNTS = ("n_features", "n_hidden", "n_instances", "repeat", "sets", "batch_size", "steps", "evaluation_size", "every")
_POSITIVE = (*_COUNTS, "lr")
_NOT_NEGATIVE = ("init_std", "weight_decay", "seed", "importance", "importance_extra")
_POWER_LAW = re.compile(r"\s*([0-9.eE+-]+)\s*\^\s*i\s*")
_KINDS = {int: "a whole number", float: "a number", str: "text", tuple: "a comma-separated list", type(None): "none"}


def parse_settings(experiment: Any, assignments: tuple[str, ...]) -> dict[str, Any]:
    """Read ``KEY=VALUE`` texts as settings of *experiment*; raises SettingError naming the text and the way out."""
    kinds = _kinds(experiment)
    settings = {}
    for assignment in assignments:
        key, sign, text = assignment.partition("=")
        key = key.strip()
        if not sign:
            raise SettingError(f"setting {assignment!r} has no '='; write KEY=VALUE, such as steps=5000")
        if key not in kinds:
            raise unknown_name("setting", key, kinds)
        settings[key] = _parse_value(key, text.strip(), kinds[key])
    return settings


def check_settings(experiment: Any) -> None:
    """Hold every setting of *experiment* to its type and range; raises SettingError naming the first that fails."""
    for name, kinds in _kinds(experiment).items():
        _check_value(name, getattr(experiment, name), kinds)
    if experiment.n_features % experiment.sets:
        raise SettingError(f"sets={experiment.sets} does not divide n_features={experiment.n_features} evenly")
    expand_importance(experiment.importance, experiment.n_features)
    if experiment.model != "toy":
        _check_other_model(experiment)


def _check_other_model(experiment: Any) -> None:
    """Hold what is not a toy model to the settings that mean something to it."""
    if experiment.nonlinearity != "relu":
        raise SettingError(f"nonlinearity={experiment.nonlinearity!r} is for model=toy, not {experiment.model}")
    pairs = experiment.n_features * (experiment.n_features + 1) // 2
    if experiment.model == "modular-addition" and experiment.batch_size >= pairs:
        raise SettingError(
            f"batch_size={experiment.batch_size} leaves none of the {pairs} sums for the test; train on fewer"
        )
    if experiment.model == "attention-only":
        _check_attention(experiment)


def _check_attention(experiment: Any) -> None:
    if experiment.n_instances is not None:
        raise SettingError(
            f"n_instances={experiment.n_instances} is not for model=attention-only, which is no ensemble"
        )
    if experiment.n_hidden % _HEADS:
        raise SettingError(
            f"n_hidden={experiment.n_hidden} does not go into the {_HEADS} heads of model=attention-only"
        )


def expand_importance(importance: float | tuple[float, ...] | str, n_features: int) -> tuple[float, ...]:
    """Return I_i for i = 0 … n-1, from one number, one for each feature, or a formula ``base^i``."""
    if isinstance(importance, str):
        match = _POWER_LAW.fullmatch(importance)
        base = _number(match[1]) if match else None
        if base is None or base < 0:
            raise SettingError(f"importance={importance!r} is neither a number, a list nor a formula such as 0.7^i")
        return tuple(base**i for i in range(n_features))
    if isinstance(importance, tuple):
        if len(importance) != n_features:
            raise SettingError(f"importance has {len(importance)} values for n_features={n_features}; give one each")
        return importance
    return (float(importance),) * n_features


def _kinds(experiment: Any) -> dict[str, tuple[type, ...]]:
    """Return the types each setting may have: (int,) or (float, tuple, str), with the elements of a list implied."""
    hints = typing.get_type_hints(type(experiment))
    settings = experiment.settings
    kinds = {}
    for field in fields(experiment):
        if field.name in settings:
            options = typing.get_args(hints[field.name]) or (hints[field.name],)
            kinds[field.name] = tuple(typing.get_origin(option) or option for option in options)
    return kinds


def _parse_value(key: str, text: str, kinds: tuple[type, ...]) -> Any:
    if type(None) in kinds and text.lower() == "none":
        return None
    if tuple in kinds and "," in text:
        element = tuple(kind for kind in kinds if kind is not tuple)
        return tuple(_parse_value(key, part.strip(), element) for part in text.split(",") if part.strip())
    if int in kinds and (whole := _whole_number(text)) is not None:
        return whole
    if float in kinds and (number := _number(text)) is not None:
        return number
    if str in kinds and text:
        return text
    raise _wrong_type(key, text, kinds)


def _whole_number(text: str) -> int | None:
    try:
        return int(text)
    except ValueError:
        # 1e4 is a whole number too.
        value = _number(text)
        return int(value) if value is not None and value.is_integer() else None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _check_value(name: str, value: Any, kinds: tuple[type, ...]) -> None:
    if isinstance(value, tuple) and tuple in kinds:
        if not value:
            raise _wrong_type(name, value, kinds)
        for element in value:
            # A list holds numbers, or names where the setting is one; it holds no formulas and no lists.
            _check_value(name, element, (float,) if float in kinds else (str,))
        return
    if float in kinds and isinstance(value, int):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise _wrong_type(name, value, kinds)
    if value is not None:
        _check_range(name, value)


def _check_range(name: str, value: Any) -> None:
    if isinstance(value, float) and not math.isfinite(value):
        raise SettingError(f"{name}={value} is not a finite number")
    if name == "seed" and value >= 2**32:
        raise SettingError(f"seed={value} is not below 2**32")
    if name in CHOICES and value not in CHOICES[name]:
        raise unknown_name(name, str(value), CHOICES[name])
    if name == "density" and not 0 < value <= 1:
        raise SettingError(f"density={value} is not in (0, 1]; it is the probability that a feature is on")
    if name in _POSITIVE and not value > 0:
        raise SettingError(f"{name}={value} is not greater than 0")
    if name in _NOT_NEGATIVE and isinstance(value, int | float) and not value >= 0:
        raise SettingError(f"{name}={value} is less than 0")


def _wrong_type(name: str, value: Any, kinds: tuple[type, ...]) -> SettingError:
    wanted = " or ".join(_KINDS[kind] for kind in kinds)
    return SettingError(f"{name}={value!r} is not {wanted}")
