"""A browser to open pages in, a reader who uses them, and a page whose every picture is known."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from selenium import webdriver
from selenium.webdriver import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

import dyn
from dyn.dynamics.synthetic.trajectories import Plan, plant
from dyn.viz import write_page

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--window-size=1280,900",
)  # fmt: skip
PATIENCE = 120


class Reader:
    """Uses a page with mouse and keys, and tells what there is to see."""

    def __init__(self, browser: WebDriver):
        self.browser = browser

    def open(self, path: Path) -> None:
        self.browser.get(path.as_uri())
        # The names of the levels are written last.
        self.wait_until(lambda: self.all(".level"))

    def wait_until(self, condition) -> None:
        WebDriverWait(self.browser, PATIENCE).until(lambda _: condition())

    def see(self, selector: str) -> WebElement:
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def ask(self, script: str, *arguments: object) -> Any:
        return self.browser.execute_script(script, *arguments)

    def press(self, *keys: str) -> None:
        ActionChains(self.browser).send_keys(*keys).perform()

    @property
    def console(self) -> list[dict[str, Any]]:
        """What the browser said since it was last asked."""
        return self.browser.get_log("browser")

    @property
    def data(self) -> dict[str, Any]:
        return json.loads(self.see("#data").get_property("textContent"))

    @property
    def step(self) -> int:
        return int(self.see("#step").get_attribute("data-step"))

    def box(self, selector: str) -> dict[str, float]:
        return self.ask("return document.querySelector(arguments[0]).getBoundingClientRect().toJSON()", selector)

    @property
    def cursors(self) -> list[float]:
        """Where the cursors and the time line's thumb are along the axis, 0 to 1."""
        places = []
        for panel in ("#levels", "#loss"):
            area, cursor = self.box(f"{panel} .u-over"), self.box(f"{panel} .cursor")
            places.append((cursor["x"] + cursor["width"] / 2 - area["x"]) / area["width"])
        return [*places, float(self.see("#time").get_property("value")) / 10_000]

    @property
    def dots(self) -> np.ndarray:
        """Where the features' dots are, (n, 2), from the middle of the picture, in half its shorter side; y upwards."""
        place = """const { width, height } = document.querySelector("#space svg").viewBox.baseVal;
            const half = Math.min(width, height) / 2;
            return [...document.querySelectorAll("[data-feature]")]
                .sort((a, b) => a.dataset.feature - b.dataset.feature)
                .map((dot) => dot.getAttribute("transform").match(/-?\\d[\\d.e-]*/g).map(Number))
                .map(([x, y]) => [x / half, -y / half])"""
        return np.array(self.ask(place))

    def drag(self, selector: str, x: float, by: tuple[float, float]) -> None:
        """Press the mouse at a place of an element, x pixels right of its middle, and let go of it elsewhere."""
        chain = ActionChains(self.browser, duration=50)
        chain.move_to_element_with_offset(self.see(selector), round(x), 0).click_and_hold()
        chain.move_by_offset(*map(round, by)).release().perform()

    def brush(self, panel: str, start: float, end: float) -> None:
        """Drag the mouse from one place along a panel's axis, 0 to 1, to another."""
        width = self.box(f"{panel} .u-over")["width"]
        self.drag(f"{panel} .u-over", (start - 0.5) * width, ((end - start) * width, 0))


class Spinning:
    """A run of four features in a plane that turn once, of which one is half as long; with jumps, and an evil name."""

    EVIL = "<script>window.harm=1</script>"
    ROWS, EVERY = 400, 10
    LAST = (ROWS - 1) * EVERY
    # The picture reaches so far from its middle to its nearer edge, in lengths of the longest feature.
    REACH = 1.25

    def __init__(self, folder: Path):
        self.planted = plant(Plan(rows=self.ROWS, features=4, events=2, noise=0.01, loss_noise=0.01), seed=1)
        with h5py.File(folder / "spinning.h5", "w", libver=("v110", "v110")) as file:
            file.attrs.update(format="learning-dynamics", format_version=1, status="complete", created="")
            file.attrs.update(software="the tests", config=json.dumps({"note": self.EVIL, self.EVIL: 1}))
            file["committed"] = [self.ROWS]
            file["step"], file["time"] = np.arange(self.ROWS) * self.EVERY, np.arange(self.ROWS, dtype=float)
            file["scalars/expected_loss"] = self.planted.expected_loss
            file[f"features/{self.EVIL}/dimensionality"] = self.planted.signal.astype("f4")
            W = np.array([self.features_at(step).T for step in file["step"][:]])
            file.create_dataset(f"parameters/{self.EVIL}", data=W).attrs["features"] = "columns"
        with dyn.open(folder / "spinning.h5") as recording:
            self.page = write_page(recording, folder / "spinning.html")

    def features_at(self, step: int) -> np.ndarray:
        """Where the features are at a step, (4, 2)."""
        angles = 2 * np.pi * (step / self.EVERY / self.ROWS + np.arange(4) / 4)
        return np.array([1, 1, 1, 0.5])[:, None] * np.column_stack([np.cos(angles), np.sin(angles)])

    def is_at(self, reader: Reader, step: int) -> None:
        """Hold the words, both cursors, the time line and the polyhedron to a step."""
        assert reader.step == step
        # A pixel of the panels is 1/450 of them.
        np.testing.assert_allclose(reader.cursors, step / self.LAST, atol=0.003)
        # The polyhedron is exact to a hundredth of a pixel, of 260.
        np.testing.assert_allclose(reader.dots * self.REACH, self.features_at(step), atol=1e-3)


@pytest.fixture(scope="session")
def browser(tmp_path_factory) -> Iterator[WebDriver]:
    """A headless Chromium with nothing in it."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if not (chromium and driver):
        why = "there is no Chromium to open the page in; on Debian: apt-get install chromium chromium-driver"
        pytest.fail(why) if os.environ.get("CI") else pytest.skip(why)
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options=options, service=webdriver.ChromeService(driver)) as opened:
        yield opened


@pytest.fixture(scope="session")
def spinning(tmp_path_factory) -> Spinning:
    return Spinning(tmp_path_factory.mktemp("pages"))


@pytest.fixture(scope="session")
def solid(geometry, tmp_path_factory) -> Path:
    """The page of the geometry experiment."""
    return write_page(geometry, tmp_path_factory.mktemp("pages") / "geometry.html")


@pytest.fixture
def reader(browser, spinning) -> Reader:
    """A reader who has just opened the spinning page."""
    reader = Reader(browser)
    reader.open(spinning.page)
    return reader
