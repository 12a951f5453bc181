"""What a page looks like in a browser: its polyhedron, its paper, its names, its width."""

import numpy as np
import pytest
import torch
from selenium.webdriver import ActionChains, Keys

import dyn
from dyn.viz import write_page

pytestmark = pytest.mark.slow


def test_the_polyhedron_is_seen_in_perspective_and_turns_with_the_mouse(reader, spinning, solid, geometry):
    reader.open(solid)
    # The eye is six lengths away, 20 degrees above the plane and 55 degrees to the left of the first axis.
    eye, azimuth, elevation = 6, *np.radians([-55, 20])
    right = np.array([np.cos(azimuth), np.sin(azimuth), 0])
    viewer = np.array([np.cos(elevation) * np.sin(azimuth), -np.cos(elevation) * np.cos(azimuth), np.sin(elevation)])
    W = geometry.parameters["W"][:].swapaxes(1, 2)
    seen = W[-1] / np.linalg.norm(W, axis=-1).max() @ np.column_stack([right, np.cross(viewer, right), viewer])
    before = reader.dots
    # The page takes the longest feature from the rows it looked at, a percent or so off that of all rows.
    np.testing.assert_allclose(before * spinning.REACH, seen[:, :2] * eye / (eye - seen[:, 2:]), atol=0.03)
    step = reader.step
    reader.drag("#space", 150, (90, 0))
    assert np.abs(reader.dots - before).max() > 0.1
    assert reader.step == step


def test_shift_and_an_arrow_key_turn_the_polyhedron(reader, solid):
    reader.open(solid)
    before, step = reader.dots, reader.step
    reader.ask("document.getElementById('space').focus()")
    ActionChains(reader.browser).key_down(Keys.SHIFT).send_keys(Keys.ARROW_LEFT).key_up(Keys.SHIFT).perform()
    assert np.abs(reader.dots - before).max() > 0.01
    assert reader.step == step


def test_a_plane_does_not_turn(reader):
    before = reader.dots
    reader.drag("#space", 150, (90, 40))
    np.testing.assert_array_equal(reader.dots, before)


def test_names_from_the_recording_are_text(reader, spinning):
    assert spinning.EVIL in reader.see("h1").text
    assert reader.browser.title.endswith(spinning.EVIL)
    assert reader.see("#settings").get_property("textContent").count(spinning.EVIL) == 3
    assert reader.ask("return window.harm") is None


def test_a_script_that_gets_into_the_page_does_not_run(reader):
    reader.ask("document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.harm=1'}))")
    assert reader.ask("return window.harm") is None
    assert "Content Security Policy" in reader.console[0]["message"]


def test_dark_paper_by_preference_and_by_choice(reader, spinning):
    for preference, other in (("dark", "light"), ("light", "dark")):
        media = {"features": [{"name": "prefers-color-scheme", "value": preference}]}
        reader.browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        reader.open(spinning.page)
        assert is_dark(reader) == (preference == "dark")
        reader.see("#theme").click()
        assert is_dark(reader) == (other == "dark")
        spinning.is_at(reader, spinning.LAST)
    assert reader.console == []


def is_dark(reader) -> bool:
    colour = reader.ask("return getComputedStyle(document.body).backgroundColor")
    return int(colour.removeprefix("rgb(").split(",")[0]) < 100


def test_it_fits_a_telephone(reader, spinning):
    try:
        reader.browser.set_window_size(400, 800)
        reader.open(spinning.page)
        assert reader.ask("return document.scrollingElement.scrollWidth <= innerWidth")
        spinning.is_at(reader, spinning.LAST)
    finally:
        reader.browser.set_window_size(1280, 900)


def test_a_single_row_without_a_loss_is_a_still_picture(reader, tmp_path):
    model = torch.nn.Linear(4, 3)
    dyn.attach(model, torch.optim.SGD(model.parameters(), lr=0.1), tmp_path / "run.h5").close()
    with dyn.open(tmp_path / "run.h5") as recording:
        reader.open(write_page(recording, tmp_path / "run.html"))
    reader.press(Keys.SPACE, Keys.ARROW_RIGHT, "n")
    assert reader.step == 0
    assert len(reader.dots) == 4
    assert reader.see("#losses").text == "no finite loss was logged"
    assert reader.console == []
