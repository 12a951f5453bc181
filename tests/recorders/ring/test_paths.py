"""Where a recording may be put."""

from pathlib import Path

import h5py
import pytest

from dyn.dynamics.errors import OutputExistsError, RecordingError, SettingError
from dyn.recorders.ring.paths import check_path, free_path


def test_check_path_refuses_what_cannot_be(tmp_path):
    (tmp_path / "taken.h5").touch()
    check_path(tmp_path / "free.h5", overwrite=False)
    check_path(tmp_path / "taken.h5", overwrite=True)
    with pytest.raises(OutputExistsError, match=r"taken.h5 exists already.*overwrite=True"):
        check_path(tmp_path / "taken.h5", overwrite=False)
    with pytest.raises(OutputExistsError, match="directory"):
        check_path(tmp_path, overwrite=True)
    with pytest.raises(RecordingError, match=r"nowhere is no directory.*create it"):
        check_path(tmp_path / "nowhere" / "run.h5", overwrite=False)


def test_free_path_numbers_what_is_taken_or_must_stay(tmp_path):
    path = Path("run.net.h5")
    (tmp_path / path).touch()
    numbered = [Path("run.net-2.h5"), Path("run.net-3.h5")]
    assert free_path(path, folder=tmp_path, taken=[], overwrite=True) == path
    assert free_path(path, folder=tmp_path, taken=[], overwrite=False) == numbered[0]
    assert free_path(path, folder=tmp_path, taken=[path, numbered[0]], overwrite=True) == numbered[1]


@pytest.mark.parametrize("name", ["run.txt", "train.py", "run.PT", "run.csv"])
def test_a_recording_is_not_called_as_another_kind_of_file_is(tmp_path, name):
    with pytest.raises(SettingError, match=rf"{name} would be an HDF5 file.*call it \w+.h5"):
        check_path(tmp_path / name, overwrite=True)
    # One that lies there already may be gone on with.
    with h5py.File(tmp_path / name, "w"):
        pass
    check_path(tmp_path / name, overwrite=True)


@pytest.mark.parametrize("name", ["run.h5", "run.hdf5", "run.nc", "run", "run.3", "v0.2"])
def test_other_names_will_do(tmp_path, name):
    check_path(tmp_path / name, overwrite=False)
