"""The callback for transformers, under the real Trainer, on a tiny model made from a configuration."""

import json
import pickle
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainerCallback, TrainingArguments
from typing_extensions import override

import dyn
from dyn.dynamics.errors import OutputExistsError
from dyn.recorders.frameworks.transformers import RecorderCallback

WEIGHT = "transformer.h.0.attn.c_proj.weight"
STEPS = 4
# Before release 5 losses are printed with four digits behind the point.
PRINTED = 5e-5
CONFIG = {
    "vocab_size": 16,
    "n_positions": 8,
    "n_embd": 8,
    "n_layer": 2,
    "n_head": 2,
    "bos_token_id": 0,
    "eos_token_id": 0,
}
NO_DROPOUT = {"embd_pdrop": 0.0, "attn_pdrop": 0.0, "resid_pdrop": 0.0}


def make_model() -> GPT2LMHeadModel:
    torch.manual_seed(0)
    return GPT2LMHeadModel(GPT2Config(**CONFIG, **NO_DROPOUT))


def make_data() -> list[dict[str, Tensor]]:
    tokens = torch.randint(16, (64, 8), generator=torch.Generator().manual_seed(0))
    # The Trainer divides by the number of labels, and the first token of a text is predicted by none.
    return [{"input_ids": each, "labels": torch.cat((torch.tensor([-100]), each[1:]))} for each in tokens]


@pytest.fixture
def make_trainer(tmp_path) -> Callable[..., Trainer]:
    def make(*callbacks: TrainerCallback, kind: type[Trainer] = Trainer, **options: Any) -> Trainer:
        arguments = TrainingArguments(
            tmp_path / "output",
            max_steps=STEPS,
            learning_rate=1e-2,
            logging_steps=1,
            **{"per_device_train_batch_size": 4, "save_strategy": "no", **options},
            use_cpu=True,
            report_to=[],
            disable_tqdm=True,
            dataloader_pin_memory=False,
        )
        data = make_data()
        return kind(make_model(), arguments, train_dataset=data, eval_dataset=data[:8], callbacks=list(callbacks))

    return make


def weight_of(model: torch.nn.Module) -> np.ndarray:
    return model.get_parameter(WEIGHT).detach().numpy().copy()


def printed(trainer: Trainer, name: str) -> list[float]:
    return [each[name] for each in trainer.state.log_history if "loss" in each]


class Failing(TrainerCallback):
    """Raises after the second step, outside of what the recorder's callback sees."""

    @override
    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == 2:
            raise ZeroDivisionError("after the second step")


class FailingTrainer(Trainer):
    """Raises in its third training step."""

    @override
    def training_step(self, *args: Any, **kwargs: Any) -> Tensor:
        if self.state.global_step == 2:
            raise ZeroDivisionError("in the third step")
        return super().training_step(*args, **kwargs)


class Pickling(TrainerCallback):
    """Pickles the recorder's callback after the second step."""

    def __init__(self, callback: RecorderCallback):
        self.callback, self.pickled = callback, b""

    @override
    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == 2:
            self.pickled = pickle.dumps(self.callback)


def test_each_loss_belongs_to_the_parameters_of_its_row(path, make_trainer):
    # All data in one batch, so that the loss of a row can be computed again.
    callback = RecorderCallback(path, config={"by": "transformers"})
    trainer = make_trainer(callback, per_device_train_batch_size=64)
    initial = weight_of(trainer.model)
    trainer.train()
    assert callback.recorder is None
    model, batch = make_model().eval(), torch.stack([each["input_ids"] for each in make_data()])
    with dyn.open(path) as recording:
        assert recording.status == "complete"
        assert recording.config == {"by": "transformers"}
        assert recording.step[:].tolist() == list(range(STEPS + 1))
        assert np.array_equal(recording.parameters[WEIGHT][0], initial)
        assert np.array_equal(recording.parameters[WEIGHT][-1], weight_of(trainer.model))
        for row in range(STEPS):
            state = {name: torch.from_numpy(values[row]) for name, values in recording.parameters.items()}
            model.load_state_dict(state, strict=False)
            assert recording.scalars["loss"][row] == pytest.approx(model(batch, labels=batch).loss.item(), rel=1e-5)


@pytest.mark.parametrize("batches", [1, 3])
def test_each_loss_is_the_one_that_the_trainer_prints(path, make_trainer, batches):
    trainer = make_trainer(RecorderCallback(path), gradient_accumulation_steps=batches)
    trainer.train()
    with dyn.open(path) as recording:
        assert recording.scalars["loss"][:-1] == pytest.approx(printed(trainer, "loss"), abs=PRINTED)
        assert recording.scalars["lr"][:-1] == pytest.approx(printed(trainer, "learning_rate"))


def test_a_loss_that_the_trainer_computes_itself(path, make_trainer):
    class Tripled(Trainer):
        @override
        def compute_loss(self, *args: Any, **kwargs: Any) -> Any:
            return 3 * super().compute_loss(*args, **kwargs)

    trainer = make_trainer(RecorderCallback(path), kind=Tripled)
    trainer.train()
    with dyn.open(path) as recording:
        assert recording.scalars["loss"][0] > 6
        assert recording.scalars["loss"][:-1] == pytest.approx(printed(trainer, "loss"), abs=PRINTED)


