"""Pictures go where they were sent, whole or not at all."""

import pytest
from matplotlib.figure import Figure

from dyn.dynamics.errors import OutputExistsError, RecordingError, SettingError
from dyn.recorders.outputs import check_output, replaced_when_done
from dyn.viz.output import save_figure


@pytest.mark.parametrize(
    ("name", "error"),
    [("x.bmp", SettingError), ("x", SettingError), ("nowhere/x.png", RecordingError), ("old.png", OutputExistsError)],
)
def test_paths_that_cannot_be_used(tmp_path, name, error):
    (tmp_path / "old.png").touch()
    with pytest.raises(error, match=name.rpartition("/")[0] or name):
        check_output(tmp_path / name, (".png",), overwrite=False)


def test_overwriting_is_asked_for(tmp_path):
    path = tmp_path / "old.PNG"
    path.touch()
    assert save_figure(Figure(), path, overwrite=True) == path
    assert path.stat().st_size > 100


def test_a_failure_keeps_the_old_file(tmp_path):
    path = tmp_path / "x.png"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), replaced_when_done(path) as draft:
        draft.write_text("half")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
