"""The tree of errors, and what they say."""

import pytest

from dyn.dynamics.errors import (
    DynError,
    MissingExtraError,
    OutputExistsError,
    RecordingError,
    SettingError,
    unknown_name,
)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (SettingError, ValueError),
        (RecordingError, OSError),
        (OutputExistsError, FileExistsError),
        (MissingExtraError, ImportError),
    ],
)
def test_each_error_is_the_builtin_that_it_refines(error, builtin):
    assert issubclass(error, DynError)
    assert issubclass(error, builtin)
    assert str(error("one line")) == "one line"


def test_a_missing_extra_names_its_installation():
    message = str(MissingExtraError.for_feature("to_xarray()", "xarray"))
    assert message == "to_xarray() needs the extra [xarray]: pip install 'learning-dynamics[xarray]'"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("stpes", "unknown setting 'stpes'; did you mean steps?"),
        ("zzz", "unknown setting 'zzz'; known: steps, density"),
        ("STEPS", "unknown setting 'STEPS'; did you mean steps?"),
        # The beginning of a name is near, and what shares a few letters with it is not.
        ("den", "unknown setting 'den'; did you mean density?"),
        ("desert", "unknown setting 'desert'; known: steps, density"),
        ("", "unknown setting ''; known: steps, density"),
    ],
)
def test_an_unknown_name_has_its_way_out(name, message):
    assert str(unknown_name("setting", name, iter(["steps", "density"]))) == message


def test_of_many_names_some_are_shown():
    message = str(unknown_name("parameter", "zzz", [f"layers.{k}.weight" for k in range(3000)]))
    assert message.endswith("layers.19.weight and 2980 more")
