"""Sealed files: whole or not there at all."""

import numpy as np
import pytest

from dyn.recorders.sweeps.task_files import SealedFolder


@pytest.fixture
def folder(tmp_path) -> SealedFolder:
    return SealedFolder(tmp_path / "sweep.h5.tasks")


def test_what_is_sealed_comes_back(folder):
    assert not folder.has("a")
    folder.seal("a", {"W": np.arange(6.0).reshape(2, 3), "b": np.zeros(0, np.float32)})
    assert folder.has("a")
    back = folder.read("a")
    np.testing.assert_array_equal(back["W"], [[0, 1, 2], [3, 4, 5]])
    assert back["b"].dtype == np.float32


def test_a_write_that_fails_leaves_nothing(folder, monkeypatch):
    def full(file, **_):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(OSError, match="space"):
        folder.seal("a", {"W": np.zeros(3)})
    assert not folder.has("a")
    assert not list(folder.path.iterdir())


def test_a_failure_is_kept_until_it_is_forgiven_or_made_good(folder):
    assert folder.failure("a") is None
    folder.fail("a", "it went wrong")
    assert folder.failure("a") == "it went wrong"
    folder.forgive(["a", "never failed"])
    assert folder.failure("a") is None
    folder.fail("a", "again")
    folder.seal("a", {})
    assert folder.failure("a") is None


def test_a_discarded_folder_is_gone(folder):
    folder.seal("a", {})
    folder.fail("b", "it went wrong")
    # What a worker was writing when it was killed.
    (folder.path / ".c.npz.draft").touch()
    folder.discard(["a", "b", "c"])
    assert not folder.path.exists()


def test_what_belongs_to_another_sweep_stays(folder):
    folder.seal("a", {})
    folder.seal("b", {})
    folder.discard(["a"])
    assert not folder.has("a")
    assert folder.has("b")
