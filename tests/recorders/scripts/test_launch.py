"""A script is run as python runs it: everything that a user can see is the same."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dyn.dynamics.errors import SettingError
from dyn.recorders.scripts.launch import Script, is_script, trimmed

WHAT_A_SCRIPT_SEES = '''"""A docstring."""
import inspect, os, pickle, sys
print(sys.argv, os.getcwd(), sys.path, __file__, __name__, __package__, __doc__, __cached__, sorted(globals()))
print(type(__loader__), getattr(__spec__, "name", None), type(__builtins__))
print(sys.modules["__main__"].__dict__ is globals(), sorted({"torch", "numpy", "h5py"} & set(sys.modules)))
class Thing: pass
print(type(pickle.loads(pickle.dumps(Thing()))) is Thing, inspect.getsource(Thing))
import neighbour
sys.exit(3)
'''

ENDINGS = {
    "code": "sys.exit(7)",
    "text": "sys.exit('what went wrong')",
    "true": "sys.exit(True)",
    "at once": "os._exit(5)",
    "error": "fail()",
    "chain": "try:\n    fail()\nexcept KeyError as error:\n    raise ValueError('twice') from error",
    "context": "try:\n    fail()\nfinally:\n    raise OSError('the disk')",
    "group": "try:\n    fail()\nexcept KeyError as error:\n    raise ExceptionGroup('several', [error, ValueError(2)])",
    "interrupt": "raise KeyboardInterrupt",
    "the CLI's own": "import click\nraise click.UsageError('x')",
    "memory": "raise MemoryError('x')",
    "base": "raise BaseException('x')",
    "syntax": "x = = 1",
    "missing import": "import no_such_module",
    "excepthook": "sys.excepthook = lambda *a: print(a[0], a[2].tb_frame.f_code.co_name)\nfail()",
    "atexit": "import atexit, pickle\nclass Q: pass\natexit.register(lambda: print(pickle.dumps(Q())))\nsys.exit(4)",
    "thread": "import threading\nt = threading.Thread(target=fail)\nt.start()\nt.join()\nsys.exit(9)",
    "warning": "import warnings\nwarnings.warn('careful')\nwarnings.warn('old', DeprecationWarning)\nsys.exit(2)",
}


def run(folder: Path, *command: str) -> tuple[int, str, str]:
    """Return exit code, stdout, and stderr without the lines of ours."""
    done = subprocess.run(
        [sys.executable, *command], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    err = "".join(line for line in done.stderr.splitlines(keepends=True) if not line.startswith("dyn: "))
    return done.returncode, done.stdout, err


def same_both_ways(folder: Path, *target: str, arguments: tuple[str, ...] = ()) -> tuple[int, str, str]:
    plain = run(folder, *target, *arguments)
    assert run(folder, "-m", "dyn", "record", *target, "-o", "run.h5", "--", *arguments) == plain
    return plain


@pytest.fixture
def folder(tmp_path):
    """A folder with a script in it, and the same as a package beside another."""
    for place in (tmp_path / "scripts", tmp_path / "package"):
        place.mkdir()
        (place / "train.py").write_text(WHAT_A_SCRIPT_SEES)
    (tmp_path / "package" / "__init__.py").touch()
    for place in (tmp_path, tmp_path / "scripts"):
        (place / "neighbour.py").write_text(f"print('from {place.name}')")
    return tmp_path


@pytest.mark.parametrize(
    "target",
    [["scripts/train.py"], ["./scripts/../scripts/train.py"], ["-m", "package.train"]],
    ids=["script", "crooked path", "module"],
)
def test_a_script_sees_what_python_shows_it(folder, target):
    code, out, err = same_both_ways(folder, *target, arguments=("--lr", "1e-3", "-o", "a b", "--"))
    assert (code, err) == (3, "")
    # Nothing heavy is loaded before the script does it.
    assert "True []\n" in out
    assert "'--lr', '1e-3', '-o', 'a b', '--']" in out


def test_a_link_is_followed_for_what_lies_beside_the_script(folder):
    (folder / "link.py").symlink_to("scripts/train.py")
    _, out, _ = same_both_ways(folder, "link.py")
    assert out.endswith("from scripts\n")


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_script_ends_as_it_would(tmp_path, ending):
    head = "import os, sys\n\ndef fail():\n    raise KeyError('x')\n\nprint('begun')\n"
    (tmp_path / "train.py").write_text(head + ENDINGS[ending])
    code, out, _ = same_both_ways(tmp_path, "train.py")
    assert code != 0
    assert out.startswith("begun") or ending == "syntax"


@pytest.mark.parametrize("module", ["package.fails", "package.broken", "package.nothing", "package", "nothing.at.all"])
def test_a_module_ends_as_it_would(folder, module):
    (folder / "package" / "fails.py").write_text("def fail():\n    raise KeyError('x')\n\nfail()")
    (folder / "package" / "broken.py").write_text("x = = 1")
    code, _, err = same_both_ways(folder, "-m", module)
    assert (code, bool(err)) == (1, True)


@pytest.mark.parametrize("body", ["1 / 0", "raise ImportError('no library')"])
def test_a_torch_that_cannot_be_imported_fails_as_it_would(tmp_path, body):
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text(body)
    (tmp_path / "train.py").write_text("import torch")
    code, _, err = same_both_ways(tmp_path, "train.py")
    assert (code, "importlib" in err) == (1, False)


def test_safe_path_is_heeded(folder, monkeypatch):
    monkeypatch.setenv("PYTHONSAFEPATH", "1")
    _, _, err = same_both_ways(folder, "scripts/train.py")
    assert "No module named 'neighbour'" in err


def test_what_is_a_script_and_what_it_is_recorded_into(folder, monkeypatch):
    monkeypatch.chdir(folder)
    Path("geometry").touch()
    Path("train").touch()
    assert [is_script(target) for target in ("train", "nowhere.py", f"nowhere{os.sep}x")] == [True] * 3
    assert [is_script(target) for target in ("geometry", "geometri")] == [False] * 2
    assert Script("scripts/train.py").default_output == Path("train.h5")
    assert Script("package.train", is_module=True).default_output == Path("train.h5")


@pytest.mark.parametrize(
    ("script", "options", "words"),
    [
        (Script("nowhere.py"), {}, "no script 'nowhere.py'"),
        (Script("scripts"), {}, "'scripts' is a directory; .* -m"),
        (Script("scripts/train.py"), {"settings": ("steps=3",)}, "steps=3: .* after --"),
        (Script("scripts/train.py"), {"dry_run": True}, "--dry-run: .* first step"),
        (Script("a.module", is_module=True), {"dry_run": True}, "--dry-run"),
    ],
)
def test_what_cannot_be_recorded(folder, monkeypatch, script, options, words):
    monkeypatch.chdir(folder)
    with pytest.raises(SettingError, match=words):
        script.check(**options)


def test_an_exception_that_refers_to_itself_is_shown():
    shown = []
    error = ValueError("round")
    error.__context__ = other = KeyError("and round")
    other.__context__ = error
    trimmed(lambda *args: shown.append(args))(ValueError, error, None)
    assert shown == [(ValueError, error, None)]
