"""How fast a recording larger than memory is analysed, in how much memory, beside the speed of its disk.

python benchmarks/large.py [make|compact|measure|growth] [--gb 10] [--rows 1000000] [--folder DIR]

Without a part, all of them. The recording holds the dimensionality D of n features in every row, and the loss: what an
analysis of levels and jumps reads, so that none of its bytes is passed over. With W (m, n), norm and interference, the
file would be 3 + m times as large, and the analysis would read the same bytes. Counted are the bytes of D, once for
each analysis. Before each reading the file's pages are put out of memory, and looked for there.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

import dyn
from dyn.dynamics.jumps import detect_jumps
from dyn.dynamics.levels import LEVELS, find_levels
from dyn.recorders.file.creation import create_file
from dyn.recorders.file.store import Store
from dyn.recorders.reading.selection import Selection, select
from dyn.recorders.rewriting.compact import compact
from dyn.recorders.ring.channels import Block, Channel

_AT_ONCE, _PAGE = 2**24, 4096
_GROWTH = (10_000, 30_000, 100_000, 300_000, 1_000_000)
_GROWTH_FEATURES = 64


def make(path: Path, rows: int, features: int, seed: int = 0) -> None:
    """Write a recording in which every feature rests at a level, and one in fifty jumps at each of five moments."""
    rng, f4 = np.random.default_rng(seed), np.dtype(np.float32)
    values = np.array([float(level.dimensionality) for level in LEVELS], f4)
    levels = values[rng.integers(len(values), size=features)] * np.ones((6, 1), f4)
    for event in range(1, 6):
        who = rng.choice(features, max(1, features // 50), replace=False)
        levels[event:, who] = values[rng.integers(len(values), size=len(who))]
    channel = Channel("features", "W/dimensionality", (features,), f4, f4, ("W.feature",))
    create_file(path, [channel], ["loss"], config="{}", token="benchmark")
    store, batch = Store(path), max(1, _AT_ONCE // (4 * features))
    for start in range(0, rows, batch):
        step = np.arange(start, min(start + batch, rows))
        # Ramps of one row in a hundred.
        place = np.clip((step[:, None] / rows - np.arange(1, 6) / 6) * 100, 0, 1).astype(f4)
        D = levels[0] + place @ np.diff(levels, axis=0)
        D += 0.01 * rng.standard_normal(D.shape, f4)
        store.append(Block(step, step / 1000, {"loss": 6.0 - place.sum(1)}, {channel.path: D}))
    store.close("complete")


def put_out_of_memory(path: Path) -> float:
    """Let the system forget what it keeps of a file; return the share of the file that it has kept all the same."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        pages = os.fstat(descriptor).st_size // _PAGE
        places = [random.randrange(pages) * _PAGE for _ in range(200)]
        return sum(_is_in_memory(descriptor, place) for place in places) / len(places)
    finally:
        os.close(descriptor)


def _is_in_memory(descriptor: int, place: int) -> bool:
    try:
        return os.preadv(descriptor, [bytearray(1)], place, os.RWF_NOWAIT) == 1
    except BlockingIOError:
        return False


def read_plainly(path: Path) -> float:
    """Return how many bytes a second the disk gives when the whole file is read from its beginning to its end.

    A disk that is lent by the minute gives its first gigabytes much faster than the others.
    """
    put_out_of_memory(path)
    buffer, began = bytearray(_AT_ONCE), time.perf_counter()
    with path.open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass
        return file.tell() / (time.perf_counter() - began)


def _read_columns(chosen: Selection) -> str:
    """Read all columns and do nothing with them, in groups of a quarter of a gigabyte."""
    D = chosen.recording.features[chosen.parameter]["dimensionality"]
    group = max(1, 2**28 // (4 * D.shape[0]))
    for start in range(0, D.shape[1], group):
        D[:, start : start + group]
    return f"groups of {group}"


def _jumps(chosen: Selection) -> str:
    return f"{len(detect_jumps(chosen.dimensionality, chosen.loss('loss'), chosen.step))} jumps"


def _levels(chosen: Selection) -> str:
    return f"{len(find_levels(chosen.dimensionality, chosen.step))} plateaus"


WORK: dict[str, Callable[[Selection], str]] = {"reading": _read_columns, "jumps": _jumps, "levels": _levels}


def work(path: Path, what: str) -> None:
    """Do it in this process, and print the figures: seconds, bytes counted, bytes that the disk gave, peak memory."""
    began = time.perf_counter()
    with dyn.open(path) as recording:
        found = WORK[what](select(recording))
        counted = 4 * int(np.prod(recording.features["W"]["dimensionality"].shape))
    seconds = time.perf_counter() - began
    lines = Path("/proc/self/io").read_text().splitlines()
    from_disk = next(int(line.split()[1]) for line in lines if line.startswith("read_bytes"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "counted": counted, "disk": from_disk, "peak": peak, "found": found}))


