"""Which recordings a kind of figure fits; asked before matplotlib is loaded."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..recorders.reading.recording import Recording

# A figure with one column for each member of an ensemble holds so many of them.
MOST_COLUMNS = 12
MOST_FEATURES = 100
# Regimes are told from matrices up to this size.
_MOST_ELEMENTS = 1000
FEWEST_DENSITIES = 3
# Of models up to this size all eigenvalues of the Hessian are at hand.
MOST_CURVATURES = 600
# A figure of the models at each point of a sweep shows so many points.
MOST_POINTS = 40
# From so many models at a point on their statistics are what a recording is about.
_MANY_MODELS = 5
# (n_features, n_hidden) of the phase diagrams that theory knows.
_PHASE_SIZES = ((2, 1), (3, 2))


def settings_of(recording: "Recording") -> Mapping[str, Any]:
    """Return the settings of the catalogue's experiment; empty for any other training."""
    from ..recorders.reading.opening import catalogue_entry

    return catalogue_entry(recording.config)


def _shape(recording: "Recording") -> tuple[int, ...]:
    """Return ([instances,] m, n) of the first matrix with features; nothing where there is none, or no row of it.

    Features may have been recorded without their matrix, which is then none.
    """
    series = recording.parameters.get(next(iter(recording.features), ""))
    if series is None or not len(recording):
        return ()
    from ..recorders.ring.matrices import MatrixView

    return MatrixView.of(series.attrs).shape(series.shape[1:])


def always(_recording: "Recording") -> bool:
    """Whether it is a recording."""
    return True


def no_hint(_recording: "Recording") -> str:
    """Return nothing: there is no way out to tell."""
    return ""


def has_features(recording: "Recording") -> bool:
    """Whether there is a row of a matrix with features."""
    return bool(_shape(recording))


def has_trajectories(recording: "Recording") -> bool:
    """Whether there are rows of features to draw curves through; their matrix is not asked for."""
    return bool(recording.features) and len(recording) > 1


def can_be_shared_out(recording: "Recording") -> bool:
    """Whether it is known, or was recorded, who paid for changes of its loss."""
    settings = settings_of(recording)
    if not has_trajectories(recording):
        return False
    is_known = bool(settings) and settings.get("model", "toy") != "modular-addition"
    return is_known or any("allocation" in group for group in recording.features.values())


def how_to_share_out(_recording: "Recording") -> str:
    """Return how to record who paid."""
    return "; record it with attach(gradients='allocation')"


def has_parameters_over_time(recording: "Recording") -> bool:
    """Whether there are rows of parameters to compare with those of another recording."""
    return bool(recording.parameters) and len(recording) > 1


def has_an_overview(recording: "Recording") -> bool:
    """Whether it has rows of matrices of one model, or of anything that was logged."""
    from ..recorders.reading.matrices import is_ensemble, matrices_of, summarised_matrices

    if len(recording) < 2 or is_ensemble(recording):
        return False
    return bool(matrices_of(recording) or summarised_matrices(recording) or _has_logged(recording))


def _has_logged(recording: "Recording") -> bool:
    return any((series[:] == series[:]).any() for series in recording.scalars.values()) or bool(recording.probes)


def is_about_all(recording: "Recording") -> bool:
    """Whether it is of a network that no experiment of the catalogue says more of, or has no features to draw."""
    from ..recorders.reading.matrices import is_network

    return not settings_of(recording) and (is_network(recording) or not recording.features)


def is_census(recording: "Recording") -> bool:
    """Whether it is a sweep whose models were followed to rest."""
    from ..recorders.file.hdf5 import is_sweep
    from ..recorders.sweeps import census
    from ..recorders.sweeps.sweep import Sweep

    if not is_sweep(recording.path):
        return False
    with Sweep(recording.path) as sweep:
        return census.is_census(sweep)


def _grid(recording: "Recording") -> tuple[int, int]:
    """Return how many points of a grid of settings it has, and how many models at each; 0 of both for one model."""
    from ..recorders.sweeps.each_model import grid_of

    shape = _shape(recording)
    if len(shape) != 3:
        return 0, 0
    points = len(grid_of(recording))
    return points, shape[0] // points


def has_models_to_compare(recording: "Recording") -> bool:
    """Whether it is of several models at each of a few points of a grid of settings."""
    points, models = _grid(recording)
    return points <= MOST_POINTS and models >= 2


def has_many_models(recording: "Recording") -> bool:
    """Whether it has so many models at each of its points that they say more together than one of them."""
    return _grid(recording)[1] >= _MANY_MODELS


def with_too_many_points(recording: "Recording") -> str:
    """Return how many points are too many, and the way out; nothing where that is not what is wrong."""
    points, models = _grid(recording)
    if points <= MOST_POINTS or models < 2:
        return ""
    return f": it has {points:,} points against {MOST_POINTS}; take fewer with --over"


