"""What jumps of all that was logged: planted jumps are found; smooth, noisy and set signals have none."""

import numpy as np
import pytest
import torch
from torch import nn

import dyn
from dyn.recorders.stories.info import tell_info
from dyn.recorders.stories.logged import tell_logged

ROWS, START, END = 1200, 600, 620


@pytest.fixture
def recording(path):
    """Two leaps, one of them in a probe; and an exponential, a power law, noise and a rate, which do not leap."""
    rng = np.random.default_rng(0)
    scores = np.zeros((2, 2))
    walk = np.cumsum(np.random.default_rng(3).normal(size=ROWS))
    names = torch.tensor([1j])
    with dyn.attach(
        nn.Linear(2, 1),
        None,
        path,
        select="bias",
        probes={"scores": lambda _: torch.tensor(scores), "z": lambda _: names},
    ) as recorder:
        for k in range(ROWS):
            share = float(np.clip((k - START) / (END - START), 0, 1))
            scores[1, 0] = 0.05 + 0.5 * share + 0.003 * rng.normal()
            recorder.step(
                test_acc=0.1 + 0.8 * share + 0.002 * rng.normal(),
                exponential=np.exp(-k / 200),
                power=(k + 10) ** -0.5,
                noise=rng.normal(),
                walk=walk[k],
                lr=1e-3 if k < 300 else 1e-4,
                lr_1=1e-3 if k < 300 else 1e-4,
            )
    with dyn.open(path) as opened:
        yield opened


def test_what_leaps_is_told_and_the_rest_is_said_not_to(recording):
    head, *lines, still = str(tell_logged(recording)).splitlines()
    assert head == "2 of 6 logged signals jump"
    assert len(lines) == 2
    assert any("test_acc rises 0.1 → 0.9" in line for line in lines)
    assert any("scores[1, 0] rises 0.0" in line for line in lines)
    assert still == "  no jump in exponential, power, noise, walk"


def test_info_and_its_document_have_it(recording):
    info = tell_info(recording)
    assert str(tell_logged(recording)) in str(info)
    found = {each["signal"]: len(each["jumps"]) for each in info.as_dict()["logged"]}
    assert found == {"exponential": 0, "noise": 0, "power": 0, "scores": 1, "test_acc": 1, "walk": 0}


def test_nothing_is_said_where_nothing_jumps(tmp_path):
    with dyn.attach(nn.Linear(2, 1), None, tmp_path / "quiet.h5", select="bias") as recorder:
        for k in range(200):
            recorder.step(loss=np.exp(-k / 50))
    with dyn.open(tmp_path / "quiet.h5") as quiet:
        assert str(tell_logged(quiet)) == ""
        assert "jump" not in str(tell_info(quiet))
