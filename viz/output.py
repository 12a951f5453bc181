"""Where a picture goes: the path is held to what can be written before any work is done."""

import os
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from ..dynamics.errors import OutputExistsError, RecordingError, SettingError
from ..recorders.outputs import replaced_when_done

FIGURE_SUFFIXES = (".png", ".svg", ".pdf")


def check_output(path: str | os.PathLike[str], suffixes: Sequence[str], *, overwrite: bool) -> Path:
    """Return *path* if a picture can go there.

    Raises SettingError for a suffix that is none of *suffixes*, OutputExistsError for a file that is there already,
    RecordingError for a folder that is not.
    """
    path = Path(path)
    if path.suffix.lower() not in suffixes:
        raise SettingError(f"{path}: nothing is known of the suffix {path.suffix!r}; use {', '.join(suffixes)}")
    if path.is_dir() or (path.exists() and not overwrite):
        raise OutputExistsError(f"{path} exists already; choose another path or replace it (overwrite=True, --force)")
    if not path.parent.is_dir():
        raise RecordingError(f"{path.parent} is no directory to write {path.name} in; create it first")
    return path


def save_figure(figure: Figure, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write *figure* to a png, svg or pdf file, free it, and return the path; raises what check_output raises."""
    path = check_output(path, FIGURE_SUFFIXES, overwrite=overwrite)
    with replaced_when_done(path) as draft:
        figure.savefig(draft)
    plt.close(figure)
    return path