def _columns(recording: "Recording") -> int:
    """Return how many members would stand side by side: one for each density, where the experiment varies that."""
    settings, shape = settings_of(recording), _shape(recording)
    if len(shape) < 3:
        return len(shape) // 2
    if isinstance(settings.get("importance_extra"), list | tuple):
        return shape[0]
    return shape[0] // settings.get("repeat", 1) if settings else shape[0]


def fits_in_columns(recording: "Recording") -> bool:
    """Whether its models can stand side by side."""
    shape = _shape(recording)
    return 1 <= _columns(recording) <= MOST_COLUMNS and shape[-1] <= MOST_FEATURES


def is_planar(recording: "Recording") -> bool:
    """Whether its features lie in a plane."""
    shape = _shape(recording)
    return fits_in_columns(recording) and shape[-2] == 2


def is_one_small_run(recording: "Recording") -> bool:
    """Whether regimes can be told from it."""
    shape = _shape(recording)
    is_small = len(shape) >= 2 and len(recording) > 2 and shape[-1] * shape[-2] <= _MOST_ELEMENTS
    return is_small and _finite_rows(recording) > 2 and _has_moved_beyond_chance(recording)


def _has_moved_beyond_chance(recording: "Recording") -> bool:
    """Return whether anything is told of its features: of those that drift as random ones do, no regimes are."""
    from ..recorders.reading.selection import select
    from ..recorders.stories.judging import verdict_on

    verdict = verdict_on(select(recording))
    return verdict is None or verdict.says_more


def _finite_rows(recording: "Recording") -> int:
    """Return how many rows there are until one model diverged; of several, others may go on."""
    step = recording.diverged_at if len(_shape(recording)) == 2 else None
    return len(recording) if step is None else int((recording.step[:] < step).sum())


def where_it_diverged(recording: "Recording") -> str:
    """Return at which step it diverged; nothing where it did not."""
    return "" if recording.diverged_at is None else f": it diverged at step {recording.diverged_at:,}"


def is_phase_diagram(recording: "Recording") -> bool:
    """Whether an extra feature was varied over densities and importances, with theory to compare."""
    settings = settings_of(recording)
    size = settings.get("n_features"), settings.get("n_hidden")
    axes = [settings.get(name) for name in ("density", "importance_extra")]
    lists = [isinstance(values, list) and len(values) > 1 for values in axes]
    return len(recording) > 0 and all(lists) and size in _PHASE_SIZES and settings.get("repeat", 1) > 1


def is_uniform_over_densities(recording: "Recording") -> bool:
    """Whether its features are equal, at several densities."""
    settings = settings_of(recording)
    density = settings.get("density")
    equal = isinstance(settings.get("importance"), int | float) and settings.get("importance_extra") is None
    together = settings.get("sets", 1) > 1 or settings.get("model", "toy") != "toy"
    several = isinstance(density, list) and len(density) >= FEWEST_DENSITIES
    return has_features(recording) and several and equal and not together


def is_small_toy_model(recording: "Recording") -> bool:
    """Whether the Hessian is at hand at every row."""
    settings, shape = settings_of(recording), _shape(recording)
    if not (settings and shape) or settings.get("model", "toy") != "toy" or len(recording) < 3:
        return False
    is_small = {"W", "b"} <= set(recording.parameters) and (shape[-2] + 1) * shape[-1] <= MOST_CURVATURES
    return is_small and _finite_rows(recording) == len(recording)


def has_sets_in_a_plane(recording: "Recording") -> bool:
    """Whether features that go together, two or more in a set, lie in a plane."""
    settings = settings_of(recording)
    sets = settings.get("sets", 1)
    return is_planar(recording) and sets > 1 and settings["n_features"] > sets


def computes_absolute_values(recording: "Recording") -> bool:
    """Whether its neurons compute absolute values, of models that can stand one above the other."""
    is_such = settings_of(recording).get("model") == "absolute-value" and has_features(recording)
    return is_such and _columns(recording) <= MOST_COLUMNS


def can_be_attacked(recording: "Recording") -> bool:
    """Whether equal features of a toy model were recorded with their biases, at several densities."""
    return is_uniform_over_densities(recording) and {"W", "b"} <= set(recording.parameters)


def is_of_equal_runs(recording: "Recording") -> bool:
    """Whether it is of several models that differ in their random draws only."""
    shape, settings = _shape(recording), settings_of(recording)
    if len(shape) < 3 or shape[0] < 2 or "sweep" in recording.config:
        return False
    return not settings or _columns(recording) == 1


def adds_modulo(recording: "Recording") -> bool:
    """Whether it is of a network that learns addition of an odd modulus, with its embedding."""
    settings = settings_of(recording)
    # An odd number below five has no frequencies to choose from.
    is_such = settings.get("model") == "modular-addition" and settings["n_features"] in range(5, 10**6, 2)
    return is_such and has_features(recording) and "E" in recording.features


def attends_alone(recording: "Recording") -> bool:
    """Whether it is of the networks of attention alone, with the scores of their heads."""
    is_such = settings_of(recording).get("model") == "attention-only"
    return is_such and {"prefix_score", "previous_token_score"} <= set(recording.probes)