def test_a_training_is_the_same_to_the_bit_and_nothing_is_left_on_it(path, make_trainer):
    bare, recorded = make_trainer(), make_trainer(RecorderCallback(path))
    bare.train()
    recorded.train()
    assert printed(bare, "loss") == printed(recorded, "loss")
    for one, other in zip(bare.model.parameters(), recorded.model.parameters(), strict=True):
        assert torch.equal(one, other)
    optimizer = recorded.optimizer.optimizer
    assert not optimizer._optimizer_step_pre_hooks
    assert not optimizer._optimizer_step_post_hooks
    assert "training_step" not in vars(recorded)


def test_a_training_step_that_was_replaced_stays_replaced(path, make_trainer):
    trainer = make_trainer(RecorderCallback(path))
    bound = trainer.training_step
    trainer.training_step = replacement = lambda *args, **kwargs: bound(*args, **kwargs)
    trainer.train()
    assert trainer.training_step is replacement
    with dyn.open(path) as recording:
        assert recording.scalars["loss"][:-1] == pytest.approx(printed(trainer, "loss"), abs=PRINTED)


def test_two_recordings_of_one_training(path, make_trainer, tmp_path):
    often, seldom = RecorderCallback(path), RecorderCallback(tmp_path / "seldom.h5", every=2)
    trainer = make_trainer(often, seldom)
    trainer.train()
    with dyn.open(often.path) as every, dyn.open(seldom.path) as second:
        assert second.step[:].tolist() == [0, 2, 4]
        assert every.scalars["loss"][:-1] == pytest.approx(printed(trainer, "loss"), abs=PRINTED)
        assert second.scalars["loss"][:-1] == pytest.approx(printed(trainer, "loss")[::2], abs=PRINTED)


def test_checkpoints_are_saved_and_resumed_from_while_recording(path, make_trainer, tmp_path):
    callback = RecorderCallback(path)
    pickling = Pickling(callback)
    make_trainer(callback, pickling, save_strategy="steps", save_steps=2).train()
    assert pickle.loads(pickling.pickled).recorder is None
    checkpoint = tmp_path / "output" / "checkpoint-2"
    assert "RecorderCallback" not in json.loads((checkpoint / "trainer_state.json").read_text())["stateful_callbacks"]
    resumed = RecorderCallback(tmp_path / "resumed.h5")
    make_trainer(resumed, save_strategy="steps").train(resume_from_checkpoint=str(checkpoint))
    saved = load_file(checkpoint / "model.safetensors")[WEIGHT].numpy()
    with dyn.open(path) as first, dyn.open(resumed.path) as second:
        assert np.array_equal(first.parameters[WEIGHT][2], saved)
        assert np.array_equal(second.parameters[WEIGHT][0], saved)
        assert len(second) == 3
        assert second.parameters[WEIGHT][-1] == pytest.approx(first.parameters[WEIGHT][-1])


def test_the_last_row_is_the_last_state_where_the_best_is_loaded_afterwards(path, make_trainer, tmp_path):
    # Whatever the loss, the least good one is called the best.
    best = {"load_best_model_at_end": True, "metric_for_best_model": "eval_loss", "greater_is_better": True}
    often = {"eval_strategy": "steps", "eval_steps": 1, "save_strategy": "steps", "save_steps": 1}
    trainer = make_trainer(RecorderCallback(path), **best, **often)
    trainer.train()
    with dyn.open(path) as recording:
        last = load_file(tmp_path / "output" / f"checkpoint-{STEPS}" / "model.safetensors")[WEIGHT].numpy()
        assert np.array_equal(recording.parameters[WEIGHT][-1], last)
        assert not np.array_equal(weight_of(trainer.model), last)


def test_a_training_step_that_raises_leaves_an_aborted_recording(path, make_trainer):
    callback = RecorderCallback(path)
    trainer = make_trainer(callback, kind=FailingTrainer)
    with pytest.raises(ZeroDivisionError, match="in the third step"):
        trainer.train()
    assert callback.recorder is None
    assert "training_step" not in vars(trainer)
    with dyn.open(path) as recording:
        assert recording.status == "aborted"
        assert recording.step[:].tolist() == [0, 1, 2]


def test_a_training_that_raises_elsewhere_is_over_when_the_next_begins(path, make_trainer):
    callback = RecorderCallback(path, overwrite=True)
    with pytest.raises(ZeroDivisionError, match="after the second step"):
        make_trainer(callback, Failing()).train()
    recorder = callback.recorder
    with dyn.open(path) as recording:
        assert recording.status == "recording"
    make_trainer(callback).train()
    assert "closed" in repr(recorder)
    with dyn.open(path) as recording:
        assert recording.status == "complete"
        assert len(recording) == STEPS + 1


def test_what_attach_refuses_stops_train_before_the_first_step(path, make_trainer):
    path.write_text("precious")
    trainer = make_trainer(RecorderCallback(path))
    with pytest.raises(OutputExistsError, match="overwrite=True"):
        trainer.train()
    assert trainer.state.global_step == 0
    assert path.read_text() == "precious"


def test_only_the_first_process_records(path):
    callback, other = RecorderCallback(path), SimpleNamespace(is_world_process_zero=False)
    callback.on_train_begin(None, other, None, model=None, optimizer=None)
    callback.on_pre_optimizer_step(None, other, None)
    callback.on_train_end(None, other, None)
    assert not path.exists()
