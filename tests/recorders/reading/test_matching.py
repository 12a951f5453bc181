"""Names and globs over names."""

import pytest

from dyn.dynamics.errors import SettingError
from dyn.recorders.reading.matching import is_glob, matching, only_match

NAMES = ["blocks.0.weight", "blocks.1.weight", "head.weight", "odd[0]"]


def test_a_name_is_itself_and_a_glob_what_it_matches_in_order():
    assert matching("matrix", "head.weight", NAMES) == ["head.weight"]
    assert matching("matrix", "blocks.*", NAMES) == ["blocks.0.weight", "blocks.1.weight"]
    # What looks like a glob and is a name is meant as the name.
    assert only_match("matrix", "odd[0]", NAMES) == "odd[0]"
    assert only_match("matrix", "h*", NAMES) == "head.weight"
    assert [is_glob(each, NAMES) for each in ("odd[0]", "odd[1]", "head.weight", "h*")] == [False, True, False, True]


def test_what_matches_nothing_is_answered_with_what_is_near():
    with pytest.raises(SettingError, match=r"^unknown matrix 'head.weigth'; did you mean head.weight\?$"):
        matching("matrix", "head.weigth", NAMES)
    with pytest.raises(SettingError, match=r"unknown matrix 'conv\*'; known: blocks"):
        matching("matrix", "conv*", NAMES)


def test_where_one_can_be_shown_several_are_refused():
    with pytest.raises(SettingError, match=r"^matrix 'blocks.*' matches 2, blocks.0.weight, blocks.1.weight, "):
        only_match("matrix", "blocks.*", NAMES)
