"""Identify the polytopes of the catalogue and their tegum products under rotation, permutation, scale and noise.

Each draw puts a product's vertices into a random orthonormal frame, shuffles the features, scales them all by a random
factor and adds noise: 3 % of a vector's length in all, or 3 % in each coordinate. It is right when exactly the
planted components are found, each under its name.

    python benchmarks/identify.py [PRODUCT …] [--draws 1000] [--noise 0.03] [--extra 2]
"""

import argparse
import time

import numpy as np

from dyn.dynamics.polytopes import identify
from dyn.dynamics.polytopes.shapes import vertices
from dyn.dynamics.synthetic.trajectories import tegum_product

SIMPLICES = [f"{k}-simplex" for k in range(4, 9)]
POLYGONS = ["pentagon", *[f"{k}-gon" for k in range(6, 13)]]
SOLIDS = ["square antiprism", "cube", "icosahedron", "dodecahedron"]
SINGLE = ["dedicated", "merged", "digon", "triangle", "tetrahedron", *SIMPLICES, *POLYGONS, *SOLIDS]
PRODUCTS = {
    "square": ["digon"] * 2,
    "octahedron": ["digon"] * 3,
    "triangular bipyramid": ["triangle", "digon"],
    "pentagonal bipyramid": ["pentagon", "digon"],
    "two triangles": ["triangle"] * 2,
    "tetrahedron + triangle": ["tetrahedron", "triangle"],
    "4-simplex + 5-simplex": ["4-simplex", "5-simplex"],
    "antiprism + pentagon + dedicated": ["square antiprism", "pentagon", "dedicated"],
    "three dedicated + two digons": ["dedicated"] * 3 + ["digon"] * 2,
    "one of each level": ["dedicated", "tetrahedron", "triangle", "digon", "pentagon", "square antiprism"],
    "five pentagons": ["pentagon"] * 5,
    "ten digons": ["digon"] * 10,
    "ten dedicated": ["dedicated"] * 10,
}


def tell(title: str, names: list[str], options: argparse.Namespace) -> int:
    """Print how many draws of one product are right, and return how many are wrong."""
    told, wrong = [], 0
    size = sum(len(vertices(name)) for name in names) + options.extra
    for per_coordinate in (False, True):
        rng = np.random.default_rng(0)
        right, least = 0, 1.0
        for _ in range(options.draws):
            noise = options.noise if per_coordinate else options.noise / np.sqrt(size)
            W, planted = tegum_product(names, rng, noise=noise, extra=options.extra)
            found = identify(W)
            right += {(polytope.name, polytope.features) for polytope in found} == planted
            least = min(least, *(polytope.confidence for polytope in found))
        told.append(f"{right}/{options.draws}, confidence from {least:.2f}")
        wrong += options.draws - right
    print(f"{title:34} of the length: {told[0]}; in each coordinate: {told[1]}", flush=True)
    return wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("products", nargs="*", help="some of the products; all without")
    parser.add_argument("--draws", type=int, default=1000)
    parser.add_argument("--noise", type=float, default=0.03)
    parser.add_argument("--extra", type=int, default=2)
    options = parser.parse_args()
    known = {name: [name] for name in SINGLE} | PRODUCTS
    chosen = options.products or list(known)
    began = time.perf_counter()
    wrong = sum(tell(title, known[title], options) for title in chosen)
    print(f"{wrong} wrong of {2 * options.draws * len(chosen)} in {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
