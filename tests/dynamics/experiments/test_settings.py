"""Settings as text, and the values that are refused."""

import pytest

from dyn.dynamics.errors import SettingError
from dyn.dynamics.experiments.settings import expand_importance, parse_settings

PARSED = [
    ("steps=5000", 5000),
    ("steps=1e3", 1000),
    (" steps = 7 ", 7),
    # One more than a double holds: whole numbers are not read by way of one.
    ("steps=9007199254740993", 9007199254740993),
    ("lr=1", 1.0),
    ("lr=3e-4", 3e-4),
    ("density=0.25", 0.25),
    ("density=1,0.3", (1.0, 0.3)),
    ("density=0.3,", (0.3,)),
    ("importance=2", 2.0),
    ("importance=0.7^i", "0.7^i"),
    ("importance=1,2,3,4", (1.0, 2.0, 3.0, 4.0)),
    ("nonlinearity=linear", "linear"),
    ("nonlinearity=linear,relu", ("linear", "relu")),
    ("n_instances=none", None),
    ("init_std=None", None),
    ("init_std=0", 0.0),
    ("optimizer=sgd", "sgd"),
]

WRONG = [
    ("steps", "no '='"),
    ("=4", "unknown setting ''"),
    ("stpes=4", "did you mean steps"),
    ("name=x", "unknown setting 'name'"),
    ("steps=", "steps='' is not a whole number"),
    ("steps=1.5", "steps='1.5' is not a whole number"),
    ("steps=many", "steps='many' is not a whole number"),
    ("steps=none", "steps='none' is not a whole number"),
    ("steps=1,2", "steps='1,2' is not a whole number"),
    ("steps=inf", "steps='inf' is not a whole number"),
    ("steps=0", "steps=0 is not greater than 0"),
    ("batch_size=-3", "batch_size=-3 is not greater than 0"),
    ("n_features=0", "n_features=0 is not greater than 0"),
    ("n_instances=0", "n_instances=0 is not greater than 0"),
    ("lr=0", "lr=0.0 is not greater than 0"),
    ("lr=nan", "lr='nan' is not a number"),
    ("lr=fast", "lr='fast' is not a number"),
    ("seed=-1", "seed=-1 is less than 0"),
    ("init_std=-1", "init_std=-1.0 is less than 0"),
    ("weight_decay=-0.1", "weight_decay=-0.1 is less than 0"),
    ("density=0", r"density=0.0 is not in \(0, 1\]"),
    ("density=1.5", r"density=1.5 is not in \(0, 1\]"),
    ("density=0.1,2", r"density=2.0 is not in \(0, 1\]"),
    ("density=0.1,much", "density='much' is not a number"),
    ("density=,", "density"),
    ("density=half", "density='half' is not a number or a comma-separated list"),
    ("importance=-1", "importance=-1.0 is less than 0"),
    ("importance=1,2", "importance has 2 values for n_features=4"),
    ("importance=,", "importance"),
    ("importance=a,b,c,d", "importance"),
    ("importance=much", "importance='much' is neither"),
    ("importance=-0.7^i", "importance='-0.7\\^i' is neither"),
    ("importance=0.7^j", "importance='0.7\\^j' is neither"),
    ("nonlinearity=rely", "did you mean relu"),
    ("nonlinearity=relu,step", "unknown nonlinearity 'step'"),
    ("optimizer=adm", "did you mean adam"),
    ("schedule=sudden", "unknown schedule 'sudden'; known: constant, linear, cosine"),
    ("correlation=corelated", "did you mean correlated"),
    ("reduction=max", "unknown reduction 'max'"),
    ("sets=3", "sets=3 does not divide n_features=4"),
]


@pytest.mark.parametrize(("text", "value"), PARSED)
def test_text_becomes_a_value_of_the_settings_type(tiny, text, value):
    settings = parse_settings(tiny, (text,))
    assert settings == {text.partition("=")[0].strip(): value}
    assert [type(found) for found in settings.values()] == [type(value)]
    assert tiny.with_settings(**settings).settings.items() >= settings.items()


@pytest.mark.parametrize(("text", "message"), WRONG)
def test_what_cannot_be_used_is_refused_in_one_line(tiny, text, message):
    with pytest.raises(SettingError, match=message) as caught:
        tiny.with_settings(**parse_settings(tiny, (text,)))
    assert "\n" not in str(caught.value)


def test_the_last_of_equal_keys_wins(tiny):
    assert parse_settings(tiny, ("steps=1", "lr=2", "steps=3")) == {"steps": 3, "lr": 2.0}


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": True},
        {"steps": 10.0},
        {"steps": "10"},
        {"steps": None},
        {"density": [0.1, 0.2]},
        {"density": ()},
        {"density": ((0.1, 0.2), (0.3, 0.4))},
        {"density": float("nan")},
        {"importance": ()},
        {"importance": ("1", "2", "3", "4")},
        {"importance": ((1.0,), 1.0, 1.0, 1.0)},
        {"nonlinearity": ("relu", None)},
        {"lr": float("nan")},
        {"lr": float("inf")},
        {"device": 0},
    ],
    ids=str,
)
def test_values_of_a_wrong_type_are_refused(tiny, wrong):
    with pytest.raises(SettingError, match=next(iter(wrong))):
        tiny.with_settings(**wrong)


@pytest.mark.parametrize("name", ["density", "nonlinearity"])
def test_a_list_has_one_value_for_each_instance(tiny, name):
    values = {"density": (0.1, 0.2), "nonlinearity": ("relu", "linear")}
    with pytest.raises(SettingError, match=f"{name} has 2 values for n_instances=3"):
        tiny.with_settings(n_instances=3, **{name: values[name]})
    with pytest.raises(SettingError, match=f"{name} has 2 values for n_instances=None"):
        tiny.with_settings(n_instances=None, **{name: values[name]})


@pytest.mark.parametrize(
    ("importance", "expected"),
    [
        (2, (2.0, 2.0, 2.0)),
        ("0.5^i", (1.0, 0.5, 0.25)),
        (" 5e-1 ^ i ", (1.0, 0.5, 0.25)),
        ("1^i", (1.0, 1.0, 1.0)),
        ("0^i", (1.0, 0.0, 0.0)),
        ((3.0, 2.0, 1.0), (3.0, 2.0, 1.0)),
    ],
)
def test_importance_of_each_feature(importance, expected):
    assert expand_importance(importance, 3) == expected