def in_a_process_of_its_own(path: Path, what: str) -> dict[str, float]:
    # A child's peak begins with that of its parent, unless it is started anew.
    command = [sys.executable, __file__, "work", "--file", str(path), "--what", what]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def measure(path: Path, label: str, works: Sequence[str]) -> None:
    # The speed of a disk that others use as well changes from minute to minute.
    before = read_plainly(path)
    for what in works:
        kept = put_out_of_memory(path)
        took = in_a_process_of_its_own(path, what)
        after = read_plainly(path)
        speed, disk = took["counted"] / took["seconds"], (before + after) / 2
        figures = [
            f"{label:>13} {what:>8} {took['seconds']:6.1f} s, {speed / 1e9:.2f} GB/s",
            f"disk {before / 1e9:.2f} before, {after / 1e9:.2f} after, ratio {speed / disk:.2f}",
            f"peak {took['peak'] / 1e6:.0f} MB",
            f"{took['disk'] / 1e9:.2f} GB came from the disk, {kept:.0%} was in memory before",
            f"{took['found']}",
        ]
        print("; ".join(figures), flush=True)
        before = after


def squeeze(source: Path, target: Path) -> None:
    put_out_of_memory(source)
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, time.perf_counter()
    compact(source, target, overwrite=True)
    seconds, size = time.perf_counter() - began, target.stat().st_size
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(
        f"compact: {size / 1e9:.2f} GB in {seconds:.0f} s, {size / seconds / 1e9:.2f} GB/s, written, read back and "
        f"compared; peak {peak / 1e6:.0f} MB (before {before / 1e6:.0f})"
    )


def growth(folder: Path) -> None:
    """Print what the analyses cost from ten thousand rows to a million, and the exponent of that cost."""
    seconds = []
    for rows in _GROWTH:
        path = folder / f"growth-{rows}.h5"
        make(path, rows, _GROWTH_FEATURES)
        compact(path)
        took = [in_a_process_of_its_own(path, what)["seconds"] for what in ("jumps", "levels")]
        path.unlink()
        seconds.append(sum(took))
        print(f"{rows:>9} rows, {_GROWTH_FEATURES} features: jumps {took[0]:.2f} s, levels {took[1]:.2f} s", flush=True)
    exponents = np.diff(np.log(seconds)) / np.diff(np.log(_GROWTH))
    print(f"cost grows as rows^{np.polyfit(np.log(_GROWTH), np.log(seconds), 1)[0]:.2f}, ", end="")
    print(f"from one to the next {', '.join(f'{each:.2f}' for each in exponents)}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Recordings larger than memory.")
    parser.add_argument("part", nargs="?", choices=["make", "compact", "measure", "growth", "work"])
    parser.add_argument("--gb", type=float, default=10.0)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="where the files go, and stay")
    parser.add_argument("--what", help=f"measure only some, of {','.join(WORK)}")
    parser.add_argument("--file", type=Path, help="measure one file only")
    arguments = parser.parse_args()
    if arguments.part == "work":
        work(arguments.file, arguments.what)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder, part = arguments.folder or Path(temporary), arguments.part
        by_rows, by_features = folder / "by-rows.h5", folder / "by-features.h5"
        if part in (None, "make"):
            make(by_rows, arguments.rows, round(arguments.gb * 1e9 / 4 / arguments.rows))
        if part in (None, "compact"):
            squeeze(by_rows, by_features)
        if part in (None, "measure"):
            files = {"feature-major": by_features, "time-major": by_rows}
            for label, path in files.items() if arguments.file is None else [(arguments.file.stem, arguments.file)]:
                measure(path, label, list(WORK) if arguments.what is None else arguments.what.split(","))
        if part in (None, "growth"):
            growth(folder)


if __name__ == "__main__":
    main()
