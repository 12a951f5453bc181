"""One command for each habit: ``nox -s tests``, slow, lint, types, docs, bench, packages."""

import configparser
import re
import sys
import tempfile
from pathlib import Path

import nox

nox.options.sessions = ["tests", "slow", "lint", "types"]
# Sessions run in the environment that nox was started from: the README's command has made it.
nox.options.default_venv_backend = "none"

PARALLEL = ("-q", "-n", "auto", "--dist", "worksteal")
# What the tests need newer than users do; of torch the build without CUDA.
FOR_TESTS = {"torch": "2.13.0", "joblib": "1.6", "av": "17", "matplotlib": "3.11", "click": "8.4"}


@nox.session
def tests(session: nox.Session) -> None:
    """Run what README's test command runs: everything but what is slow."""
    session.run(sys.executable, "-m", "pytest", *PARALLEL, "-m", "not slow", *session.posargs)


@nox.session
def slow(session: nox.Session) -> None:
    """Run the tests of kills, clusters, browsers and long trainings."""
    session.run(sys.executable, "-m", "pytest", *PARALLEL, "-m", "slow", *session.posargs)


@nox.session
def lint(session: nox.Session) -> None:
    """Hold the code to its style."""
    session.run(sys.executable, "-m", "ruff", "check", ".")
    session.run(sys.executable, "-m", "ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check types, of the package as it is installed: its root bears the name ``dyn`` only there."""
    installed = Path("build/installed")
    session.run("rm", "-rf", "build", external=True)
    pip = ("-m", "pip", "install", "--quiet", "--no-deps", "--target", str(installed), ".")
    session.run(sys.executable, *pip)
    session.run(sys.executable, "-m", "basedpyright", "--pythonpath", sys.executable)


@nox.session
def docs(session: nox.Session) -> None:
    """Run every Python block of the documents, and hold them to the commands that there are."""
    session.run(sys.executable, "-m", "pytest", "-q", "tests/test_docs.py", "tests/test_architecture.py")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure: ``nox -s bench -- overhead toy`` runs one benchmark; without a name, say which there are."""
    names = sorted(path.stem for path in Path("benchmarks").glob("*.py") if re.search("__main__", path.read_text()))
    if not session.posargs:
        session.log("benchmarks: %s", ", ".join(names))
        return
    session.run(sys.executable, f"benchmarks/{session.posargs[0]}.py", *session.posargs[1:])


@nox.session
def packages(session: nox.Session) -> None:
    """Hold dyn record to the quick starts of other packages, in an environment of their own outside the checkout."""
    home = Path(tempfile.mkdtemp(prefix="dyn-packages-"))
    session.run(sys.executable, "-m", "venv", str(home))
    python, here = str(home / "bin" / "python"), Path("benchmarks/packages").resolve()
    requirements = ("-c", "constraints.txt", ".", "-r", str(here / "requirements.txt"))
    session.run(python, "-m", "pip", "install", "--quiet", *requirements, external=True)
    # What fastai brings does not match the CPU build of torch, and breaks transformers.
    session.run(python, "-m", "pip", "uninstall", "--quiet", "-y", "torchvision", external=True)
    session.chdir(home)
    for script in ("check.py", "every_optimizer.py"):
        session.run(python, str(here / script), external=True)


@nox.session
def oldest(session: nox.Session) -> None:
    """Run the tests with the oldest releases that setup.cfg allows, in an environment of their own.

    torch stays at the pinned one, whose CPU build is small, and what tests want newer than users need is raised.
    """
    settings = configparser.ConfigParser()
    settings.read("setup.cfg")
    named = settings["options"]["install_requires"] + "".join(settings["options.extras_require"].values())
    floors = dict(re.findall(r"^([\w-]+)(?:\[.*\])?>=([\d.]+)$", named, re.MULTILINE)) | FOR_TESTS
    home = Path(tempfile.mkdtemp(prefix="dyn-oldest-"))
    constraints = home / "constraints.txt"
    constraints.write_text("\n".join(f"{name}=={version}" for name, version in floors.items()))
    session.run(sys.executable, "-m", "venv", str(home / "venv"))
    python = str(home / "venv" / "bin" / "python")
    session.run(python, "-m", "pip", "install", "--quiet", "-c", str(constraints), "-e", ".[test]", external=True)
    # Old releases warn of each other, which is no fault of ours.
    session.run(python, "-m", "pytest", *PARALLEL, "-W", "default", "-m", "not slow", *session.posargs, external=True)
