"""How rows lie in the ring: every part has its own bytes, aligned, and the header says how."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dyn.recorders.ring.channels import Channel
from dyn.recorders.ring.layout import (
    MESSAGE_ROOM,
    MESSAGE_START,
    NAMES_ROOM,
    NAMES_START,
    SCHEMA_START,
    WORDS,
    RowLayout,
    rows_within,
)

DTYPES = ("<f4", "<f8", "<f2", "<u2", "<c8", "|b1", "|u1", "<i8")
shapes = st.lists(st.integers(0, 5), max_size=3).map(tuple)


@st.composite
def layouts(draw: st.DrawFn) -> RowLayout:
    drawn = draw(st.lists(st.tuples(st.sampled_from(DTYPES), shapes), max_size=6))
    channels = []
    for k, (code, shape) in enumerate(drawn):
        dtype, axes = np.dtype(code), tuple(f"p{k}.axis{axis}" for axis in range(len(shape)))
        channels.append(Channel("parameters", f"p{k}", shape, dtype, dtype, axes))
    return RowLayout("token", draw(st.integers(1, 300)), tuple(channels))


@given(layouts())
def test_parts_of_a_row_follow_each_other_and_are_aligned(layout):
    end = layout.step + 24
    assert layout.step == 8 * layout.room
    for channel in layout.channels:
        start = layout.starts[channel.path]
        assert start % 64 == 0
        assert end <= start < end + 64
        end = start + channel.nbytes
    assert end <= layout.row_bytes < end + 64
    assert layout.row_bytes % 64 == 0


@given(layouts(), st.integers(1, 3))
def test_numpy_sees_the_same_row(layout, rows):
    dtype, starts = layout.dtype(), layout.starts
    assert dtype.itemsize == layout.row_bytes
    offsets = {name: offset for name, (_, offset, *_) in dtype.fields.items()}
    fixed = {"scalars": 0, "step": layout.step, "time": layout.step + 8, "mark": layout.step + 16}
    assert offsets == fixed | starts
    # Filling one part changes no other.
    array = np.zeros(rows, dtype)
    for name in dtype.names:
        array[name] = 1
        assert all((array[other] == (other == name)).all() for other in dtype.names)
        array[name] = 0


@given(layouts())
def test_the_header_brings_the_layout_back(layout):
    schema = layout.schema()
    assert RowLayout.from_schema(schema) == layout
    assert SCHEMA_START + len(schema) <= layout.header_bytes < SCHEMA_START + len(schema) + 4096
    assert layout.header_bytes % 4096 == 0


def test_attributes_and_features_are_kept():
    dtype = np.dtype(np.float32)
    channel = Channel("parameters", "größe", (2, 3), dtype, dtype, ("a", "b"), "columns", {"aliases": "ä"})
    layout = RowLayout("token", 3, (channel,))
    assert RowLayout.from_schema(layout.schema()) == layout
    assert RowLayout.from_schema(layout.schema()) != replace(layout, token="another")


def test_the_parts_of_the_header_do_not_lie_on_each_other():
    assert sorted(WORDS.values()) == list(range(0, 8 * len(WORDS), 8))
    assert max(WORDS.values()) + 8 <= NAMES_START
    assert NAMES_START + NAMES_ROOM == MESSAGE_START
    assert MESSAGE_START + MESSAGE_ROOM == SCHEMA_START


def test_thousands_of_channels_take_no_longer_than_their_number():
    """Not a matter of seconds: each channel is looked at a few times, not once for every other one."""
    looked_at = []

    class Counted(Channel):
        @property
        def path(self) -> str:
            looked_at.append(self.name)
            return super().path

    dtype = np.dtype(np.float32)
    layout = RowLayout("", 1, tuple(Counted("probes", f"p{k}", (), dtype, dtype, ()) for k in range(1000)))
    assert layout.row_bytes == 64 * 1001
    assert len(looked_at) < 10_000


@pytest.mark.parametrize(
    ("most_bytes", "most_rows", "expected"),
    [(2**20, 1024, 1024), (100 * 64, 1024, 50), (100 * 64 - 1, 1024, 49), (1, 1024, 2), (2**20, 1, 2)],
)
def test_rows_within(most_bytes, most_rows, expected):
    dtype = np.dtype(np.float32)
    channels = [Channel("probes", "p", (), dtype, dtype, ())]
    # One line of 64 bytes for scalars, step, time and mark, another one for the probe.
    assert RowLayout("", 2, tuple(channels)).row_bytes == 128
    assert rows_within(channels, 2, most_bytes=most_bytes, most_rows=most_rows) == expected
