"""Merging the recordings of several ranks, each of its own shards, into one recording of the whole model."""

import json
import os
import uuid
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import numpy as np

from ...dynamics.errors import RecordingError, SettingError
from ..file.creation import create_file
from ..file.journal import put_in_place
from ..file.store import Store
from ..reading.recording import open_recording
from ..ring.channels import Block, array_channel, check_channels, row_bytes
from ..ring.derived import with_features
from ..ring.finding import replacing
from ..ring.layout import NAN, is_absent
from ..ring.paths import check_path, real
from .shards import RankRows, by_rank, whole_parameters

# How much is held of all arrays at a time; one row is, however large it may be.
_BATCH_BYTES = 2**26
_LOSSES = "loss_of_rank"


def merge(paths: Sequence[str | os.PathLike[str]], output: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Put the recordings that the ranks of one training made of their shards together; return the new one's path.

    The rows are the steps that every rank has; a warning says how many others were left out. Parameters are assembled
    from their shards, and their features computed. loss is the mean over the ranks that logged one, each of which has
    its own in the probe loss_of_rank, (T, ranks); everything else, buffers too, is that of the first rank that has it.
    The status is complete if all are, else aborted. The ranks' recordings stay as they are; rows are read in batches.

    Raises SettingError or OutputExistsError for arguments that cannot be used, RecordingError for recordings that make
    no whole, because a rank is missing or they are of different trainings, and for a file that cannot be written.
    """
    output = Path(output).absolute()
    check_path(output, overwrite=overwrite)
    if any(output.exists() and Path(path).exists() and output.samefile(path) for path in paths):
        raise SettingError(f"output={str(output)!r} is one of the recordings to merge; choose another path")
    with ExitStack() as opened:
        ranks = by_rank([opened.enter_context(open_recording(path)) for path in paths])
        # A link stays a link: what it leads to is replaced.
        Merger(ranks).write(real(output))
        left_out = [f"{rank.left_out} of rank {k}" for k, rank in enumerate(ranks) if rank.left_out]
    if left_out:
        warnings.warn(f"{output}: rows that not every rank has were left out: {', '.join(left_out)}", stacklevel=2)
    return output


class Merger:
    """The whole that the recordings of the ranks make."""

    def __init__(self, ranks: Sequence[RankRows]):
        self._ranks = ranks
        self._parameters = whole_parameters(ranks)
        self._scalars = _first_with(ranks, "scalars")
        self._probes = _first_with(ranks, "probes")
        self._buffers = _first_with(ranks, "buffers")
        self._logging = [k for k, rank in enumerate(ranks) if rank.has_loss()]
        self._channels = [parameter.channel for parameter in self._parameters]
        self._channels += [rank.channel("probes", name) for name, rank in self._probes.items()]
        self._channels += [rank.channel("buffers", name) for name, rank in self._buffers.items()]
        if len(self._logging) > 1 and _LOSSES not in self._probes:
            self._channels.append(array_channel("probes", _LOSSES, np.empty(len(ranks))))
        check_channels(self._channels)

    def write(self, output: Path) -> None:
        """Write it to *output*, all of it or nothing."""
        draft = output.with_name(f"{output.name}.merge")
        first = self._ranks[0].recording
        attributes = {
            "created": first.created,
            "merged_from": json.dumps([rank.recording.path.name for rank in self._ranks]),
            "not_recorded": json.dumps(self._ranks[0].not_recorded()),
            "rows_left_out": json.dumps([rank.left_out for rank in self._ranks]),
        }
        token = uuid.uuid4().hex
        config = json.dumps(first.config)
        options = {"config": config, "token": token, "attributes": attributes}
        create_file(draft, self._channels, self._scalars, constants=self._ranks[0].constants(), **options)
        try:
            self._fill(draft)
            with replacing(output):
                put_in_place(draft, output)
        except RecordingError:
            raise
        except OSError as error:
            raise RecordingError(f"{output} cannot be made: {error.strerror or error}") from error
        finally:
            draft.unlink(missing_ok=True)

    def _fill(self, path: Path) -> None:
        store, rows = Store(path), self._ranks[0].rows
        batch = max(1, _BATCH_BYTES // row_bytes(self._channels))
        try:
            for start in range(0, rows, batch):
                block = self._block(range(start, min(start + batch, rows)))
                store.append(with_features(block, self._channels)[0])
            is_complete = all(rank.recording.status == "complete" for rank in self._ranks)
            has_final_row = any(rank.has_final_row for rank in self._ranks)
            store.close("complete" if is_complete else "aborted", final_row=int(has_final_row))
        except BaseException:
            store.abandon()
            raise

    def _block(self, rows: range) -> Block:
        first = self._ranks[0]
        scalars = {name: rank.read(rank.recording.scalars[name], rows) for name, rank in self._scalars.items()}
        arrays = {parameter.channel.path: parameter.read(rows) for parameter in self._parameters}
        for name, rank in self._probes.items():
            arrays[f"probes/{name}"] = rank.read(rank.recording.probes[name], rows)
        for name, rank in self._buffers.items():
            arrays[f"buffers/{name}"] = rank.read(rank.recording.buffers[name], rows)
        if self._logging:
            losses = np.full((len(rows), len(self._ranks)), NAN)
            for k in self._logging:
                losses[:, k] = self._ranks[k].read(self._ranks[k].recording.scalars["loss"], rows)
            known = losses[:, self._logging]
            # The mean of what one of them did not log is no loss of NaN.
            scalars["loss"] = np.where(is_absent(known).any(axis=1), NAN, known.mean(axis=1))
            arrays.setdefault(f"probes/{_LOSSES}", losses)
        return Block(first.read(first.recording.step, rows), first.read(first.recording.time, rows), scalars, arrays)


def _first_with(ranks: Sequence[RankRows], group: Literal["scalars", "probes", "buffers"]) -> dict[str, RankRows]:
    """Return, for each name in a group, the first rank that has it."""
    found: dict[str, RankRows] = {}
    for rank in ranks:
        for name in getattr(rank.recording, group):
            found.setdefault(name, rank)
    return found
