"""A member of an ensemble: slices as NumPy's of its rows, without those of the others."""

from typing import Any

import numpy as np
import pytest

from dyn.recorders.reading.members import Member, Members

VALUES = np.arange(11 * 4 * 3, dtype=np.float32).reshape(11, 4, 3)
KEYS = [
    0,
    -1,
    np.int64(3),
    slice(None),
    slice(2, 7),
    slice(None, None, 3),
    slice(None, None, -1),
    slice(7, 2),
    (),
    ...,
    None,
    (2, 1),
    (slice(None), 0),
    (slice(3, 9), slice(1, 3)),
    (slice(None), [2, 0]),
    [5, 2, 2, -1],
    np.arange(11) % 2 == 0,
]


class Noted:
    """A series that notes the bytes of each slice that is asked of it."""

    shape, dtype, ndim, chunks = VALUES.shape, VALUES.dtype, VALUES.ndim, (11, 1, 2)

    def __init__(self) -> None:
        self.slices: list[int] = []

    def __len__(self) -> int:
        return len(VALUES)

    def __getitem__(self, key: Any) -> np.ndarray:
        self.slices.append(VALUES[key].nbytes)
        return VALUES[key]


def noted() -> Any:
    """Return a series that stands for one of a recording."""
    return Noted()


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_it_is_sliced_as_its_rows_are(key):
    np.testing.assert_array_equal(Member(noted(), 2)[key], VALUES[:, 2][key])


def test_it_knows_its_shape_without_reading():
    series = noted()
    member = Member(series, 1)
    assert (member.shape, member.ndim, member.dtype, len(member)) == ((11, 3), 2, np.float32, 11)
    # A chunk of two features, as high as the run.
    assert member.chunks == (11, 2)
    assert series.slices == []


def test_it_reads_what_is_asked_for_alone():
    series = noted()
    assert Member(series, 1)[-1].tolist() == VALUES[-1, 1].tolist()
    assert series.slices == [3 * VALUES.itemsize]


def test_arithmetic_is_that_of_its_rows():
    member = Member(noted(), 3)
    np.testing.assert_array_equal(2 * member + 1, 2 * VALUES[:, 3] + 1)
    np.testing.assert_array_equal(np.asarray(member, dtype=np.float64), VALUES[:, 3])
    assert (member - member).max() == 0


@pytest.mark.parametrize(("most_bytes", "reads"), [(10**6, 1), (2 * 11 * 3 * 4, 2), (11 * 3 * 4, 3)])
def test_members_that_have_room_are_read_together(most_bytes, reads):
    series = noted()
    members = Members(series, 3, most_bytes=most_bytes)
    assert members.shape == (11, 3, 3)
    for k in range(3):
        np.testing.assert_array_equal(members[:, k], VALUES[:, k])
    assert len(series.slices) == reads
    assert max(series.slices) <= most_bytes
    # Only those that are asked for, and each once.
    assert sum(series.slices) == VALUES[:, :3].nbytes


def test_a_member_that_has_no_room_is_read_when_it_is_sliced():
    series = noted()
    member = Members(series, 4, most_bytes=100)[:, 3]
    assert series.slices == []
    np.testing.assert_array_equal(member[2:4], VALUES[2:4, 3])
