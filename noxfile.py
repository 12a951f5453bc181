"""One command for each habit: ``nox -s tests``, slow, lint, types, docs, bench, packages."""

import re
import sys
import tempfile
from pathlib import Path

import nox

nox.options.sessions = ["tests", "slow", "lint", "types"]
# Sessions run in the environment that nox was started from: the README's command has made it.
nox.options.default_venv_backend = "none"

PARALLEL = ("-q", "-n", "auto", "--dist", "worksteal")


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
