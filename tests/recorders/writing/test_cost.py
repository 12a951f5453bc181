"""What a recording will take, in numbers and in words."""

import logging
from collections import namedtuple

import pytest

import dyn
from dyn.dynamics.experiments import EXPERIMENTS
from dyn.recorders import experiment
from dyn.recorders.schedule.trigger import Trigger
from dyn.recorders.text import readable
from dyn.recorders.writing.cost import Price, price_is_told, room_for_rows

Usage = namedtuple("Usage", ["total", "used", "free"])


@pytest.mark.parametrize(("total", "fits"), [(0, True), (99, True), (100, True), (101, False)])
def test_whether_it_fits(total, fits):
    price = Price(bytes_per_row=1, rows=total, total_bytes=total, free_bytes=100)
    assert price.fits is fits
    assert str(price).endswith("it fits" if fits else "it DOES NOT FIT")


def test_the_price_of_rows_on_the_disk_that_the_file_will_lie_on(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("shutil.disk_usage", lambda folder: asked.append(folder) or Usage(10**9, 0, 5000))
    (tmp_path / "there").mkdir()
    price = Price.of(24, 250, tmp_path / "there" / "not yet" / "nor this" / "run.h5")
    assert asked == [tmp_path / "there"]
    assert price == Price(24, 250, 6000, 5000)
    assert str(price) == "24 bytes a row, 250 rows, 6 kB in all; 5 kB free, it DOES NOT FIT"


def test_a_path_without_a_folder_lies_in_the_present_one(tmp_path, monkeypatch):
    asked = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: asked.append(folder) or Usage(1, 1, 0))
    assert Price.of(1, 0, type(tmp_path)("run.h5")).fits
    assert asked == [tmp_path]


@pytest.mark.parametrize(
    ("size", "words"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (1234, "1.23 kB"),
        (123_456, "123 kB"),
        (999_499, "999 kB"),
        (999_600, "1 MB"),
        (20 * 10**6, "20 MB"),
        (999.7e6, "1 GB"),
        (1.5e12, "1.5 TB"),
        (999.6e9, "1.0 TB"),
        (1.2345e16, "12,345.0 TB"),
    ],
)
def test_readable(size, words):
    assert readable(size) == words


@pytest.mark.parametrize(
    ("free", "says"),
    [
        (3 * 10**8, "3,000 bytes a row; 300 MB free"),
        (3 * 10**8 - 1, "3,000 bytes a row; 300 MB free, room for 99,999 rows: --every and --select record less"),
    ],
)
def test_a_recording_of_unknown_length_is_warned_where_there_is_little_room(tmp_path, monkeypatch, free, says):
    monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(10**12, 0, free))
    assert room_for_rows(3000, tmp_path) == says


@pytest.fixture
def logged(regression, tmp_path, monkeypatch, caplog):
    """Attach with so many bytes free, and return what the log of the package got of it: level and message."""

    def attach(free: int, **options) -> list[tuple[str, str]]:
        monkeypatch.setattr("shutil.disk_usage", lambda _: Usage(10**15, 0, free))
        caplog.clear()
        with caplog.at_level(logging.INFO, logger="dyn"):
            dyn.attach(regression.model, regression.optimizer, tmp_path / "run.h5", overwrite=True, **options).close()
        return [(each.levelname, each.getMessage()) for each in caplog.records if "bytes a row" in each.getMessage()]

    return attach


def test_attach_says_the_price_once(logged, tmp_path):
    ((level, said),) = logged(10**9)
    # W (4, 3) and b (4,) in single precision, step, time, loss and lr, and three numbers for each of three features.
    assert (level, said) == ("INFO", f"{tmp_path / 'run.h5'}: 132 bytes a row; 1 GB free, room for 7,575,757 rows")


def test_attach_warns_where_it_would_not_fit(logged):
    ((level, said),) = logged(10**7)
    assert level == "WARNING"
    assert "room for 75,757 rows, and 100,000 steps take 100,001 of them: every=… and select=… record less" in said
    # Sparser rows fit.
    assert logged(10**7, every=10)[0][0] == "INFO"
    ((level, said),) = logged(10**4, every=Trigger(sparse=100))
    assert level == "WARNING"
    assert "take at least 1,001 of them" in said


def test_whoever_says_the_price_keeps_attach_from_it(logged):
    with price_is_told():
        assert logged(10**7) == []
    assert len(logged(10**7)) == 1


def test_the_price_of_a_trigger_is_the_least(tmp_path):
    entry = EXPERIMENTS["geometry"].with_settings(steps=1000)
    price = experiment.price(entry, tmp_path / "run.h5", every=Trigger(sparse=10))
    assert "at least 101 rows, at least 21 kB in all" in str(price)
    assert "least" not in str(experiment.price(entry, tmp_path / "run.h5"))
