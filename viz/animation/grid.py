"""Several runs in one scene: where each has its cell, and what it is called."""

from collections.abc import Callable, Sequence

from ..playback.footage import Footage
from .cell import Box, Places

# More runs than that are too small to be looked at.
MOST_RUNS = 12
# The cells lie between the caption and the title.
_BOTTOM, _TOP = 0.05, 0.88
# A bold letter's width in a picture of this size, all in pixels.
_LETTER, _WIDTH, _HEIGHT = 8.0, 1280, 720
# Letters and dots of a cell beside those of a scene of its own.
_SCALE = 0.8


def grid_places(count: int, size: tuple[int, int]) -> list[Places]:
    """Return where the parts of each cell are, in rows from the top left, on a picture of this *size* in pixels."""
    arrangements = [_arranged(count, columns, arrange) for columns in range(1, count + 1) for arrange in _ARRANGEMENTS]
    # The one in which the features have most room.
    chosen = max(arrangements, key=lambda places: _room(places[0], size))
    # Letters grow with the picture, by the side that has less room.
    across = size[0] / min(size[0] / _WIDTH, size[1] / _HEIGHT)
    columns = len({places.space[0] for places in chosen})
    return [places._replace(letters=int(across / columns / _LETTER)) for places in chosen]


def _arranged(count: int, columns: int, arrange: Callable[[Box], Places]) -> list[Places]:
    wide, high = 1 / columns, (_TOP - _BOTTOM) / -(-count // columns)
    return [arrange((k % columns * wide, _TOP - (k // columns + 1) * high, wide, high)) for k in range(count)]


def _room(places: Places, size: tuple[int, int]) -> float:
    return min(places.space[2] * size[0], places.space[3] * size[1])


def _stacked(cell: Box) -> Places:
    return Places(
        space=_within(cell, (0.0, 0.44, 1.0, 0.49)),
        levels=_within(cell, (0.2, 0.11, 0.68, 0.24)),
        loss=None,
        words=_within(cell, (0.05, 0.44, 0.0, 0.0))[:2],
        scale=_SCALE,
    )


def _beside(cell: Box) -> Places:
    return Places(
        space=_within(cell, (0.0, 0.17, 0.5, 0.73)),
        levels=_within(cell, (0.64, 0.27, 0.26, 0.58)),
        loss=None,
        words=_within(cell, (0.05, 0.15, 0.0, 0.0))[:2],
        scale=_SCALE,
    )


_ARRANGEMENTS = (_stacked, _beside)


def _within(cell: Box, part: Box) -> Box:
    x, y, width, height = cell
    return x + part[0] * width, y + part[1] * height, part[2] * width, part[3] * height


def titles(runs: Sequence[Footage]) -> tuple[str, list[str]]:
    """Return what stands above the whole scene, and above each of its cells."""
    if len(runs) == 1:
        return runs[0].selection.title, [""]
    paths = {run.selection.recording.path for run in runs}
    if len(paths) == 1:
        first = runs[0].selection
        settings = first.experiment
        title = settings.get("title") or f"{first.recording.path.stem}: {first.parameter}"
        return title, [_named(_member(run), run) for run in runs]
    names = [_named(run.selection.recording.path.stem, run, _member(run)) for run in runs]
    return f"{len(runs)} runs, at the same step each", names


def _named(name: str, run: Footage, *more: str) -> str:
    """Return what a run is called, and where it diverged."""
    step = run.selection.diverged_at
    return ", ".join(filter(None, (name, *more, "" if step is None else f"diverged at step {step:,}")))


def _member(run: Footage) -> str:
    """Return which member of an ensemble a run is, and its density where members differ in it."""
    instance, settings = run.selection.instance, run.selection.experiment
    if instance is None:
        return ""
    density, members = settings.get("density"), settings.get("n_instances")
    if not (isinstance(density, list) and members and members % len(density) == 0):
        return run.selection.which
    return f"instance {instance}: density p = {density[instance // (members // len(density))]:g}"
