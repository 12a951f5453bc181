"""The architecture: which way imports point, what loading the package costs, and what its public face is."""

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import dyn

ROOT = Path(dyn.__file__).parent
LAYERS = ("dynamics", "recorders", "viz", "cli")
HEAVY = {"torch", "h5py", "matplotlib", "scipy", "numpy", "pytorch_lightning", "transformers"}
MODULES = sorted(path for layer in LAYERS[:3] for path in (ROOT / layer).rglob("*.py"))

# Those that say which names are theirs; some of these names are loaded when they are first used.
PACKAGES = [
    ".".join(["dyn", *path.parent.relative_to(ROOT).parts])
    for path in [ROOT / "__init__.py", *MODULES]
    if path.name == "__init__.py" and "\n__all__ = " in path.read_text()
]


def layer_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0]


def imported_layers(path: Path) -> set[str]:
    """Return the toolkit's own layers that a module imports, anywhere in it."""
    layers = set()
    folder = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            layers.add((*folder[: len(folder) + 1 - node.level], *(node.module or "").split("."))[0])
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else [node.module or ""]
            layers |= {name.split(".")[1] for name in names if name.startswith("dyn.")}
    return layers


@pytest.mark.parametrize("path", MODULES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_imports_point_left(path):
    allowed = set(LAYERS[: LAYERS.index(layer_of(path)) + 1])
    assert imported_layers(path) <= allowed


@pytest.mark.parametrize("path", MODULES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_files_hold_one_idea(path):
    assert len(path.read_text().splitlines()) <= 250


def run_python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize(
    "action",
    [
        "import dyn",
        "import dyn.cli; dyn.cli.main(['--help'])",
        "import dyn.cli; dyn.cli.main(['record', '--help'])",
        "import dyn.cli; dyn.cli.main(['experiments'])",
    ],
)
def test_nothing_heavy_is_loaded_before_it_is_used(action):
    quietly = f"import sys\ntry:\n    {action}\nexcept SystemExit:\n    pass\n"
    code = f"{quietly}print('loaded', *({HEAVY!r} & set(sys.modules)))"
    assert run_python(code).splitlines()[-1] == "loaded"


def test_reading_a_recording_loads_no_torch():
    loaded = run_python(
        "import sys, dyn; dyn.open, dyn.viz.plot_levels, dyn.viz.animate; print('torch' in sys.modules)"
    )
    assert loaded == "False"


def test_the_public_face_is_exact():
    assert set(dyn.__all__) == {"Recorder", "Recording", "attach", "dynamics", "open", "recorders", "viz"}
    assert set(dir(dyn)) == set(dyn.__all__)


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_there_and_others_are_not(package):
    module = importlib.import_module(package)
    for name in module.__all__:
        assert getattr(module, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = module.nonsense


@pytest.mark.parametrize("layer", LAYERS[:2])
def test_every_module_of_a_layer_is_named(layer):
    parts = [path.relative_to(ROOT / layer).parts[0] for path in MODULES if layer_of(path) == layer]
    modules = {part.removesuffix(".py") for part in parts} - {"__init__"}
    assert set(importlib.import_module(f"dyn.{layer}").__all__) == modules
