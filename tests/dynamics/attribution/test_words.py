"""Who paid, in words."""

import pytest

from dyn.dynamics.attribution import Allocation
from dyn.dynamics.attribution.words import who_paid


def allocation(by_feature: list[float], b: float = 0.0) -> Allocation:
    W = sum(by_feature)
    return Allocation(dict(enumerate(by_feature)), {"W": W, "b": b}, W + b, 0.0, {})


@pytest.mark.parametrize(
    ("by_feature", "b", "words"),
    [
        (
            [-0.0003, -0.0211, -0.0034],
            -0.0044,
            "feature 1 brought 0.0211 of the drop of 0.0292, feature 2 brought 0.0034, b 0.0044, every other feature "
            "at most 0.0003",
        ),
        ([0.5, 0.01], 0.0, "feature 0 brought 0.5000 of the rise of 0.5100, every other feature at most 0.0100"),
        (
            [-3.0, 1.0, 0.0],
            0.5,
            "feature 0 brought 3 of the drop of 1.5, b took 0.5000 back, feature 1 took 1 back, every other feature at "
            "most 0",
        ),
        ([-0.01] * 20, -0.8, "no feature brought a tenth of the drop of 1, b 0.8000, every feature at most 0.0100"),
    ],
)
def test_who_paid(by_feature, b, words):
    assert who_paid(allocation(by_feature, b), ["b"]) == words


def test_features_have_the_names_that_the_user_gave_them():
    assert who_paid(allocation([-1.0, 0.0]), labels=["cat", "dog"]).startswith("feature cat brought 1 of the drop of 1")


def test_no_more_than_three_are_named():
    assert who_paid(allocation([-0.25] * 4)).count("brought") == 3
