"""The kinds of figures: what each shows, which recordings it fits, and which of them a recording gets by default."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..dynamics.errors import RecordingError, SettingError, unknown_name
from . import fitting
from .fitting import FEWEST_DENSITIES, MOST_COLUMNS, MOST_CURVATURES, MOST_FEATURES, MOST_POINTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from ..recorders.reading.recording import Recording


@dataclass(frozen=True)
class Kind:
    """One kind of figure.

    fits tells whether a recording has what the figure shows, and hint why not, where there is a way out. shows names
    the experiments of the catalogue that it is the first choice for, but for the kinds that it gives way to. leads
    tells whether a recording that it fits may have it by default. options are the keywords that its function takes, and
    needs those among them that it cannot do without.
    """

    name: str
    summary: str
    module: str
    fits: Callable[["Recording"], bool]
    shows: tuple[str, ...] = ()
    gives_way_to: tuple[str, ...] = ()
    leads: Callable[["Recording"], bool] = fitting.always
    hint: Callable[["Recording"], str] = fitting.no_hint
    options: tuple[str, ...] = ("parameter",)
    needs: tuple[str, ...] = ()

    @property
    def function_name(self) -> str:
        """The name of the function in viz."""
        return f"plot_{self.name.replace('-', '_')}"

    def draw(self, recording: "Recording", ax: "Axes | None" = None, **options: Any) -> "Figure":
        """Return the figure; raises SettingError for an option that this kind does not take, and as check_fits()."""
        for name in options:
            if name not in self.options:
                raise SettingError(f"{name}={options[name]} is no option of the figure {self.name!r}; leave it out")
        check_fits(recording, self.name)
        with _closed_on_error():
            return getattr(import_module(self.module, __package__), self.function_name)(recording, ax, **options)


@contextmanager
def _closed_on_error() -> Iterator[None]:
    """Close the figures that were begun where one cannot be finished: nobody else has hold of them."""
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    try:
        yield
    except BaseException:
        for number in set(plt.get_fignums()) - set(before):
            plt.close(number)
        raise


def kinds_of(recording: "Recording") -> list[str]:
    """Return the names of the kinds that fit a recording."""
    return [kind.name for kind in KINDS.values() if kind.fits(recording)]


def default_kind(recording: "Recording", options: Iterable[str] = ()) -> Kind:
    """Return the kind that shows best what a recording is about, among those that take these *options*.

    Raises RecordingError where no kind fits, SettingError where none takes the options.
    """
    possible = [KINDS[name] for name in kinds_of(recording) if set(KINDS[name].needs) <= set(options)]
    if not possible:
        raise _nothing_to_draw(recording)
    usable = [kind for kind in possible if set(options) <= set(kind.options)]
    if not usable:
        raise SettingError(f"no figure of {recording.path} takes {' and '.join(options)} together; leave one out")
    experiment = fitting.settings_of(recording).get("name")
    # The kinds are listed with the most general first.
    general = next((kind for kind in usable if kind.leads(recording)), usable[0])
    shown = next((kind for kind in usable if experiment in kind.shows), general)
    return general if general.name in shown.gives_way_to else shown


def check_fits(recording: "Recording", name: str) -> None:
    """Raise SettingError, with the kinds that do fit, where this one does not; RecordingError where none does."""
    if KINDS[name].fits(recording):
        return
    others = kinds_of(recording)
    if not others:
        raise _nothing_to_draw(recording)
    # The recording of a sweep has its name, but lies in a folder that the user never saw.
    raise SettingError(
        f"the figure {name!r} shows {KINDS[name].summary}, which {recording.path.name} does not hold"
        f"{KINDS[name].hint(recording)}; its figures: {', '.join(others)}"
    )


def _nothing_to_draw(recording: "Recording") -> RecordingError:
    """Return the error for a recording that no kind of figure fits."""
    why = "has one row only; record more of them, and sweep with --record"
    if not len(recording):
        why = "has no rows yet"
    elif not recording.features:
        why = "has no features; record with features={'NAME': 'columns'}"
    return RecordingError(f"{recording.path} {why}")


def plot(recording: "Recording", kind: str | None = None, ax: "Axes | None" = None, **options: Any) -> "Figure":
    """Return a figure of this *kind*, by default that which shows best what the recording is about.

    options are those of the kind's own function. Raises SettingError for a kind that is unknown or does not fit, with
    those that do, and for an option that the kind does not take, and what the function raises.
    """
    if kind is None:
        chosen = default_kind(recording, options)
    elif kind in KINDS:
        chosen = KINDS[kind]
    else:
        raise unknown_name("kind of figure", kind, KINDS)
    return chosen.draw(recording, ax, **options)


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(
            name="census",
            summary="which polytope models form most often at each point of a sweep that followed them to rest",
            module=".figures.census",
            fits=fitting.is_census,
            options=(),
        ),
        # Before the figures of one model, which would be the first of many.
        Kind(
            name="ensemble-dynamics",
            summary=f"when several models jump, where and as what they end, at up to {MOST_POINTS} points of a sweep",
            module=".figures.sweep",
            fits=fitting.has_models_to_compare,
            leads=fitting.has_many_models,
            hint=fitting.with_too_many_points,
        ),
        # What a network is about is all its matrices.
        Kind(
            name="overview",
            summary="every matrix of a network over time, under the losses and whatever else was logged",
            module=".figures.overview",
            fits=fitting.has_an_overview,
            leads=fitting.is_about_all,
            options=("parameter", "signal"),
        ),
        Kind(
            name="levels",
            summary="every feature's dimensionality, the energy levels, the jumps and the loss",
            module=".figures.levels",
            fits=fitting.has_trajectories,
            options=("parameter", "instance", "log_steps"),
        ),
        Kind(
            name="demonstration",
            summary=f"W^T W, b and the features of up to {MOST_COLUMNS} models of up to {MOST_FEATURES} features",
            module=".figures.paper.demonstration",
            fits=fitting.fits_in_columns,
            shows=("demonstration", "demonstration-80"),
        ),
        Kind(
            name="intro",
            summary=f"the features of up to {MOST_COLUMNS} models in a plane",
            module=".figures.paper.intro",
            fits=fitting.is_planar,
            shows=("intro",),
        ),
        Kind(
            name="regimes",
            summary="the regimes of one run of a small matrix, and what it forms in them",
            module=".figures.regimes",
            fits=fitting.is_one_small_run,
            hint=fitting.where_it_diverged,
            shows=("geometry",),
            gives_way_to=("ensemble-dynamics",),
            options=("parameter", "instance"),
        ),
        Kind(
            name="phase",
            summary="an extra feature over its density and importance, of 2 features in 1 dimension or 3 in 2",
            module=".figures.paper.phase_diagram",
            fits=fitting.is_phase_diagram,
            shows=("phase-2x1", "phase-3x2"),
            options=(),
        ),
        Kind(
            name="uniform",
            summary=f"equal features of a toy model at {FEWEST_DENSITIES} densities or more",
            module=".figures.paper.uniform",
            fits=fitting.is_uniform_over_densities,
            shows=("uniform-geometry",),
        ),
        Kind(
            name="spectrum",
            summary=f"the Hessian of a toy model of up to {MOST_CURVATURES} parameters over training",
            module=".figures.spectrum",
            fits=fitting.is_small_toy_model,
            hint=fitting.where_it_diverged,
            options=("parameter", "instance"),
        ),
        Kind(
            name="attribution",
            summary="whose motion brought the change of the loss at each jump",
            module=".figures.attribution",
            fits=fitting.can_be_shared_out,
            hint=fitting.how_to_share_out,
            options=("parameter", "instance"),
        ),
        Kind(
            name="llc",
            summary="how many parameters the loss of a small toy model sees where the training rests",
            module=".figures.llc",
            fits=fitting.is_small_toy_model,
            hint=fitting.where_it_diverged,
            options=("instance",),
        ),
        Kind(
            name="collapse",
            summary="sets of features in a plane, and which of them collapse into one direction",
            module=".figures.paper.correlated",
            fits=fitting.has_sets_in_a_plane,
            shows=("pca-collapse",),
        ),
        Kind(
            name="correlated",
            summary="sets of features in a plane, and the angles within them",
            module=".figures.paper.correlated",
            fits=fitting.has_sets_in_a_plane,
            shows=("correlated", "anticorrelated"),
        ),
        Kind(
            name="absolute-value",
            summary=f"the weights of each neuron of up to {MOST_COLUMNS} models that compute absolute values",
            module=".figures.paper.absolute_value",
            fits=fitting.computes_absolute_values,
            shows=("absolute-value", "absolute-value-superposition"),
        ),
        Kind(
            name="adversarial",
            summary=f"attacks on equal features of a toy model at {FEWEST_DENSITIES} densities or more",
            module=".figures.paper.adversarial",
            fits=fitting.can_be_attacked,
            shows=("adversarial",),
            options=(),
        ),
        Kind(
            name="ensemble",
            summary="the jumps, the levels and the ends of several models with the same settings",
            module=".figures.ensemble",
            fits=fitting.is_of_equal_runs,
            shows=("k-gons",),
        ),
        Kind(
            name="grokking",
            summary="the waves that neurons learn for modular addition",
            module=".figures.paper.grokking",
            fits=fitting.adds_modulo,
            shows=("grokking",),
            options=("instance",),
        ),
        Kind(
            name="induction-heads",
            summary="which heads of attention alone make repeated tokens foreseeable, and when",
            module=".figures.paper.induction_heads",
            fits=fitting.attends_alone,
            shows=("induction-heads",),
            options=(),
        ),
        Kind(
            name="comparison",
            summary="two recordings of one model: their losses, how far apart they are, and which jumps they share",
            module=".figures.comparison",
            fits=fitting.has_parameters_over_time,
            options=("other",),
            needs=("other",),
        ),
    )
}
