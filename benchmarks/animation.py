"""How fast an animation is drawn and encoded, beside a plain FuncAnimation that shows the same; what memory it takes.

Both write 1280x720 mp4 of one recording of the experiment geometry, by the same encoder with the same settings: three
panels, of which one is the polyhedron in space. The plain script clears and redraws its 3D axes for every frame, and
moves the cursors of the other two, as tutorials do. Ours is timed as a whole, from the recording to the closed file.

    python benchmarks/animation.py [--recording geometry.h5] [--frames 600] [--plain 60] [--workers 1]
"""

import argparse
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from matplotlib.animation import AbstractMovieWriter, FuncAnimation
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d.art3d import Poly3DCollection
from scipy.spatial import ConvexHull

import dyn
from dyn.dynamics.experiments import EXPERIMENTS
from dyn.recorders.experiment import record_experiment
from dyn.viz import animate

SIZE, FPS = (1280, 720), 30
ENCODER = ("libx264", {"preset": "superfast", "crf": "21", "b_strategy": "0", "sc_threshold": "0"})


class PlainWriter(AbstractMovieWriter):
    """What matplotlib's own writers do, a whole drawing of the figure for each frame, without a program to install."""

    def setup(self, fig: Figure, outfile: Any, dpi: float | None = None) -> None:
        """Open the file."""
        self.fig, self.outfile, self.dpi = fig, outfile, dpi or fig.dpi
        self._container = av.open(str(outfile), "w")
        self._stream = self._container.add_stream(ENCODER[0], rate=Fraction(FPS), options=ENCODER[1])
        self._stream.width, self._stream.height = SIZE
        self._stream.pix_fmt = "yuv420p"
        # The encoder's own default, which takes all cores.
        self._stream.thread_count = 0

    def grab_frame(self, **_: Any) -> None:
        """Draw the whole figure, and encode it."""
        self.fig.canvas.draw()
        pixels = np.asarray(self.fig.canvas.buffer_rgba())  # pyright: ignore[reportAttributeAccessIssue]
        self._container.mux(self._stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgba")))

    def finish(self) -> None:
        """Write what the encoder still holds."""
        self._container.mux(self._stream.encode())
        self._container.close()


def plain(recording: dyn.Recording, path: Path, frames: int) -> None:
    """Animate as a plain script would."""
    from matplotlib import pyplot as plt

    step, W = recording.step[:], recording.parameters["W"][:]
    figure = plt.figure(figsize=(SIZE[0] / 100, SIZE[1] / 100), dpi=100)
    space = figure.add_subplot(1, 2, 1, projection="3d")
    upper, lower = figure.add_subplot(2, 2, 2), figure.add_subplot(2, 2, 4)
    upper.plot(step, recording.features["W"]["dimensionality"][:])
    lower.plot(step, recording.scalars["expected_loss"][:])
    cursors = [ax.axvline(0, color="red") for ax in (upper, lower)]

    def update(row: int) -> None:
        space.cla()
        points = W[row].T.astype(float)
        space.add_collection3d(Poly3DCollection(points[ConvexHull(points).simplices], alpha=0.2, edgecolor="grey"))
        for i, (x, y, z) in enumerate(points):
            space.plot([0, x], [0, y], [0, z], color=f"C{i // 3}", marker="o")
            space.text(x, y, z, str(i))
        space.set(xlim=(-1, 1), ylim=(-1, 1), zlim=(-1, 1), title=f"step {step[row]}")
        space.view_init(20, -55 + 60 * row / len(step))
        for cursor in cursors:
            cursor.set_xdata([step[row], step[row]])

    rows = np.linspace(len(step) // 50, len(step) - 1, frames).astype(int)
    FuncAnimation(figure, update, frames=rows.tolist(), init_func=lambda: None, blit=False).save(
        str(path), writer=PlainWriter(FPS)
    )
    plt.close(figure)


def ours(recording: dyn.Recording, path: Path, frames: int, workers: int = 1) -> None:
    animate(recording, path, fps=FPS, seconds=frames / FPS, size=SIZE, workers=workers, overwrite=True)


def rate(frames: int, work: Callable[[], None]) -> float:
    """Return frames per second."""
    began = time.perf_counter()
    work()
    return frames / (time.perf_counter() - began)


def peak(recording: Path, path: Path, frames: int) -> float:
    """Return the megabytes that a process takes at most which does nothing but make this movie."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=measure_peak, args=(recording, path, frames, sender))
    process.start()
    megabytes = receiver.recv()
    process.join()
    return megabytes


def measure_peak(recording: Path, path: Path, frames: int, sender: Any) -> None:
    with dyn.open(recording) as opened:
        ours(opened, path, frames)
    # The peak of getrusage() would count what the process that started this one had.
    peaks = [line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")]
    sender.send(int(peaks[0]) / 1e3)


def main() -> None:
    parser = argparse.ArgumentParser(description="Animations: frames per second, and memory.")
    parser.add_argument("--recording", type=Path, help="of the experiment geometry [default: a short one is made]")
    parser.add_argument("--frames", type=int, default=600)
    parser.add_argument("--plain", type=int, default=60, help="frames of the plain script, which is slow")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--memory", action="store_true", help="also say what memory movies of several lengths take")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.recording
        if path is None:
            short = EXPERIMENTS["geometry"].with_settings(steps=3_000, batch_size=256, evaluation_size=256)
            path = record_experiment(short, Path(folder, "geometry.h5"))
        with dyn.open(path) as recording:
            movie = Path(folder, "a.mp4")
            slow = rate(arguments.plain, lambda: plain(recording, movie, arguments.plain))
            fast = rate(arguments.frames, lambda: ours(recording, movie, arguments.frames, arguments.workers))
        print(f"{os.cpu_count()} cores, {SIZE[0]}x{SIZE[1]}, mp4, encoding included")
        print(f"plain FuncAnimation   {slow:7.1f} frames/s ({arguments.plain} frames)")
        print(
            f"dyn animate           {fast:7.1f} frames/s ({arguments.frames} frames), {fast / slow:.1f} times as fast"
        )
        for suffix in ("mp4", "gif") if arguments.memory else ():
            for frames in (arguments.frames // 4, arguments.frames, 4 * arguments.frames):
                megabytes = peak(path, Path(folder, f"b.{suffix}"), frames)
                print(f"{suffix}, {frames:5} frames: {megabytes:6.0f} MB at most")


if __name__ == "__main__":
    main()
