"""Draw every figure and animation of the gallery by the command that stands under it, and write the page.

    python benchmarks/science.py --folder recordings     # records the experiments that are not there yet
    cd recordings && for name in phase-2x1 phase-3x2 uniform-geometry; do dyn sweep $name; done
    python docs/gallery/make.py recordings [PICTURE ...]

docs/ensemble-dynamics.md has the commands that make the sweeps of its pictures, the last as uniform-repeats.h5.
Without names of pictures all of them are drawn.
"""

import argparse
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

_HERE = Path(__file__).parent
_SMALL = "--size 800x450 --fps 12 --seconds 10"


@dataclass(frozen=True)
class Picture:
    """A picture: its file, the command that draws it from a recording, and what is to be seen."""

    file: str
    command: str
    caption: str


PICTURES = (
    Picture(
        "energy-levels.png",
        "dyn plot energy-levels.h5",
        "Features jump between energy levels, and the loss falls: thirty features in five dimensions, each curve "
        "the share of a dimension that one of them has to itself.",
    ),
    Picture(
        "geometry.png",
        "dyn plot geometry.h5",
        "Learning as a sequence of geometric transformations: two sets of three features merge, open, twist, and "
        "end as an octahedron.",
    ),
    Picture(
        "geometry.gif",
        f"dyn animate geometry.h5 {_SMALL}",
        "The same as a film, in which time follows the motion: fast changes are slowed down, and plateaus are short.",
    ),
    Picture(
        "geometry-levels.png",
        "dyn plot geometry.h5 levels",
        "The dimensionalities of the same run. All are at 1/2 by step 2 500, though the octahedron still turns.",
    ),
    Picture(
        "geometry-spectrum.png",
        "dyn plot geometry.h5 spectrum",
        "The curvatures of the loss along the same run. The plateau is a saddle: its directions of descent are "
        "those in which the features leave it.",
    ),
    Picture(
        "energy-levels.gif",
        f"dyn animate energy-levels.h5 {_SMALL}",
        "The run of the first picture as a film, in three of its five dimensions: digons form, the last one late.",
    ),
    Picture(
        "intro.png",
        "dyn plot intro.h5",
        "Five features in a plane, from dense to sparse: two are learned, then four in antipodal pairs, then all five.",
    ),
    Picture(
        "demonstration.png",
        "dyn plot demonstration.h5",
        "Twenty features in five dimensions. A linear model and a dense one learn five of them; sparse ones learn "
        "more, in superposition.",
    ),
    Picture(
        "demonstration-80.png",
        "dyn plot demonstration-80.h5",
        "The same with eighty features in twenty dimensions: the sparser, the more features are learned.",
    ),
    Picture(
        "phase-2x1.png",
        "dyn plot phase-2x1.h5",
        "Two features in one dimension: whether the extra one is ignored, shares the dimension, or has it. "
        "Trained models beside theory.",
    ),
    Picture(
        "phase-2x1-sweep.png",
        "dyn plot phase-2x1-sweep.h5",
        "The same at the paper's size, 25 000 models trained on their exact loss by `dyn sweep phase-2x1`.",
    ),
    Picture(
        "phase-3x2.png",
        "dyn plot phase-3x2.h5",
        "Three features in two dimensions: whether the extra one is ignored, shares a dimension, or has one.",
    ),
    Picture(
        "phase-3x2-sweep.png",
        "dyn plot phase-3x2-sweep.h5",
        "The same at the paper's size, 25 000 models trained on their exact loss by `dyn sweep phase-3x2`.",
    ),
    Picture(
        "uniform-geometry.png",
        "dyn plot uniform-geometry.h5",
        "Two hundred equal features in twenty dimensions: dimensions per feature stick at 1 and at 1/2, where "
        "features form digons.",
    ),
    Picture(
        "uniform-geometry-sweep.png",
        "dyn plot uniform-geometry-sweep.h5",
        "Four hundred equal features in thirty dimensions at thirty densities, the paper's size, by `dyn sweep "
        "uniform-geometry`.",
    ),
    Picture(
        "correlated.png",
        "dyn plot correlated.h5",
        "Two pairs of features in a plane. Those that are always on together are put at right angles.",
    ),
    Picture(
        "anticorrelated.png",
        "dyn plot anticorrelated.h5",
        "Two pairs of features in a plane. Those that are never on together become antipodes in the best models.",
    ),
    Picture(
        "pca-collapse.png",
        "dyn plot pca-collapse.h5",
        "Three pairs of correlated features in a plane. The denser they are, the more pairs collapse into their "
        "principal component.",
    ),
    Picture(
        "absolute-value.png",
        "dyn plot absolute-value.h5",
        "Six neurons for the absolute values of three features: in the best models one for each sign of each.",
    ),
    Picture(
        "absolute-value-superposition.png",
        "dyn plot absolute-value-superposition.h5",
        "Forty neurons for a hundred features: the sparser the features, the more of them share a neuron.",
    ),
    Picture(
        "adversarial.png",
        "dyn plot adversarial.h5",
        "The sparser the features, the more of them share dimensions, and the more a small push to the input costs.",
    ),
    Picture(
        "k-gons.png",
        "dyn plot k-gons.h5",
        "Twenty runs of one experiment: when their features jump, how they end, and how many are at each level.",
    ),
    Picture(
        "ensemble-dynamics.png",
        "dyn plot energy-levels-sweep.h5 ensemble-dynamics",
        "Sixty models at each of three densities: the first jump comes at nearly the same time, the later ones do not. "
        "[How it is measured](../ensemble-dynamics.md).",
    ),
    Picture(
        "ensemble-dynamics-geometry.png",
        "dyn plot geometry-sweep.h5 ensemble-dynamics",
        "Fifty models of the octahedron: when its two transitions happen.",
    ),
    Picture(
        "ensemble-dynamics-uniform.png",
        "dyn plot uniform-repeats.h5 ensemble-dynamics",
        "Ten models at each of eight densities: digons in the middle, groups that are no regular polytope on both "
        "sides.",
    ),
    Picture(
        "grokking.png",
        "dyn plot grokking.h5",
        "A network that learns to add modulo 59: first it remembers the sums it has seen, then it can add.",
    ),
    Picture(
        "induction-heads.png",
        "dyn plot induction-heads.h5",
        "Two layers of attention learn to repeat what they have seen, one layer does not: the heads that do it.",
    ),
)

