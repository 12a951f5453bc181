"""Which writer a recording gets: by the size of its rows, or the one that was asked for."""

import pytest
import torch
from torch import nn

import dyn
from dyn.dynamics.errors import SettingError
from dyn.recorders.writing.writer import InlineWriter, ProcessWriter


@pytest.mark.parametrize(
    ("writer", "size", "kind"),
    [
        ("auto", 8, InlineWriter),
        ("auto", 300, ProcessWriter),
        ("inline", 300, InlineWriter),
        ("process", 8, ProcessWriter),
    ],
)
def test_a_process_writes_large_rows_or_where_it_is_wanted(path, writer, size, kind):
    model = nn.Linear(size, size)
    with dyn.attach(model, torch.optim.SGD(model.parameters()), path, writer=writer, features=None) as recorder:
        assert isinstance(recorder._writer, kind)
    assert len(dyn.open(path)) == 1


@pytest.mark.parametrize(
    ("options", "message"), [({"writer": "proces"}, "did you mean process"), ({"on_full": "drop"}, "on_full")]
)
def test_what_there_is_not_is_refused(regression, path, options, message):
    with pytest.raises(SettingError, match=message):
        dyn.attach(regression.model, regression.optimizer, path, **options)
    assert list(path.parent.iterdir()) == []
