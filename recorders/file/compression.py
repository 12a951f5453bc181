"""The compressions that a recording's arrays may have: HDF5's own, and those of the extra [compression].

The command line names them, so that HDF5 is loaded where it is used only.
"""

from typing import TYPE_CHECKING, Any

from ...dynamics.errors import MissingExtraError, unknown_name

if TYPE_CHECKING:
    import h5py

# gzip is read by every HDF5; the others need a plugin. Bytes are shuffled, since those of like weight resemble each
# other from row to row, which those of one number do not.
COMPRESSIONS = ("none", "gzip", "zstd", "lz4")
_EXTRA = "compression"


def filters_of(compression: str) -> dict[str, Any]:
    """Return what h5py's create_dataset() is told for a compression.

    Raises SettingError for an unknown one, MissingExtraError for one whose plugin is not installed.
    """
    if compression not in COMPRESSIONS:
        raise unknown_name("compression", compression, COMPRESSIONS)
    if compression == "none":
        return {}
    if compression == "gzip":
        return {"compression": "gzip", "shuffle": True}
    try:
        import hdf5plugin
    except ImportError as error:
        raise MissingExtraError.for_feature(f"compression={compression!r}", _EXTRA) from error
    plugin = hdf5plugin.Zstd() if compression == "zstd" else hdf5plugin.LZ4()
    return {**plugin, "shuffle": True}


def is_compressed(dataset: "h5py.Dataset") -> bool:
    """Whether the values go through any filter on their way to the file."""
    return dataset.id.get_create_plist().get_nfilters() > 0


def make_readable(dataset: "h5py.Dataset") -> None:
    """Load the plugins for HDF5 if *dataset* needs one; raises MissingExtraError where they are not installed."""
    import h5py

    settings = dataset.id.get_create_plist()
    codes = [settings.get_filter(k)[0] for k in range(settings.get_nfilters())]
    if all(h5py.h5z.filter_avail(code) for code in codes):
        return
    try:
        import hdf5plugin  # noqa: F401
    except ImportError as error:
        raise MissingExtraError.for_feature(f"{dataset.file.filename} is compressed; reading it", _EXTRA) from error
