"""Whether a recording can be put at a path; apart from the rest, so that asking loads nothing heavy."""

from collections.abc import Container
from pathlib import Path

from ...dynamics.errors import OutputExistsError
from ..outputs import check_output
from .lock import is_held


def check_path(path: Path, *, overwrite: bool) -> None:
    """Raise OutputExistsError or RecordingError where no recording can be put at *path*; touch nothing."""
    check_output(path, overwrite=overwrite)
    if is_held(ring_path(path)):
        raise OutputExistsError(f"{path} is being recorded at this moment; close its recorder or choose another path")


def ring_path(recording: Path) -> Path:
    """Return where the ring of a recording lies."""
    return Path(f"{recording}.ring")


def free_path(path: Path, *, folder: Path, taken: Container[Path], overwrite: bool) -> Path:
    """Return *path*, with a number in its name where it is taken or lies in *folder* and must not be replaced."""
    candidate, k = path, 1
    while candidate in taken or ((folder / candidate).exists() and not overwrite):
        k += 1
        candidate = path.with_name(f"{path.stem}-{k}{path.suffix}")
    return candidate
