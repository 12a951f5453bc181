"""Speaking to any terminal: encodings, a reader that leaves, a disk that is full, Ctrl-C among several processes."""

import io
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import torch

import dyn
from dyn.commands.streams import echo_lines, of_any_encoding, wrapped
from dyn.commands.terminal import complain
from dyn.dynamics.errors import RecordingError
from dyn.recorders.text import encodable


@pytest.fixture
def stdout(monkeypatch):
    """A stdout of an encoding, and the bytes that come through it."""

    def make(encoding: str, errors: str = "strict") -> io.BytesIO:
        written = io.BytesIO()
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding, errors, write_through=True))
        return written

    return make


@pytest.mark.parametrize(
    ("encoding", "text", "written"),
    [
        ("ascii", "3 × 5, p → 0.1, −2 …", b"3 x 5, p > 0.1, -2 ..."),
        ("latin-1", "3 × 5 → 2", b"3 \xd7 5 > 2"),
        ("ascii", "Möbius ﬁt 損失 ⊗", b"Mobius fit ?? ?"),
        ("utf-8", "3 × 5 損失", "3 × 5 損失".encode()),
        # A file's name that is no text comes out as it is.
        ("utf-8", "run\udcff.h5", b"run\xff.h5"),
        ("ascii", "run\udcff.h5", b"run\xff.h5"),
        ("ascii", "\ud800", b"?"),
    ],
)
def test_what_an_encoding_lacks_is_written_in_ascii(stdout, encoding, text, written):
    through = stdout(encoding)
    with of_any_encoding():
        print(text, end="", file=sys.stdout)
    assert through.getvalue() == written


def test_afterwards_stdout_is_as_it_was(stdout):
    stdout("ascii")
    with of_any_encoding():
        assert sys.stdout.errors != "strict"
    assert sys.stdout.errors == "strict"
    # Whoever has asked for another way keeps it.
    stdout("ascii", "replace")
    with of_any_encoding():
        assert sys.stdout.errors == "replace"


def test_in_a_view_one_cell_stands_for_one():
    stream = io.TextIOWrapper(io.BytesIO(), "ascii")
    assert encodable("▁▂▃▄▅▆▇█", stream) == "_.-:=+*#"


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("/data/run.h5.ring", "/data/run.h5"),
        ("run.h5.journal.new", "run.h5"),
        ("news.newest", "news.newest"),
        ("/data/.run.0123456789abcdef0123456789abcdef.png", "/data/run.png"),
        ("/data/run.h5", "/data/run.h5"),
        (None, "the output"),
    ],
)
def test_what_lies_beside_a_file_is_not_named(capsys, name, told):
    with pytest.raises(SystemExit):
        complain(OSError(30, "Read-only file system", *([name] if name else [])), 1)
    assert capsys.readouterr().err == f"dyn: {told}: Read-only file system\n"


def test_neither_is_it_named_within_a_message(capsys):
    with pytest.raises(SystemExit):
        complain(RecordingError("/data/run.h5.ring.new cannot be made: No such file or directory"), 1)
    assert capsys.readouterr().err == "dyn: /data/run.h5 cannot be made: No such file or directory\n"


def run(*arguments: str, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "dyn", *arguments]
    return subprocess.run(command, capture_output="stdout" not in options, timeout=60, check=False, **options)


@pytest.mark.parametrize("variables", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}])
def test_a_terminal_that_knows_ascii_only(tmp_path, variables):
    with dyn.attach(torch.nn.Linear(3, 4), None, tmp_path / "run.h5") as recorder:
        recorder.step()
    done = run("info", "run.h5", cwd=tmp_path, env={**os.environ, "PYTHONUTF8": "0", **variables})
    assert (done.returncode, done.stderr) == (0, b"")
    assert "parameter    weight  4 x 3" in done.stdout.decode("ascii")


@pytest.mark.parametrize("arguments", [["experiments"], ["--help"], ["info", "--help"]])
def test_a_reader_that_leaves_has_what_it_wanted(arguments):
    reading, writing = os.pipe()
    os.close(reading)
    done = run(*arguments, stdout=writing, stderr=subprocess.PIPE)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_behind_stdout_is_told_in_one_line():
    with Path("/dev/full").open("wb") as full:
        done = run("experiments", stdout=full, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (1, b"dyn: the output: No space left on device\n")


@pytest.mark.slow
def test_an_interrupted_sweep_says_so_once(tmp_path):
    """A terminal sends Ctrl-C to the workers too."""
    arguments = ["--over", "density=log:0.01:1:40", "--over", "importance_extra=log:0.1:10:40", "--workers", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "dyn", "sweep", "phase-3x2", *arguments, "-o", "a.h5"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while not any(tmp_path.glob("a.h5.tasks/*.npz")) and time.monotonic() < deadline:
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert (process.returncode, out) == (130, "")
    assert err.splitlines()[-1] == "dyn: interrupted"
    assert "Traceback" not in err
    # What was done is kept for the next time.
    assert any(tmp_path.glob("a.h5.tasks/*.npz"))


def test_lines_go_on_below_indented_and_names_stay_whole():
    text = "short\n  a line that is wider than forty signs, by some words"
    assert wrapped(text, 40) == "short\n  a line that is wider than forty signs,\n      by some words"
    assert wrapped(f"of {'x' * 60} one", 40) == f"of\n    {'x' * 60}\n    one"


@pytest.mark.parametrize("is_terminal", [True, False])
def test_lines_are_wrapped_on_a_terminal_only(is_terminal, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "50")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
    echo_lines("word " * 30)
    assert (max(map(len, capsys.readouterr().out.splitlines())) <= 50) is is_terminal
