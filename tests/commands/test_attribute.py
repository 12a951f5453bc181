"""``dyn attribute`` as a stranger uses it."""

import json

import pytest
from click.testing import CliRunner

import dyn
from dyn.cli import main
from dyn.recorders.stories.payers import attribute_run


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """The beginning of the geometry experiment."""
    path = tmp_path_factory.mktemp("attribute") / "geometry.h5"
    result = CliRunner().invoke(main, [
        "record", "geometry", "--steps", "300", "--every", "5", "-o", str(path), "--set", "evaluation_size=64",
    ])  # fmt: skip
    assert result.exit_code == 0, result.stderr
    return path


def run(*arguments: object):
    return CliRunner().invoke(main, ["attribute", *map(str, arguments)])


def test_the_default_is_each_jump_and_the_whole_run(path):
    told, document = run(path), run(path, "--json")
    assert (told.exit_code, document.exit_code, document.stderr) == (0, 0, "")
    with dyn.open(path) as recording:
        rows = attribute_run(recording)
    assert told.stdout.rstrip() == "\n".join(map(str, rows))
    assert json.loads(document.stdout) == [row.as_dict() for row in rows]
    assert (rows[-1].start, rows[-1].end) == (0, 300)


def test_one_stretch_is_one_document_with_features_as_keys(path):
    result = run(path, "--from", "50", "--to", "200", "--json")
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert (document["start"], document["end"]) == (50, 200)
    assert set(document["by_feature"]) == {str(k) for k in range(6)}
    assert set(document["by_parameter"]) == {"W", "b"}
    # Of an ensemble one has to say what its error is beside the change of its own loss.
    assert abs(document["total"] - document["change"]) < 0.005 * abs(document["change"])
    assert document["error"] < 0.01 * abs(document["total"])


@pytest.mark.parametrize(("options", "code", "words"), [
    (["--from", "200", "--to", "100"], 2, "nothing moves"),
    (["--from", "301"], 2, "goes from 0 to 300"),
    (["--instance", "99"], 2, "instance=99"),
    (["--parameter", "V"], 2, "'V'"),
    (["--from", "soon"], 2, "soon"),
])  # fmt: skip
def test_what_cannot_be_is_said_in_one_line(path, options, code, words):
    result = run(path, *options)
    assert (result.exit_code, result.stdout) == (code, "")
    assert words in result.stderr
    assert result.stderr.splitlines()[-1].startswith("dyn: ")


def test_a_file_that_is_not_there_is_said(tmp_path):
    assert run(tmp_path / "none.h5").exit_code == 1
