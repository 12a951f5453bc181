"""Where a figure goes."""

import os
from pathlib import Path

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from ..recorders.outputs import check_output, replaced_when_done

FIGURE_SUFFIXES = (".png", ".svg", ".pdf")


def save_figure(figure: Figure, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write *figure* to a png, svg or pdf file, free it, and return the path; raises what check_output raises."""
    path = check_output(path, FIGURE_SUFFIXES, overwrite=overwrite)
    with replaced_when_done(path) as draft:
        figure.savefig(draft)
    plt.close(figure)
    return path
