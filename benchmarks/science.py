"""Every experiment of the catalogue at its full default size, beside what is known of it.

python benchmarks/science.py [NAME ...] [--folder FOLDER] [--seed N]

Recordings that are in the folder already are not made again.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter

import numpy as np

import dyn
from dyn.dynamics.experiments import EXPERIMENTS, find_experiment
from dyn.dynamics.geometry.measures import dimensionality, norms
from dyn.dynamics.phenomena.absolute_value import neuron_purity, neurons_per_sign
from dyn.dynamics.phenomena.adversarial import adversarial_increase
from dyn.dynamics.phenomena.collapse import collapsed_sets, set_cosines
from dyn.dynamics.phenomena.phase_diagram import phase_table, theoretical_phase
from dyn.dynamics.phenomena.waves import key_frequencies
from dyn.dynamics.theory import best_kgon, kgon_loss, phase_boundary
from dyn.recorders.experiment import record_experiment
from dyn.recorders.reading.recording import Recording

# What is measured, what is known, and whether they agree.
Row = tuple[str, str, str, bool]


def final(recording: Recording, name: str) -> np.ndarray:
    """Return a parameter as it was in the end, the instances at each point of the grid together."""
    W = recording.parameters[name][-1]
    repeat = recording.config["experiment"]["repeat"]
    return W.reshape(-1, repeat, *W.shape[1:]) if repeat > 1 else W


def best(recording: Recording, name: str) -> np.ndarray:
    """Return a final parameter of the instance with the least loss, at each point of the grid."""
    W = final(recording, name)
    loss = recording.probes["expected_loss_of_instance"][-1].reshape(W.shape[:2])
    return W[np.arange(len(W)), loss.argmin(1)]


def inform(values: np.ndarray, digits: int = 2) -> str:
    return " ".join(f"{value:.{digits}f}".rstrip("0").rstrip(".") for value in np.ravel(values))


def digons(recording: Recording) -> Iterator[Row]:
    D = dimensionality(recording.parameters["W"][-1])
    at_half = int((abs(D - 0.5) <= 0.02).sum())
    yield "features at 1/2, the others at 0", f"{at_half}, {int((D < 0.1).sum())}", "10, 20", at_half == 10


def octahedron(recording: Recording) -> Iterator[Row]:
    loss = recording.scalars["expected_loss"][-1]
    yield "final loss", f"{loss:.5f}", "0.0004", bool(abs(loss - 0.0004) < 1e-4)


def few_features(recording: Recording) -> Iterator[Row]:
    learned = (norms(recording.parameters["W"][-1]) > 0.5).sum(-1)
    yield "features learned", inform(learned), "2 4 5", list(learned) == [2, 4, 5]


def demonstration(recording: Recording) -> Iterator[Row]:
    learned = (norms(recording.parameters["W"][-1]) > 0.5).sum(-1)
    known = np.array([5, 5, 7, 9, 10, 12, 11, 14])
    yield "features learned", inform(learned), f"{inform(known)} ± 2", bool((abs(learned - known) <= 2).all())


def larger_demonstration(recording: Recording) -> Iterator[Row]:
    W = recording.parameters["W"][-1]
    learned = (norms(W) > 0.5).sum(-1)
    grows = bool((learned[:2] == 20).all() and learned[-1] > learned[1] and (np.diff(learned[1:5]) > 0).all())
    yield "features learned", inform(learned), "20 20, then more", grows


def phases(recording: Recording) -> Iterator[Row]:
    setup = recording.config["experiment"]
    sizes = setup["n_features"], setup["n_hidden"]
    p, r = np.array(setup["density"])[:, None], np.array(setup["importance_extra"])
    W = final(recording, "W")
    table = phase_table(W, recording.probes["expected_loss_of_instance"][-1].reshape(W.shape[:2]))
    agrees = table.phase.reshape(len(p), len(r)) == theoretical_phase(*sizes, p, r)
    far = abs(np.log(p / phase_boundary(*sizes, r))) >= 0.15
    share = agrees[far].mean()
    yield f"agrees with theory, {far.sum()} points", f"{share:.1%}", "at least 90%", bool(share >= 0.9)
    yield "agrees with theory, every point", f"{agrees.mean():.1%}", "", True


def stickiness(recording: Recording) -> Iterator[Row]:
    W = recording.parameters["W"][-1]
    found = W.shape[-2] / (W**2).sum((-2, -1))
    sparsity = 1 / np.array(recording.config["experiment"]["density"])
    known = {1.60: 0.817, 2.20: 0.525, 2.58: 0.510, 3.02: 0.505, 3.53: 0.487, 4.13: 0.459, 4.84: 0.384, 5.67: 0.332}
    for at, D in known.items():
        here = found[abs(sparsity - at).argmin()]
        # Between the sticky values D* falls steeply.
        yield f"D* at 1/(1-S) = {at:.2f}", f"{here:.3f}", f"{D:.3f}", bool(abs(here - D) <= (0.1 if at < 2 else 0.03))


def right_angles(recording: Recording) -> Iterator[Row]:
    share = (abs(set_cosines(final(recording, "W"), 2)) < 0.2).all(-1).mean()
    yield "models with both pairs at right angles", f"{share:.0%}", "as a rule", bool(share > 0.5)


def antipodes(recording: Recording) -> Iterator[Row]:
    cosine = set_cosines(best(recording, "W"), 2)
    yield "largest cosine of a pair, best of the seeds", f"{cosine.max():.2f}", "-1", bool(cosine.max() < -0.95)
    share = (set_cosines(final(recording, "W"), 2) < -0.95).all(-1).mean()
    yield "models with both pairs antipodal", f"{share:.0%}", "", True


def collapse(recording: Recording) -> Iterator[Row]:
    found, known = collapsed_sets(best(recording, "W"), 3), np.array([3, 3, 2, 1, 0])
    agrees = bool((found[:4] == known[:4]).all() and found[4] <= 1)
    yield "collapsed pairs, best of the seeds", inform(found), "3 3 2 1 ~0", agrees


def absolute_value(recording: Recording) -> Iterator[Row]:
    counts = neurons_per_sign(final(recording, "W1"))
    whole = (counts == 1).all((-2, -1)).mean()
    yield "models with one neuron for each sign", f"{whole:.0%}", "the best", bool(whole > 0.5)
    is_pair = bool((neurons_per_sign(best(recording, "W1")) == 1).all())
    yield "the best model has", "6 pure neurons" if is_pair else "others", "6 pure neurons", is_pair


def neuron_superposition(recording: Recording) -> Iterator[Row]:
    W1 = recording.parameters["W1"][-1]
    size = np.linalg.norm(W1, axis=-1)
    purity = [neuron_purity(each)[own > 0.1 * own.max()].mean() for each, own in zip(W1, size, strict=True)]
    yield "mean purity of the neurons", inform(np.array(purity)), "falls with p", purity[0] > 0.9 > 0.5 > purity[-1]


def attacks(recording: Recording) -> Iterator[Row]:
    W, b = recording.parameters["W"][-1], recording.parameters["b"][-1]
    p = np.array(recording.config["experiment"]["density"])
    generator = np.random.default_rng(0)
    shape = (len(p), 1000, W.shape[-1])
    x = generator.random(shape) * (generator.random(shape) < p[:, None, None])
    found = adversarial_increase(W, b, x).vulnerability
    yield "vulnerability", inform(found), "", True
    ratio = found.max() / found[0]
    yield "the most, beside no superposition", f"{ratio:.1f}", "> 3", bool(ratio > 3)


def plateaus(recording: Recording) -> Iterator[Row]:
    n = recording.config["experiment"]["n_features"]
    loss = recording.probes["expected_loss_of_instance"][:]
    every = int(recording.step[1])
    for name, sides, lifted in (("4", 4, 0), ("4++", 4, 2), ("5", 5, 0), ("5+", 5, 1)):
        known = kgon_loss(best_kgon(sides), n, lifted=lifted)
        stays = every * (abs(loss / known - 1) < 0.01).sum(0)
        measured = f"{(stays >= 200).sum()} of {loss.shape[1]} models"
        yield f"200 steps within 1 % of {name}, {known:.5f}", measured, "some", bool((stays >= 200).any())


def grokking(recording: Recording) -> Iterator[Row]:
    step = recording.step[:]
    known, found = (_first(step, recording.scalars[name][:] >= 0.99) for name in ("train_accuracy", "test_accuracy"))
    yield "step of train accuracy 0.99", f"{known:g}", "< 1 000", bool(known < 1000)
    yield "step of test accuracy 0.99", f"{found:g}", "4 000 to 15 000", bool(4000 < found < 15_000)
    key, left = key_frequencies(recording.parameters["E"][-1]), recording.scalars["excluded_accuracy"][-1]
    yield f"test accuracy without {inform(key, 0)}", f"{left:.2f}", "destroyed", bool(left < 0.05)
    # Half of the way down from what knowing nothing costs.
    half = np.log(59) / 2
    restricted, test = (_first(step, recording.scalars[name][:] < half) for name in ("restricted_loss", "test_loss"))
    yield (
        "restricted and test loss at half of guessing",
        f"{restricted:g}, {test:g}",
        "in this order",
        restricted < test,
    )


def induction(recording: Recording) -> Iterator[Row]:
    step, scalars = recording.step[:], recording.scalars
    formed = _first(step, scalars["loss_repeated"][:] < 1)
    yield "step of loss on repeated tokens < 1", f"{formed:g}", "250 to 1 000", bool(250 < formed < 1000)
    least = scalars["control_loss_repeated"][:].min()
    yield "least loss of one layer on repeated tokens", f"{least:.2f}", "> 2", bool(least > 2)
    best = recording.probes["prefix_score"][:].max((1, 2))
    matched = _first(step, best > 0.25)
    yield "step of a head's prefix score > 0.25", f"{matched:g}", "in the same jump", bool(abs(matched - formed) <= 250)


def _first(step: np.ndarray, is_so: np.ndarray) -> float:
    """Return the first step at which something is so, infinity where it never is."""
    return float(step[is_so][0]) if is_so.any() else np.inf


CHECKS: dict[str, Callable[[Recording], Iterator[Row]]] = {
    "intro": few_features,
    "demonstration": demonstration,
    "demonstration-80": larger_demonstration,
    "phase-2x1": phases,
    "phase-3x2": phases,
    "uniform-geometry": stickiness,
    "correlated": right_angles,
    "anticorrelated": antipodes,
    "pca-collapse": collapse,
    "energy-levels": digons,
    "geometry": octahedron,
    "absolute-value": absolute_value,
    "absolute-value-superposition": neuron_superposition,
    "adversarial": attacks,
    "k-gons": plateaus,
    "grokking": grokking,
    "induction-heads": induction,
}


def check(name: str, folder: Path, seed: int | None) -> None:
    path = folder / f"{name}.h5"
    if not path.exists():
        began = perf_counter()
        experiment = find_experiment(name)
        record_experiment(experiment if seed is None else experiment.with_settings(seed=seed), path)
        print(f"{name}: {perf_counter() - began:.0f} s, {path.stat().st_size / 1e6:.0f} MB", flush=True)
    with dyn.open(path) as recording:
        for what, measured, known, agrees in CHECKS[name](recording):
            print(f"{name:29}{what:45}{measured:50}{known:26}{'yes' if agrees else 'NO'}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description="Every experiment beside what is known of it.")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--folder", type=Path, help="where recordings are and stay [default: they are not kept]")
    parser.add_argument("--seed", type=int, help="another seed than the catalogue's")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        for name in options.names or EXPERIMENTS:
            check(name, options.folder or Path(scratch), options.seed)


if __name__ == "__main__":
    main()
