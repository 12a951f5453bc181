"""A recording is the same by whichever way one comes to it: links, folders that are links, names in other folders."""

import os
import shutil

import numpy as np
import pytest

import dyn
from dyn.dynamics.errors import OutputExistsError, RecordingError, SettingError
from dyn.recorders.rewriting.compact import compact
from dyn.recorders.rewriting.merge import merge
from dyn.recorders.ring.paths import is_live, named_by_its_ring, real, ring_path
from dyn.recorders.writing.repair import repair

pytestmark = pytest.mark.usefixtures("small_ring")


def symbolic(path):
    (path.parent / "link.h5").symlink_to(path.name)
    return path.parent / "link.h5"


def chain(path):
    (path.parent / "second.h5").symlink_to(symbolic(path))
    return path.parent / "second.h5"


def folder(path):
    (path.parent / "folder").symlink_to(path.parent)
    return path.parent / "folder" / path.name


def hard(path):
    os.link(path, path.parent / "hard.h5")
    return path.parent / "hard.h5"


def hard_elsewhere(path):
    (path.parent / "elsewhere").mkdir()
    os.link(path, path.parent / "elsewhere" / "hard.h5")
    return path.parent / "elsewhere" / "hard.h5"


WAYS = [symbolic, chain, folder, hard, hard_elsewhere]
SYMBOLIC = WAYS[:3]


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__)
def way(request):
    return request.param


def test_what_a_crash_left_is_all_there(left, path, way):
    run = left(path)
    with dyn.open(way(path)) as recording:
        assert (len(recording), recording.status) == (6, "aborted")
        np.testing.assert_array_equal(recording.scalars["loss"], run.losses)


def test_it_is_repaired(left, path, way):
    left(path)
    place = way(path)
    assert repair(place).rows == 6
    assert not ring_path(path).exists()
    for each in (path, place):
        with dyn.open(each) as recording:
            assert (len(recording), recording.status) == (6, "repaired")
    assert place.is_symlink() == (way in SYMBOLIC[:2])


def test_it_is_gone_on_with(left, make_regression, path, way):
    left(path)
    place, run = way(path), make_regression()
    with dyn.attach(run.model, run.optimizer, place, resume=True) as recorder:
        run.train(2, recorder)
    for each in (path, place):
        np.testing.assert_array_equal(dyn.open(each).step, range(9))


def test_a_live_one_is_live_and_left_alone(regression, path, way):
    with dyn.attach(regression.model, regression.optimizer, path) as recorder:
        place = way(path)
        regression.train(7, recorder)
        assert is_live(place)
        with dyn.open(place) as recording:
            assert (recording.status, len(recording)) == ("recording", 7)
            regression.train(6, recorder)
            assert len(recording.refresh()) == 13
        before = path.read_bytes()
        for refused in (repair, compact):
            with pytest.raises(RecordingError, match="is still being written; end the training first"):
                refused(place)
        for options in ({"resume": True}, {"overwrite": True}):
            with pytest.raises(OutputExistsError, match="being recorded at this moment"):
                dyn.attach(regression.model, regression.optimizer, place, **options)
        assert path.read_bytes() == before
    assert not is_live(place)
    np.testing.assert_array_equal(dyn.open(place).step, range(14))


@pytest.mark.parametrize("way", SYMBOLIC, ids=lambda way: way.__name__)
@pytest.mark.parametrize("exists", [True, False])
def test_a_link_stays_a_link_when_what_it_leads_to_is_replaced(left, make_regression, path, way, exists):
    if exists:
        left(path)
    place, run = way(path), make_regression()
    links = {each: each.readlink() for each in path.parent.iterdir() if each.is_symlink()}
    with dyn.attach(run.model, run.optimizer, place, overwrite=exists) as recorder:
        run.train(2, recorder)
    assert {each: each.readlink() for each in path.parent.iterdir() if each.is_symlink()} == links
    np.testing.assert_array_equal(dyn.open(path).step, range(3))


@pytest.mark.parametrize("way", SYMBOLIC, ids=lambda way: way.__name__)
def test_compacting_writes_through_links(recorded, tmp_path, way):
    before, place = len(dyn.open(recorded)), way(recorded)
    assert compact(place) == place
    assert len(dyn.open(recorded)) == before
    other = tmp_path / "other.h5"
    (tmp_path / "out.h5").symlink_to(other)
    compact(place, tmp_path / "out.h5")
    assert (tmp_path / "out.h5").is_symlink()
    assert other.stat().st_ino == (tmp_path / "out.h5").stat().st_ino


def test_one_of_two_names_is_compacted_and_the_other_stays_whole(left, path):
    left(path)
    place = hard(path)
    compact(place)
    assert (len(dyn.open(path)), len(dyn.open(place))) == (6, 6)


def test_a_relative_path_is_followed_once(left, path, monkeypatch, tmp_path):
    left(path)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    recording = dyn.open("run.h5")
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert len(recording.refresh().step[:]) == 6
    assert str(recording.path) == "run.h5"


def test_a_link_that_leads_elsewhere_by_now_changes_nothing(recorded, left, tmp_path):
    link = symbolic(recorded)
    recording = dyn.open(link)
    left(tmp_path / "other.h5")
    link.unlink()
    link.symlink_to("other.h5")
    assert len(recording.refresh().step[:]) == 11


def test_links_in_a_circle_lead_nowhere(regression, tmp_path):
    (tmp_path / "one.h5").symlink_to("two.h5")
    (tmp_path / "two.h5").symlink_to("one.h5")
    with pytest.raises(RecordingError, match="links go round in a circle"):
        dyn.attach(regression.model, regression.optimizer, tmp_path / "one.h5")
    with pytest.raises(RecordingError, match=r"one.h5"):
        dyn.open(tmp_path / "one.h5")


def test_of_many_names_it_is_the_one_with_the_ring(path, tmp_path):
    path.touch()
    names = [tmp_path / name for name in ("a.h5", "z.h5")]
    for name in names:
        os.link(path, name)
    shutil.copyfile(path, tmp_path / "copy.h5")
    assert [named_by_its_ring(each) for each in (path, *names)] == [path, *names]
    ring_path(names[0]).touch()
    assert {named_by_its_ring(each) for each in (path, *names)} == {real(names[0])}
    assert named_by_its_ring(tmp_path / "copy.h5") == tmp_path / "copy.h5"


@pytest.mark.parametrize("suffix", [".ring", ".journal"])
def test_a_change_that_was_begun_is_found_by_another_name(left, path, suffix):
    left(path)
    place = hard(path)
    ring_path(path).unlink()
    (path.parent / f"{path.name}{suffix}").touch()
    assert named_by_its_ring(place) == path


def test_a_file_that_is_moved_while_it_is_written_goes_on(regression, path, tmp_path):
    recorder = dyn.attach(regression.model, regression.optimizer, path)
    regression.train(6, recorder)
    moved = path.rename(tmp_path / "moved.h5")
    regression.train(3, recorder)
    with dyn.open(moved) as recording:
        assert (recording.status, len(recording)) == ("recording", 9)
    with pytest.warns(RuntimeWarning, match="deleted or replaced"):
        recorder.close()
    # Its final row too, which is in the ring.
    assert len(dyn.open(moved)) == 10
    assert repair(moved).rows == 10


def test_merging_names_its_own_output_by_another_way(recorded):
    with pytest.raises(SettingError, match="is one of the recordings to merge"):
        merge([recorded], hard(recorded), overwrite=True)
