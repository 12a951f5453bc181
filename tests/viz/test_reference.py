"""A few figures beside pictures of them that somebody has looked at.

To make the pictures anew, which is for those who look at them afterwards:

    rm tests/viz/reference/*.png; pytest tests/viz/test_reference.py

A picture that is missing is drawn, and its test fails once to say so.
"""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image, ImageOps
from scipy.linalg import block_diag

from dyn.dynamics.experiments import EXPERIMENTS
from dyn.dynamics.geometry.measures import dimensionality
from dyn.dynamics.synthetic.trajectories import Plan, plant
from dyn.viz.kinds import plot

FOLDER = Path(__file__).parent / "reference"
DPI = 80
# Pictures are compared by the mean greys of 16 by 16 pixels, 0 to 255: smoothing and the placing of letters, which
# differ between versions of what draws them, weigh little. Half a pixel's shift of everything changes the worst of
# them by 3 to 10; a patch of 40 by 20 pixels that is blank, a label or a piece of a curve, by 10 or more in nine of
# ten cases.
TILE = 16
TOLERANCE = 8


def polygon(k: int) -> np.ndarray:
    angle = 2 * np.pi * np.arange(k) / k + 0.3
    return np.array([np.cos(angle), np.sin(angle)])


DIGON = np.array([[1.0, -1.0]])


@pytest.fixture
def models(written):
    """Write the final matrices of an experiment, one for each density, and open them as its recording."""

    def write(name: str, matrices: list[np.ndarray], **settings):
        W = np.array(matrices)[None].astype(np.float32)
        b = -0.1 * np.arange(W.shape[-1]) * np.ones((1, W.shape[1], 1))
        experiment = EXPERIMENTS[name].with_settings(**settings).as_dict()
        arrays = {"step": np.array([0]), "parameters/W": W, "parameters/b": b}
        arrays["features/W/dimensionality"] = dimensionality(W)
        return written(arrays, {"experiment": experiment})

    return write


@pytest.fixture
def recordings(planted, models):
    """Recordings of known arrays, by the kind of figure that they are drawn as."""
    plane = [np.eye(2, 5), np.pad(block_diag(DIGON, DIGON), ((0, 0), (0, 1))), polygon(5)]
    groups = [np.eye(4), block_diag(*[DIGON] * 4), block_diag(polygon(5), polygon(3))]
    equal = [np.pad(W, ((0, 0), (0, 12 - W.shape[1]))) for W in groups]
    sizes = {"n_features": 12, "n_hidden": 4, "density": (1.0, 0.3, 0.1)}
    return {
        "levels": lambda: planted(plant(Plan(rows=3000, features=6, events=3, noise=0.05, ramp=(0.01, 0.05)), seed=2)),
        "intro": lambda: models("intro", plane),
        "demonstration": lambda: models("intro", plane),
        "uniform": lambda: models("uniform-geometry", equal, **sizes),
    }


def drawn(figure: Figure) -> Image.Image:
    stream = BytesIO()
    figure.savefig(stream, dpi=DPI)
    return Image.open(stream).convert("RGB")


def difference(one: Image.Image, other: Image.Image) -> float:
    """Return the greatest difference between the mean greys of two pictures' tiles."""
    tiles = [np.asarray(ImageOps.grayscale(picture).reduce(TILE), dtype=float) for picture in (one, other)]
    return float(abs(tiles[0] - tiles[1]).max())


@pytest.mark.parametrize("kind", ["levels", "intro", "demonstration", "uniform"])
def test_the_figure_looks_as_it_did(recordings, kind):
    picture, path = drawn(plot(recordings[kind](), kind)), FOLDER / f"{kind}.png"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        picture.save(path, optimize=True)
        pytest.fail(f"{path} was missing and has been drawn; look at it, and run the test again")
    with Image.open(path) as reference:
        assert picture.size == reference.size
        assert difference(picture, reference.convert("RGB")) <= TOLERANCE
