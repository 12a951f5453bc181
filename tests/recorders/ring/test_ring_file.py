"""The file of a ring: made whole or not at all, seen once it is published, and never taken for one when it is none."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dyn.dynamics.errors import OutputExistsError
from dyn.recorders.ring.channels import array_channel
from dyn.recorders.ring.layout import SCHEMA_START, WORDS, RowLayout
from dyn.recorders.ring.lock import is_held
from dyn.recorders.ring.paths import ring_path
from dyn.recorders.ring.ring import Ring

CAPACITY, ROOM = 5, 4
LAYOUT = RowLayout("token", ROOM, (array_channel("probes", "p", np.zeros(2)),))


@pytest.fixture
def make(tmp_path):
    rings = []

    def create(layout: RowLayout = LAYOUT) -> Ring:
        rings.append(Ring.create(tmp_path / "ring", layout, CAPACITY, ("loss", "lr")))
        rings[-1].publish()
        return rings[-1]

    yield create
    for ring in rings:
        ring.release()


def put_first(ring: Ring) -> None:
    ring.rows["mark"][0] = 1


def test_a_ring_is_seen_once_it_is_published(tmp_path):
    path = ring_path(tmp_path / "run.h5")
    draft = Ring.create(path, LAYOUT, CAPACITY)
    assert Ring.open(path) is None
    draft.publish()
    assert Ring.open(path).layout == LAYOUT
    assert list(tmp_path.iterdir()) == [path]
    assert is_held(path)
    draft.release()
    assert not is_held(path)


def test_a_ring_that_is_discarded_leaves_the_published_one(make):
    ring = make()
    put_first(ring)
    draft = Ring.create(ring.path, LAYOUT, 9)
    draft.discard()
    assert list(ring.path.parent.iterdir()) == [ring.path]
    assert Ring.open(ring.path).complete_after(0) == 1


def test_a_draft_that_another_training_makes_is_left_alone(tmp_path):
    """To cut a file short that is mapped would kill its process."""
    mine = Ring.create(tmp_path / "ring", LAYOUT, CAPACITY)
    with pytest.raises(OutputExistsError, match="being made by another training"):
        Ring.create(tmp_path / "ring", LAYOUT, CAPACITY)
    put_first(mine)
    mine.publish()
    assert Ring.open(mine.path).complete_after(0) == 1
    mine.remove()
    # One that was left by a process that was killed is nobody's.
    (tmp_path / "ring.new").write_bytes(b"x" * 10**6)
    Ring.create(tmp_path / "ring", LAYOUT, CAPACITY).discard()
    assert list(tmp_path.iterdir()) == []


def test_removing_leaves_another_ring_alone(make):
    old, new = make(), make(RowLayout("another", ROOM, LAYOUT.channels))
    old.remove()
    assert Ring.open(new.path).layout.token == "another"
    new.remove()
    new.remove()
    assert not new.path.exists()


FULL_DISK = """
import os, resource, signal, sys
from pathlib import Path
from dyn.dynamics.errors import RecordingError
from dyn.recorders.ring.layout import RowLayout
from dyn.recorders.ring.ring import Ring
from dyn.recorders.ring.paths import ring_path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
if sys.argv[2] == "written":
    del os.posix_fallocate
try:
    Ring.create(Path(sys.argv[1]), RowLayout("token", 4, ()), int(sys.argv[3]))
except RecordingError as error:
    print(error)
"""


@pytest.mark.parametrize("how", ["allocated", "written"])
@pytest.mark.parametrize("rows", [5000, 2**22], ids=["a part of a piece", "many pieces"])
def test_a_full_disk_leaves_nothing(tmp_path, how, rows):
    arguments = [sys.executable, "-c", FULL_DISK, str(tmp_path / "ring"), how, str(rows)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True, timeout=300)
    assert f"{tmp_path / 'ring'} cannot be made (" in done.stdout
    assert "File too large" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_whole_ring_is_none(make):
    ring = make()
    path, whole = ring.path.with_name("other"), ring.path.read_bytes()
    assert Ring.open(path) is None
    cut = [whole[:size] for size in (0, 7, 8, SCHEMA_START, SCHEMA_START + 1, len(whole) // 2, len(whole) - 1)]
    for content in (*cut, b"x" * len(whole), whole + b"x"):
        path.write_bytes(content)
        assert Ring.open(path) is None
    path.write_bytes(whole)
    assert Ring.open(path).names == ["loss", "lr"]


PROBE = LAYOUT.channels[0].as_dict()


@pytest.mark.parametrize(
    ("schema", "is_one"),
    [
        (LAYOUT.schema(), True),
        (b"", False),
        (b"{}", False),
        (b"null", False),
        (b"[" * 10**5, False),
        (b"\xff" * 20, False),
        (json.dumps({"token": "", "room": -1, "channels": []}).encode(), False),
        (json.dumps({"token": "", "room": "1", "channels": []}).encode(), False),
        (json.dumps({"token": "", "room": 2**62, "channels": []}).encode(), False),
        *(
            (json.dumps({"token": "", "room": 1, "channels": [PROBE | change]}).encode(), False)
            for change in (
                {"dtype": "|O"},
                {"dtype": "nonsense"},
                {"shape": [-2]},
                {"shape": [2**40, 2**40]},
                {"shape": ["2"]},
                {"axes": None},
                {"further": 1},
            )
        ),
    ],
    ids=lambda each: each[:90].decode(errors="replace") if isinstance(each, bytes) else "",
)
def test_a_header_that_describes_no_rows_is_none(make, schema, is_one):
    ring = make()
    content = bytearray(ring.path.read_bytes()[:SCHEMA_START] + schema)
    content += bytes(-len(content) % 4096)
    for word, value in (("schema", len(schema)), ("header", len(content))):
        content[WORDS[word] : WORDS[word] + 8] = value.to_bytes(8, "little")
    ring.path.write_bytes(content + bytes(CAPACITY * LAYOUT.row_bytes))
    assert (Ring.open(ring.path) is not None) == is_one


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(("word", "schema")), st.integers(0, 500), st.binary(min_size=1, max_size=8))
def test_a_damaged_header_raises_nothing(make, part, at, garbage):
    ring = make()
    start = 8 + at % (8 * len(WORDS) - 8) if part == "word" else SCHEMA_START + at
    with ring.path.open("r+b") as file:
        os.pwrite(file.fileno(), garbage, start)
    found = Ring.open(ring.path)
    assert found is None or (found.complete_after(0), found.capacity) == (0, CAPACITY)
    ring.release()
