"""What the callbacks share: the loss of a step, and how a recording ends that no framework closes."""

import importlib
import subprocess
import sys
from unittest.mock import Mock

import pytest
import torch

import dyn
from dyn.dynamics.errors import MissingExtraError, SettingError
from dyn.recorders.frameworks.callback import RecordsTraining

UNFINISHED = """
import sys
import torch
from dyn.recorders.frameworks.callback import RecordsTraining

model = torch.nn.Linear(2, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
training = RecordsTraining(sys.argv[1])
training._begin(model, optimizer)
optimizer.step()
"""


@pytest.mark.slow
def test_the_end_of_the_interpreter_is_not_that_of_the_training(path):
    subprocess.run([sys.executable, "-c", UNFINISHED, path], check=True)
    with dyn.open(path) as recording:
        assert recording.status == "aborted"
        assert len(recording) == 2


def test_losses_are_summed_where_they_are_and_keep_no_graph(path):
    training = RecordsTraining(path)
    training.recorder = Mock()
    losses = torch.tensor([1.0, 2.0], requires_grad=True)
    for _ in range(2):
        for loss in losses:
            training._add_loss(loss)
        training._log_loss()
        logged = training.recorder.log.call_args.kwargs["loss"]
        # A number would have had to be waited for on a GPU.
        assert isinstance(logged, torch.Tensor)
        assert not logged.requires_grad
        assert logged == 3


def test_an_unknown_option_is_told_before_the_training(path):
    with pytest.raises(SettingError, match="did you mean every"):
        RecordsTraining(path, evry=10)


@pytest.mark.parametrize(
    ("framework", "absent"),
    [
        ("lightning", ["lightning", "pytorch_lightning"]),
        ("transformers", ["transformers"]),
        ("transformers", ["accelerate"]),
    ],
)
def test_a_missing_package_is_told_with_its_extra(monkeypatch, framework, absent):
    for name in list(sys.modules):
        if name.split(".")[0] in absent:
            monkeypatch.delitem(sys.modules, name)
    for package in absent:
        monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.delitem(sys.modules, f"dyn.recorders.frameworks.{framework}", raising=False)
    with pytest.raises(MissingExtraError, match=rf"extra \[{framework}\]"):
        importlib.import_module(f"dyn.recorders.frameworks.{framework}")
