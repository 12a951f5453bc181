"""The page in headless Chromium: its size, and how many frames a second it shows while it plays.

Trains the geometry experiment for 20 000 steps and a run of 400 features, writes their pages and plays them.
"""

import argparse
import shutil
import tempfile
from pathlib import Path

from selenium import webdriver

import dyn
from dyn.dynamics.experiments import EXPERIMENTS, Experiment
from dyn.recorders.experiment import record_experiment
from dyn.viz import write_page

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--window-size=1280,900",
)  # fmt: skip
# A frame counts where the page shows another row than in the one before.
PLAY = """
const [seconds, done] = arguments;
const key = (name) => document.body.dispatchEvent(new KeyboardEvent("keydown", { key: name, bubbles: true }));
const step = document.getElementById("step");
let [frames, moved, before, started] = [0, 0, "", performance.now()];
const count = (now) => {
  frames += 1;
  moved += step.dataset.step !== before;
  before = step.dataset.step;
  if (now - started < 1000 * seconds) requestAnimationFrame(count);
  else done([frames / (now - started) * 1000, moved / (now - started) * 1000]);
};
key("Home");
key(" ");
requestAnimationFrame(count);
"""


def experiments() -> dict[str, Experiment]:
    small = EXPERIMENTS["geometry"].with_settings(steps=20_000, batch_size=256, evaluation_size=256)
    sizes = {"n_features": 400, "n_hidden": 30, "n_instances": None, "density": 0.1}
    large = EXPERIMENTS["uniform-geometry"].with_settings(**sizes, steps=1500, batch_size=128, every=2)
    return {"6 features in 3 dimensions": small, "400 features in 30 dimensions": large}


def play(page: Path, seconds: float) -> tuple[float, float]:
    """Return the frames a second that the browser draws, and those of them in which the polyhedron moves."""
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    with tempfile.TemporaryDirectory() as profile:
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        service = webdriver.ChromeService(shutil.which("chromedriver") or "")
        with webdriver.Chrome(options=options, service=service) as browser:
            browser.get(page.as_uri())
            drawn, moved = browser.execute_async_script(PLAY, seconds)
    return drawn, moved


def main() -> None:
    parser = argparse.ArgumentParser(description="The page: its size, and its frames a second in headless Chromium.")
    parser.add_argument("--seconds", type=float, default=8.0, help="how long each page plays")
    arguments = parser.parse_args()
    print(f"{'run':30}  {'rows':>6}  {'MB':>5}  {'frames/s':>8}  {'of which move':>13}")
    with tempfile.TemporaryDirectory() as folder:
        for name, experiment in experiments().items():
            path = record_experiment(experiment, Path(folder) / f"{experiment.name}.h5")
            with dyn.open(path) as recording:
                page, rows = write_page(recording, path.with_suffix(".html")), len(recording)
            drawn, moved = play(page, arguments.seconds)
            print(f"{name:30}  {rows:6}  {page.stat().st_size / 1e6:5.2f}  {drawn:8.1f}  {moved:13.1f}", flush=True)


if __name__ == "__main__":
    main()
