"""Whether a recording can be put at a path; apart from the rest, so that asking loads nothing heavy."""

import os
from collections.abc import Container
from contextlib import suppress
from pathlib import Path

from ...dynamics.errors import OutputExistsError, RecordingError, SettingError
from ..outputs import check_output
from .lock import is_claimed, is_held

# What other kinds of files are called, of those that lie beside a training.
_OTHERS = (
    *(".txt", ".log", ".md", ".rst", ".csv", ".tsv", ".json", ".jsonl", ".yaml", ".yml", ".toml", ".ini", ".xml"),
    *(".html", ".py", ".ipynb", ".sh", ".npy", ".npz", ".parquet", ".feather", ".arrow", ".pkl", ".pickle", ".pt"),
    *(".pth", ".ckpt", ".safetensors", ".onnx", ".zarr", ".rrd", ".db", ".sqlite", ".png", ".jpg", ".jpeg", ".gif"),
    *(".svg", ".pdf", ".webp", ".mp4", ".webm", ".zip", ".gz", ".tar"),
)
# What every HDF5 file begins with.
_SIGNATURE = b"\x89HDF\r\n\x1a\n"


def check_path(path: Path, *, overwrite: bool) -> None:
    """Raise SettingError, OutputExistsError or RecordingError where no recording can be put at *path*."""
    check_suffix(path)
    check_output(path, overwrite=overwrite)
    if is_live(path):
        raise OutputExistsError(f"{path} is being recorded at this moment; close its recorder or choose another path")


def check_suffix(path: Path) -> None:
    """Raise SettingError for the suffix of another kind of file, which whoever finds it would take it for.

    HDF5 is known by .h5, .hdf5, .hdf, .he5 and .nc; a suffix that nobody knows, or none, will do.
    """
    # One that lies there already, from whoever called it so, may be gone on with.
    if path.suffix.lower() in _OTHERS and not _is_hdf5(path):
        raise SettingError(f"{path} would be an HDF5 file, which {path.suffix} is not; call it {path.stem}.h5")


def _is_hdf5(path: Path) -> bool:
    with suppress(OSError), path.open("rb") as file:
        return file.read(len(_SIGNATURE)) == _SIGNATURE
    return False


def ring_path(recording: Path) -> Path:
    """Return where the ring of a recording lies."""
    return Path(f"{recording}.ring")


def is_live(recording: Path) -> bool:
    """Whether anybody writes the recording at this moment; asked of the file itself, whatever it is called."""
    return is_claimed(recording) or is_held(ring_path(named_by_its_ring(recording)))


def named_by_its_ring(path: Path) -> Path:
    """Return the file that *path* leads to by the name beside which its ring and its journal lie.

    Links are followed. Of several names in one folder, which hard links are, it is the one that has any of the two.
    """
    path = real(path)
    try:
        if path.stat().st_nlink < 2 or _has_companion(path):
            return path
        names = (Path(entry.path) for entry in os.scandir(path.parent) if entry.inode() == path.stat().st_ino)
        return next(filter(_has_companion, sorted(names)), path)
    except OSError:
        return path


def real(path: Path) -> Path:
    """Return where *path* leads to, without links; raises RecordingError where that goes round in a circle."""
    try:
        return path.resolve()
    except (OSError, RuntimeError) as error:
        raise RecordingError(f"{path} leads nowhere: its links go round in a circle") from error


def _has_companion(path: Path) -> bool:
    return any(Path(f"{path}{suffix}").exists() for suffix in (".ring", ".journal"))


def earlier_name(path: Path) -> Path:
    """Return the further name by which what lies at *path* is kept until what replaces it has begun."""
    return Path(f"{path}.earlier")


def free_path(path: Path, *, folder: Path, taken: Container[Path], overwrite: bool) -> Path:
    """Return *path*, with a number in its name where it is taken or lies in *folder* and must not be replaced."""
    candidate, k = path, 1
    while candidate in taken or ((folder / candidate).exists() and not overwrite):
        k += 1
        candidate = path.with_name(f"{path.stem}-{k}{path.suffix}")
    return candidate
