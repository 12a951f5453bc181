"""The page in a browser, as a reader uses it: played, dragged, brushed and clicked."""

import numpy as np
import pytest
from selenium.webdriver import Keys

pytestmark = pytest.mark.slow


def test_it_opens_without_a_word_on_the_console_and_loads_nothing(reader, spinning, solid):
    for path in (spinning.page, solid):
        reader.open(path)
        assert reader.console == []
        assert reader.ask("return performance.getEntriesByType('resource').length") == 0


def test_it_opens_at_the_end_of_the_run(reader, spinning):
    spinning.is_at(reader, spinning.LAST)


def test_keys_step_through_the_rows(reader, spinning):
    reader.press(Keys.HOME)
    spinning.is_at(reader, 0)
    reader.press(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_LEFT)
    spinning.is_at(reader, 2 * spinning.EVERY)
    reader.press(Keys.END, Keys.ARROW_RIGHT)
    spinning.is_at(reader, spinning.LAST)


def test_n_and_p_go_from_event_to_event(reader, spinning):
    begins = sorted({int(mark["start"]) for mark in reader.data["marks"]})
    assert len(begins) > 2
    reader.press(Keys.HOME)
    for begin in [begin for begin in begins if begin > 0]:
        reader.press("n")
        spinning.is_at(reader, begin)
    reader.press("p")
    spinning.is_at(reader, begins[-2])


def test_space_plays_and_stops(reader, spinning):
    reader.press(Keys.HOME, Keys.SPACE)
    assert reader.see("#play").get_attribute("aria-label") == "Pause"
    reader.wait_until(lambda: reader.step > 20 * spinning.EVERY)
    reader.press(Keys.SPACE)
    stopped = reader.step
    assert stopped < spinning.LAST
    spinning.is_at(reader, stopped)
    assert reader.see("#play").get_attribute("aria-label") == "Play"


def test_an_arrow_key_stops_the_run_at_a_row(reader, spinning):
    reader.press(Keys.HOME, Keys.SPACE)
    reader.wait_until(lambda: reader.step > 20 * spinning.EVERY)
    reader.press(Keys.ARROW_LEFT)
    stopped = reader.step
    assert stopped % spinning.EVERY == 0
    spinning.is_at(reader, stopped)


def test_it_plays_to_the_end_and_from_the_start_again(reader, spinning):
    reader.press(Keys.END, Keys.ARROW_LEFT, Keys.SPACE)
    reader.wait_until(lambda: reader.step == spinning.LAST)
    spinning.is_at(reader, spinning.LAST)
    reader.see("#play").click()
    reader.wait_until(lambda: 0 < reader.step < spinning.LAST)


def test_the_time_line_is_dragged(reader, spinning):
    reader.press(Keys.HOME)
    # The thumb is 16 pixels wide, and its middle is what lies on the axis.
    width = reader.box("#time")["width"] - 16
    reader.drag("#time", -width / 2, (0.3 * width, 0))
    # Two pixels, for the thumb is not pressed in its very middle.
    assert reader.step == pytest.approx(0.3 * spinning.LAST, abs=2 / width * spinning.LAST + spinning.EVERY)
    spinning.is_at(reader, reader.step)


def test_brushing_the_loss_moves_the_polyhedron_and_what_was_brushed_plays(reader, spinning):
    reader.brush("#loss", 0.25, 0.5)
    # A pixel is a row, nearly.
    assert reader.step == pytest.approx(0.5 * spinning.LAST, abs=2 * spinning.EVERY)
    spinning.is_at(reader, reader.step)
    area, shade = reader.box("#levels .u-over"), reader.box("#levels .u-select")
    # To a pixel or two.
    assert (shade["x"] - area["x"]) / area["width"] == pytest.approx(0.25, abs=0.005)
    assert shade["width"] / area["width"] == pytest.approx(0.25, abs=0.005)
    reader.press(Keys.SPACE)
    seen = [reader.step for _ in range(20)]
    assert 0.24 * spinning.LAST < min(seen) <= max(seen) < 0.51 * spinning.LAST
    reader.press(Keys.SPACE, Keys.ESCAPE)
    assert reader.box("#levels .u-select")["width"] == 0


def test_a_click_on_a_panel_goes_there_and_brushes_nothing(reader, spinning):
    reader.brush("#levels", 0.6, 0.6)
    assert reader.step == pytest.approx(0.6 * spinning.LAST, abs=2 * spinning.EVERY)
    assert reader.box("#loss .u-select")["width"] == 0


def test_a_mark_leads_to_its_jump_and_is_lit_there(reader, spinning):
    mark = reader.all("#jumps button")[1]
    mark.click()
    # The jump was found from the recording, to a few rows.
    assert reader.step == pytest.approx(spinning.planted.jumps[1].start * spinning.EVERY, abs=5 * spinning.EVERY)
    spinning.is_at(reader, reader.step)
    assert mark.get_attribute("aria-current") == "true"
    assert "Jump" in reader.see("#now").text
    reader.press(Keys.END)
    assert mark.get_attribute("aria-current") == "false"


def test_a_feature_is_picked_out(reader):
    reader.see("#feature option[value='2']").click()
    faint = """return [...document.querySelectorAll("[data-feature]")]
        .filter((dot) => dot.firstChild.getAttribute("opacity") < 0.5).map((dot) => dot.dataset.feature)"""
    assert sorted(reader.ask(faint)) == ["0", "1", "3"]
    reader.press(Keys.ESCAPE)
    assert reader.ask(faint) == []


def test_steps_on_a_logarithmic_axis(reader, spinning):
    reader.see("#log").click()
    reader.press(Keys.HOME, *[Keys.ARROW_RIGHT] * 7)
    # Logarithmic above step 10, linear below; to a pixel or two.
    place = np.arcsinh(7 * spinning.EVERY / 10) / np.arcsinh(spinning.LAST / 10)
    np.testing.assert_allclose(reader.cursors, place, atol=0.003)
