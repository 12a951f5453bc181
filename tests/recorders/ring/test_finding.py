"""Each file has its own ring, wherever it goes, and no other one."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

import dyn
from dyn.dynamics.errors import OutputExistsError, RecordingError
from dyn.recorders.ring.finding import follows, put_strays_aside, replacing
from dyn.recorders.ring.lock import claim
from dyn.recorders.ring.paths import ring_path
from dyn.recorders.writing.repair import repair

pytestmark = pytest.mark.usefixtures("small_ring")


def rows(path) -> int:
    with dyn.open(path) as recording:
        np.testing.assert_array_equal(recording.step, range(len(recording)))
        return len(recording)


@pytest.mark.parametrize("where", [".", "other"])
def test_a_file_that_was_moved_away_from_its_ring_finds_it(left, path, tmp_path, where):
    left(path)
    (tmp_path / "other").mkdir()
    moved = path.rename(tmp_path / where / "moved.h5")
    assert rows(moved) == 6
    assert repair(moved).rows == 6
    assert not ring_path(path).exists()


def test_one_that_was_moved_with_its_ring_has_that_beside_it(left, path, tmp_path):
    left(path)
    for suffix in ("", ".ring"):
        shutil.copyfile(f"{path}{suffix}", tmp_path / f"copy.h5{suffix}")
        Path(f"{path}{suffix}").unlink()
    assert rows(tmp_path / "copy.h5") == 6
    assert repair(tmp_path / "copy.h5").rows == 6


def test_a_folder_that_was_moved_is_whole(left, tmp_path):
    (tmp_path / "before").mkdir()
    left(tmp_path / "before" / "run.h5")
    os.link(tmp_path / "before" / "run.h5", tmp_path / "before" / "second.h5")
    (tmp_path / "before").rename(tmp_path / "after")
    assert rows(tmp_path / "after" / "second.h5") == 6
    assert rows(tmp_path / "after" / "run.h5") == 6


def test_a_copy_has_not_the_ring_and_says_what_is_missing(left, path, tmp_path):
    left(path)
    copy = tmp_path / "copy.h5"
    shutil.copyfile(path, copy)
    with pytest.warns(UserWarning, match=r"copy.h5: .*run.h5.ring, which has the rows after step 3, is not beside it"):
        assert rows(copy) == 4
    with pytest.warns(UserWarning, match=r"rows after step 3 may be missing"):
        assert repair(copy).rows == 4
    # The ring was not touched for it.
    assert rows(path) == 6


def test_an_older_copy_in_the_place_of_the_file_is_not_given_what_follows_the_newer_one(regression, path, tmp_path):
    recorder = dyn.attach(regression.model, regression.optimizer, path, writer="inline")
    regression.train(5, recorder)
    older = tmp_path / "older.h5"
    shutil.copyfile(path, older)
    regression.train(6, recorder)
    kept = ring_path(path).read_bytes()
    newer = path.read_bytes()
    recorder.close()
    # What a kill would have left, and a careless hand put back.
    shutil.copyfile(older, path)
    ring_path(path).write_bytes(kept)
    with pytest.warns(UserWarning, match=r"older copy .*rows after step 3 are missing"):
        assert rows(path) == 4
    with pytest.raises(RecordingError, match=r"is an older copy of the recording that run\.h5\.ring"):
        repair(path)
    with pytest.raises(RecordingError, match="is an older copy"):
        dyn.attach(regression.model, regression.optimizer, path, resume=True)
    assert ring_path(path).read_bytes() == kept
    path.write_bytes(newer)
    assert repair(path).rows == 11


@pytest.mark.parametrize(
    ("last", "filed", "first", "expected"),
    [
        (-1, -1, None, True),
        (-1, -1, 0, True),
        (7, 7, 8, True),
        # A row more is in the file than was noted, or the ring has it again.
        (9, 7, 8, True),
        (9, 9, 9, True),
        # Its final row is recorded again, and was cut off for that.
        (6, 7, 7, True),
        (5, 7, 8, False),
        (5, 7, None, False),
    ],
)
def test_rows_follow_unless_some_are_missing(last, filed, first, expected):
    assert follows(last, filed, first) == expected


def test_a_training_in_the_old_place_of_a_file_keeps_that_ones_ring(left, make_regression, path, tmp_path):
    left(path)
    moved = path.rename(tmp_path / "moved.h5")
    other = make_regression()
    with dyn.attach(other.model, other.optimizer, path) as recorder:
        other.train(9, recorder)
        assert rows(moved) == 6
    assert rows(path) == 10
    assert repair(moved).rows == 6
    assert sorted(file.name for file in tmp_path.iterdir()) == ["moved.h5", "run.h5"]


def test_a_name_that_is_replaced_leaves_the_other_name_of_its_file_the_ring(left, make_regression, path, tmp_path):
    left(path)
    os.link(path, tmp_path / "second.h5")
    other = make_regression()
    with dyn.attach(other.model, other.optimizer, path, overwrite=True) as recorder:
        other.train(2, recorder)
    assert (rows(path), rows(tmp_path / "second.h5")) == (3, 6)


def test_the_ring_of_what_is_replaced_goes_with_it(left, path, tmp_path):
    left(path)
    with replacing(path):
        path.write_bytes(b"another")
    assert [file.name for file in tmp_path.iterdir()] == ["run.h5"]


def test_it_stays_where_nothing_was_replaced(left, path):
    left(path)
    with pytest.raises(ZeroDivisionError), replacing(path):
        raise ZeroDivisionError
    assert rows(path) == 6


def test_nothing_is_put_in_the_place_of_a_file_that_is_being_written(path):
    path.touch()
    held = claim(path)
    with pytest.raises(OutputExistsError, match="being recorded at this moment"), replacing(path):
        path.unlink()
    held.release()
    assert path.exists()


def test_a_ring_without_rows_is_no_stray(regression, path):
    dyn.attach(regression.model, regression.optimizer, path)._ring.release()
    path.unlink()
    put_strays_aside(path)
    assert ring_path(path).exists()
