"""The sweeps by the name of their experiment that have more than the catalogue's lists: the paper's, and the census."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from ...dynamics.errors import SettingError
from ...dynamics.experiments import find_experiment
from ...dynamics.experiments.settings import parse_settings
from ...dynamics.training.on_population import UNUSED
from .axes import MODELS, parse_axis
from .plan import SweepPlan, make_plan, split_lists
from .tasks import Way


class Preset(NamedTuple):
    """Axes as parse_axis() reads them, changed settings, how many models each point has, and if they go to rest."""

    axes: tuple[str, ...]
    settings: Mapping[str, Any] = MappingProxyType({})
    repeat: int | None = None
    rested: bool = False


_UP_TO_SIXTEEN = f"n_features={','.join(map(str, range(3, 17)))}"
_PHASES = Preset(("density=log:0.01:1:50", "importance_extra=log:0.1:10:50"), repeat=10)

PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "phase-2x1": _PHASES,
        "phase-3x2": _PHASES,
        "uniform-geometry": Preset(("density=log:1:0.05:30",), MappingProxyType({"n_features": 400, "n_hidden": 30})),
        "census": Preset(("density=0.05", "n_hidden=2,3,4,5", _UP_TO_SIXTEEN), repeat=100, rested=True),
        "pca-collapse": Preset(("density=log:0.7:0.03:12",), repeat=20),
    }
)


def plan_sweep(
    name: str,
    over: Iterable[str] = (),
    assignments: Iterable[str] = (),
    *,
    repeat: int | None = None,
    way: Way | None = None,
    recorded: bool = False,
    rested: bool | None = None,
) -> SweepPlan:
    """Return the plan of an experiment of the catalogue from texts: axes, ``KEY=VALUE`` settings.

    The axes are those of its preset, where it has one, and those in *over*, which win; a list among the settings is an
    axis too. rested, by default as the preset says, follows the models to rest. Raises SettingError for a key that is
    given twice, and as make_plan() and parse_axis() do.
    """
    entry = find_experiment(name)
    preset = PRESETS.get(name, Preset(()))
    experiment, axes = split_lists(entry)
    given = parse_settings(experiment, tuple(assignments))
    for key in MODELS:
        if key in given:
            raise SettingError(f"{key}={given[key]}: say how many models each point of a sweep has with --repeat")
    # Whoever chooses a rate or a batch wants the training that has one.
    unused = [key for key in given if key in UNUSED]
    if unused and way == "population":
        raise SettingError(f"{unused[0]}={given[unused[0]]} means nothing to training on the population loss")
    experiment = experiment.with_settings(**{**preset.settings, **given})
    axes |= {axis.name: axis for axis in (parse_axis(experiment, text) for text in preset.axes)}
    axes = {key: axis for key, axis in axes.items() if key not in given}
    seen: set[str] = set()
    for axis in [parse_axis(experiment, text) for text in over]:
        if axis.name in given or axis.name in seen:
            raise SettingError(f"{axis.name} is given twice; say it once, by --over or by --set")
        seen.add(axis.name)
        axes[axis.name] = axis
    models = repeat or preset.repeat or entry.repeat
    chosen: Way | None = "samples" if unused else way
    rests = preset.rested and not recorded if rested is None else rested
    return make_plan(experiment, axes.values(), repeat=models, way=chosen, recorded=recorded, rested=rests)
