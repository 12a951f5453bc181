"""How fast rows reach the disk, beside a plain sequential write of the same bytes.

Rows of 7.5 MB, those of a 784-1024-1024-10 MLP, are recorded as fast as the recorder takes them, without any training,
until the file is closed; then the same number of bytes is written to a plain file, row by row. Both end with an fsync,
so that the disk is what is compared. They alternate, and the median of their ratio is printed.

    python benchmarks/throughput.py [--rows 200] [--rounds 5] [--writer auto|inline|process] [--folder .]
"""

import argparse
import os
import statistics
import tempfile
from pathlib import Path
from time import perf_counter

from workloads import mlp

import dyn
from dyn.recorders.writing.start import WriterKind


def recorded(path: Path, rows: int, writer: WriterKind) -> tuple[int, float]:
    """Return bytes a second."""
    model = mlp().model
    began = perf_counter()
    with dyn.attach(model, None, path, writer=writer) as recorder:
        for _ in range(rows - 1):
            recorder.step()
    with path.open("rb") as file:
        os.fsync(file.fileno())
    return recorder.bytes_per_row, rows * recorder.bytes_per_row / (perf_counter() - began)


def plain(path: Path, rows: int, size: int) -> float:
    """Return bytes a second."""
    row = os.urandom(size)
    began = perf_counter()
    with path.open("wb", buffering=0) as file:
        for _ in range(rows):
            file.write(row)
        os.fsync(file.fileno())
    return rows * size / (perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description="How fast rows reach the disk.")
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--writer", default="auto")
    parser.add_argument("--folder", type=Path, default=Path())
    arguments = parser.parse_args()
    ratios = []
    print("recorded MB/s   plain MB/s   ratio")
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            size, ours = recorded(Path(folder, "run.h5"), arguments.rows, arguments.writer)
        with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
            theirs = plain(Path(folder, "plain"), arguments.rows, size)
        ratios.append(ours / theirs)
        print(f"{ours / 1e6:13.0f}   {theirs / 1e6:10.0f}   {ratios[-1]:5.2f}", flush=True)
    print(f"{'median':>13s}   {'':10s}   {statistics.median(ratios):5.2f}")


if __name__ == "__main__":
    main()