_HEAD = """# Gallery

Every picture was drawn from a recording by the command under it. `dyn record NAME` makes `NAME.h5`, `dyn sweep NAME`
makes `NAME-sweep.h5`; the pictures called ensemble-dynamics have sweeps of their own
([ensemble dynamics](../ensemble-dynamics.md)). What they show is told in [the experiments](../experiments/README.md).
All pictures at once: `python docs/gallery/make.py recordings`.
"""


def draw(picture: Picture, recordings: Path) -> None:
    """Run a picture's command in the folder of the recordings, with its output here."""
    _, *arguments = picture.command.split()
    output = ["-o", str(_HERE / picture.file), "--force"]
    dyn = "import sys; from dyn.cli import main; sys.argv[0] = 'dyn'; main()"
    subprocess.run([sys.executable, "-c", dyn, *arguments, *output], cwd=recordings, check=True)


def section(picture: Picture) -> str:
    """Return what the page says of a picture."""
    return f"""
## {picture.file}

![]({picture.file})

{picture.caption}

```bash
{picture.command} -o {picture.file}
```
"""


def main() -> None:
    """Draw the pictures that are asked for, and write the page."""
    parser = argparse.ArgumentParser(description="Draw the gallery.")
    parser.add_argument("recordings", type=Path, help="the folder that benchmarks/science.py recorded into")
    parser.add_argument("names", nargs="*", metavar="PICTURE", help="only these files")
    options = parser.parse_args()
    for picture in PICTURES:
        if not options.names or picture.file in options.names:
            draw(picture, options.recordings)
    (_HERE / "README.md").write_text(_HEAD + "".join(map(section, PICTURES)))


if __name__ == "__main__":
    main()
