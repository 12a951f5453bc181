"""``dyn landscape`` as a stranger uses it."""

import json

import pytest
from click.testing import CliRunner

import dyn
from dyn.cli import main
from dyn.recorders.stories.saddles import landscape


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """The geometry experiment up to the middle of its plateau."""
    path = tmp_path_factory.mktemp("landscape") / "geometry.h5"
    result = CliRunner().invoke(main, [
        "record", "geometry", "--steps", "400", "--every", "20", "-o", str(path), "--set", "evaluation_size=64",
    ])  # fmt: skip
    assert result.exit_code == 0, result.stderr
    return path


def run(*arguments: object):
    return CliRunner().invoke(main, ["landscape", *map(str, arguments)])


def test_it_says_which_saddle_is_near(path):
    result = run(path, "--steps", "300,400")
    assert (result.exit_code, result.stderr) == (0, "")
    with dyn.open(path) as recording:
        assert result.stdout.splitlines() == [str(row) for row in landscape(recording, [300, 400])]
    assert "saddle of index" in result.stdout


def test_the_default_is_the_plateaus_and_json_is_one_document(path):
    result = run(path, "--json")
    assert result.exit_code == 0, result.stderr
    rows = json.loads(result.stdout)
    with dyn.open(path) as recording:
        assert rows == [row.as_dict() for row in landscape(recording)]
    assert {"step", "kind", "index", "distance", "polytopes", "known"} <= rows[0].keys()


@pytest.mark.parametrize(("options", "code", "words"), [
    (["--steps", "soon"], 2, "'soon' is no step"),
    (["--instance", "3"], 2, "instance=3"),
    (["--parameter", "V"], 2, "'V'"),
])  # fmt: skip
def test_what_cannot_be_is_said_in_one_line(path, options, code, words):
    result = run(path, *options)
    assert (result.exit_code, result.stdout) == (code, "")
    assert result.stderr.startswith("dyn: ")
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_file_that_is_not_there_has_no_landscape(tmp_path):
    assert run(tmp_path / "none.h5").exit_code == 1
