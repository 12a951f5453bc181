"""Drafts: at every moment the old or the new output is there, and a user's own files are never lost."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr

from dyn.dynamics.errors import OutputExistsError, RecordingError
from dyn.recorders.outputs import check_output, replaced_when_done


@pytest.fixture
def folder(tmp_path):
    (path := tmp_path / "run.zarr").mkdir()
    (path / "zarr.json").write_text("old")
    return path


def write_folder(draft: Path) -> None:
    draft.mkdir()
    (draft / "zarr.json").write_text("new")


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_the_old_folder_is_back_when_the_new_one_cannot_take_its_place(folder, monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(error), replaced_when_done(folder) as draft:
        write_folder(draft)
    assert (folder / "zarr.json").read_text() == "old"
    assert list(folder.parent.iterdir()) == [folder]


def test_the_old_folder_is_kept_aside_when_it_cannot_come_back(folder, monkeypatch):
    rename = Path.rename

    def fail(*_):
        raise OSError

    def rename_once(self, target):
        monkeypatch.setattr(Path, "rename", fail)
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", fail)
    monkeypatch.setattr(Path, "rename", rename_once)
    with pytest.raises(OSError), replaced_when_done(folder) as draft:  # noqa: PT011
        write_folder(draft)
    assert "old" in [file.read_text() for file in folder.parent.rglob("zarr.json")]


def test_an_interrupt_is_not_masked_by_a_folder_that_others_still_write_to(folder, monkeypatch):
    remove, failures = os.rmdir, iter([True, True])

    def refuse(path, **options):
        if next(failures, False):
            raise OSError(39, "Directory not empty")
        remove(path, **options)

    monkeypatch.setattr(os, "rmdir", refuse)
    with pytest.raises(KeyboardInterrupt), replaced_when_done(folder) as draft:
        write_folder(draft)
        raise KeyboardInterrupt
    assert list(folder.parent.iterdir()) == [folder]


def test_a_folder_that_is_written_to_again_after_its_removal_is_removed_again(folder, monkeypatch):
    remove, late = shutil.rmtree, iter([True])

    def remove_and_write(path, **options):
        remove(path, **options)
        if next(late, False):
            write_folder(path)

    monkeypatch.setattr(shutil, "rmtree", remove_and_write)
    with pytest.raises(KeyboardInterrupt), replaced_when_done(folder) as draft:
        write_folder(draft)
        raise KeyboardInterrupt
    assert list(folder.parent.iterdir()) == [folder]


@pytest.mark.parametrize("version", [2, 3])
@pytest.mark.parametrize("separator", [".", "/"])
def test_whatever_zarr_writes_may_be_replaced(tmp_path, version, separator):
    root = zarr.open_group(path := tmp_path / "run.zarr", mode="w", zarr_format=version)
    root.attrs["source"] = "run.h5"
    encoding = {"name": "v2" if version == 2 else "default", "separator": separator}
    for name, shape in (("deep/W", (4, 6)), ("number", ())):
        made = root.create_array(name, shape=shape, chunks=(2,) * len(shape), dtype=float, chunk_key_encoding=encoding)
        made[...] = np.ones(shape)
    check_output(path, as_folder=True, overwrite=True)


@pytest.mark.parametrize("place", ["thesis.txt", "deep/W/c/0/thesis.txt", "c.txt", "2024.txt"])
def test_a_folder_with_a_file_of_the_user_is_not_replaced(folder, place):
    (folder / place).parent.mkdir(parents=True, exist_ok=True)
    (folder / place).write_text("precious")
    with pytest.raises(OutputExistsError, match=rf"run\.zarr holds {place}, which is not Zarr's"):
        check_output(folder, as_folder=True, overwrite=True)


def test_a_folder_with_a_link_to_other_files_is_not_replaced(folder, tmp_path):
    (folder / "data").symlink_to(tmp_path)
    with pytest.raises(OutputExistsError, match=r"run\.zarr holds data, which is not Zarr's"):
        check_output(folder, as_folder=True, overwrite=True)


@pytest.mark.parametrize("overwrite", [True, False])
def test_a_device_or_a_pipe_is_never_replaced(tmp_path, overwrite):
    os.mkfifo(pipe := tmp_path / "run.h5")
    with pytest.raises(OutputExistsError, match=r"run\.h5 is a device or a pipe"):
        check_output(pipe, overwrite=overwrite)
    (link := tmp_path / "link.h5").symlink_to(pipe)
    with pytest.raises(OutputExistsError, match="device or a pipe"):
        check_output(link, overwrite=overwrite)


def test_a_read_only_folder_is_told_in_words(tmp_path, monkeypatch):
    """Root may write anywhere, so that the system is asked by another name here."""
    monkeypatch.setattr(os, "access", lambda path, mode: not (Path(path) == tmp_path and mode == os.W_OK))
    with pytest.raises(RecordingError) as raised:
        check_output(tmp_path / "run.h5", overwrite=False)
    assert str(raised.value) == (
        f"{tmp_path / 'run.h5'} cannot be written: the folder {tmp_path} is read-only for you; choose another one"
    )
    assert list(tmp_path.iterdir()) == []
