"""The architecture: which way imports point, what loading the package costs, and what its public faces are."""

import ast
import configparser
import importlib
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import dyn

ROOT = Path(dyn.__file__).parent
LAYERS = ("dynamics", "recorders", "viz", "commands")
HEAVY = {"torch", "h5py", "matplotlib", "scipy", "numpy", "pytorch_lightning", "transformers"}
MODULES = [*sorted(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py")), ROOT / "cli.py"]
FOLDERS = sorted({path.parent for path in MODULES} - {ROOT})
FACES = [path for path in MODULES if path.name == "__init__.py" and "\n__all__ = " in path.read_text()]
# Frameworks call what they call a callback, and two of them have one of ours.
TWICE = {"RecorderCallback"}


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


PATHS = {dotted(path): path for path in MODULES}


def imported(path: Path) -> Iterator[str]:
    """Give the toolkit's own modules that a module imports, anywhere in it."""
    folder = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.ImportFrom | ast.Import):
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            start = [*folder[: len(folder) + 1 - node.level]] if node.level else []
            base = ".".join([*start, *(node.module or "").split(".")]).strip(".")
            names = [f"{base}.{alias.name}".strip(".") for alias in node.names]
        for name in names:
            ours = name.removeprefix("dyn.")
            found = next((each for each in (ours, ours.rpartition(".")[0]) if each in PATHS), None)
            if found and found != dotted(path):
                yield found


GRAPH = {name: set(imported(path)) for name, path in PATHS.items()}


def circle_from(name: str) -> list[str] | None:
    """Return a way of imports that leads from a module back to it, if there is one."""
    ways, seen = [[name]], {name}
    while ways:
        way = ways.pop()
        for following in GRAPH[way[-1]]:
            if following == name:
                return [*way, name]
            if following not in seen:
                seen.add(following)
                ways.append([*way, following])
    return None


def test_no_module_imports_itself_by_way_of_others():
    assert [way for name in GRAPH if (way := circle_from(name))] == []


@pytest.mark.parametrize("name", GRAPH)
def test_imports_point_left(name):
    layers = (*LAYERS, "cli")
    own = layers.index(name.partition(".")[0])
    assert {each.partition(".")[0] for each in GRAPH[name]} <= set(layers[: own + 1])


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_folder_is_no_drawer(folder):
    assert len([path for path in folder.glob("*.py") if path.name != "__init__.py"]) <= 16


def test_the_packages_are_the_folders():
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    packages = settings["options"]["packages"].split()
    assert packages == sorted(["dyn", *(f"dyn.{dotted(folder / '__init__.py')}" for folder in FOLDERS)])
    assert all((folder / "__init__.py").is_file() for folder in FOLDERS)


def test_a_public_class_has_a_name_of_its_own():
    classes = Counter(
        node.name
        for path in MODULES
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert {name for name, count in classes.items() if count > 1} == TWICE


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_nothing_heavy_is_loaded_before_it_is_used():
    actions = ["--help"], ["record", "--help"], ["plot", "--help"], ["experiments"]
    code = f"""
import sys, dyn, dyn.cli
for action in {actions!r}:
    try: dyn.cli.main(action)
    except SystemExit: pass
print('loaded', *({HEAVY!r} & set(sys.modules)))
"""
    assert run_python(code).splitlines()[-1] == "loaded"


def test_reading_a_recording_loads_no_torch():
    loaded = run_python(
        "import sys, dyn; dyn.open, dyn.viz.plot_levels, dyn.viz.animate; print('torch' in sys.modules)"
    )
    assert loaded == "False"


def test_the_public_face_is_exact():
    assert set(dir(dyn)) == set(dyn.__all__)
    assert set(dyn.__all__) == {
        "Recorder", "Recording", "__version__", "attach", "diff", "dynamics", "evaluate", "open", "recorders", "viz",
    }  # fmt: skip


def names_for_type_checkers(face: Path) -> set[str]:
    """Return what a face imports for type checkers only."""
    blocks = (node for node in ast.parse(face.read_text()).body if isinstance(node, ast.If))
    imports = (node for block in blocks for node in block.body if isinstance(node, ast.ImportFrom))
    return {alias.asname or alias.name for node in imports for alias in node.names}


@pytest.mark.parametrize("face", FACES, ids=lambda path: dotted(path))
def test_a_face_names_what_users_may_import_and_nothing_else(face):
    module = importlib.import_module(f"dyn.{dotted(face)}")
    assert set(dir(module)) == set(module.__all__)
    for name in module.__all__:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = module.nonsense
    lazy = names_for_type_checkers(face)
    assert not lazy or lazy == set(module.__all__)


def public_modules() -> set[str]:
    """Return the faces, and the modules that they name."""
    found = {"dyn"} | {f"dyn.{dotted(face)}" for face in FACES}
    for face in FACES:
        names = importlib.import_module(f"dyn.{dotted(face)}").__all__
        found |= {each for name in names if (each := f"dyn.{dotted(face)}.{name}").removeprefix("dyn.") in PATHS}
    return found


def texts() -> list[Path]:
    documents = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]
    return [path for path in [*documents, *(ROOT / "examples").glob("*.py")] if path.is_file()]


IMPORT = re.compile(r"^\s*from (dyn[\w.]*) import (.+)$", re.MULTILINE)


@pytest.mark.parametrize("path", texts(), ids=lambda path: str(path.relative_to(ROOT)))
def test_documents_and_examples_import_from_faces_only(path):
    assert {module for module, _ in IMPORT.findall(path.read_text())} <= public_modules()


DOTTED = re.compile(r"\bdyn(?:\.[A-Za-z_]\w*)+")


def test_every_dotted_name_of_the_documents_works_after_a_bare_import():
    named = {name for path in texts() if path.suffix == ".md" for name in DOTTED.findall(path.read_text())}
    used = sorted(name for name in named if name.split(".")[1] in dyn.__all__ and not name.endswith("_"))
    failing = f"""
import dyn
for name in {used!r}:
    try: eval(name)
    except AttributeError as error: print(name, error)
"""
    assert run_python(failing) == ""
    assert len(used) > 15


# Those of README, CHANGELOG, docs and examples of 0.1.0.
OLD = (ROOT / "tests" / "names_of_0_1_0.txt").read_text().splitlines()


@pytest.mark.parametrize("line", OLD)
def test_what_users_wrote_for_the_first_version_still_runs(line):
    exec(line if "import" in line else f"import dyn; {line}", {})
