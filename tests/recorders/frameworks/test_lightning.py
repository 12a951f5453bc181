"""The callback for Lightning, under the real Trainer."""

import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import pytorch_lightning
import torch
from pytorch_lightning.plugins import MixedPrecision
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset
from typing_extensions import override

import dyn
from dyn.dynamics.errors import OutputExistsError
from dyn.recorders.frameworks.lightning import RecorderCallback

# Lightning asks torch for what is deprecated there.
pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")

STEPS = 6


class Module(pytorch_lightning.LightningModule):
    """A layer that is fit to fixed batches, so that each loss can be computed again from a row's parameters."""

    def __init__(self, optimizer: type[torch.optim.Optimizer] = torch.optim.SGD):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.x = torch.rand(STEPS, 4, 3, generator=generator)
        self.layer = nn.Linear(3, 2)
        for p in self.layer.parameters():
            nn.init.normal_(p, generator=generator)
        self._optimizer = optimizer

    @override
    def training_step(self, batch: list[Tensor], index: int) -> Tensor | None:
        return (self.layer(batch[0]) - 1).square().mean()

    @override
    def validation_step(self, batch: list[Tensor], index: int) -> None:
        self.layer(batch[0])

    @override
    def configure_optimizers(self) -> Any:
        return self._optimizer(self.parameters(), lr=0.1)

    def fit(self, *callbacks: pytorch_lightning.Callback, ckpt_path: Path | None = None, **options: Any) -> "Module":
        data = DataLoader(TensorDataset(self.x), batch_size=None)
        trainer = pytorch_lightning.Trainer(
            **{"max_epochs": 1, "enable_checkpointing": False, "num_sanity_val_steps": 1, **options},
            accelerator="cpu",
            callbacks=list(callbacks),
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(self, data, data, ckpt_path=ckpt_path)
        return self

    def losses(self, recording: dyn.Recording, row: int, *, bias: int | None = None) -> list[float]:
        """Return the loss of every batch at a row's parameters, or with the bias of another."""
        W = torch.from_numpy(recording.parameters["layer.weight"][row])
        b = torch.from_numpy(recording.parameters["layer.bias"][row if bias is None else bias])
        return [float((nn.functional.linear(x, W, b) - 1).square().mean()) for x in self.x]


class Manual(Module):
    """Steps by hand, on two batches for one step."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False

    @override
    def training_step(self, batch: list[Tensor], index: int) -> None:
        optimizer = self.optimizers()
        self.manual_backward(super().training_step(batch, index))
        if index % 2:
            optimizer.step()
            optimizer.zero_grad()


class Alternating(Manual):
    """Weight and bias have an optimizer each, stepped in turn."""

    @override
    def configure_optimizers(self) -> Any:
        return [torch.optim.SGD([p], lr=0.1) for p in self.layer.parameters()]

    @override
    def training_step(self, batch: list[Tensor], index: int) -> None:
        for optimizer in self.optimizers():
            self.manual_backward(Module.training_step(self, batch, index))
            optimizer.step()
            optimizer.zero_grad()


class Failing(Module):
    """Raises in its fourth step."""

    @override
    def training_step(self, batch: list[Tensor], index: int) -> Tensor | None:
        if index == 3:
            raise ZeroDivisionError("the fourth batch")
        return super().training_step(batch, index)


# LBFGS evaluates its closure many times, the first time at the parameters of the row.
@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.LBFGS])
def test_each_loss_belongs_to_the_parameters_of_its_row(path, optimizer):
    module = Module(optimizer)
    initial = module.layer.weight.detach().numpy().copy()
    callback = RecorderCallback(path, config={"by": "Lightning"})
    module.fit(callback)
    assert callback.recorder is None
    with dyn.open(path) as recording:
        assert recording.status == "complete"
        assert recording.config == {"by": "Lightning"}
        assert set(recording.parameters) == {"layer.weight", "layer.bias"}
        assert recording.step[:].tolist() == list(range(STEPS + 1))
        assert np.array_equal(recording.parameters["layer.weight"][0], initial)
        assert np.array_equal(recording.parameters["layer.weight"][-1], module.layer.weight.detach().numpy())
        expected = [module.losses(recording, k)[k] for k in range(STEPS)]
        assert recording.scalars["loss"][:-1] == pytest.approx(expected)
        assert recording.scalars["lr"][:].tolist() == [0.1] * (STEPS + 1)


@pytest.mark.parametrize("batches", [2, 4])
def test_the_losses_of_accumulated_batches_are_summed_as_their_gradients_are(path, batches):
    module = Module().fit(RecorderCallback(path), accumulate_grad_batches=batches)
    with dyn.open(path) as recording:
        # Lightning divides by the number of batches, and steps on what there is when an epoch ends.
        windows = [slice(start, start + batches) for start in range(0, STEPS, batches)]
        expected = [sum(module.losses(recording, k)[window]) / batches for k, window in enumerate(windows)]
        assert recording.scalars["loss"][:-1] == pytest.approx(expected)


def test_a_training_that_steps_by_hand(path):
    module = Manual().fit(RecorderCallback(path))
    with dyn.open(path) as recording:
        expected = [sum(module.losses(recording, k)[2 * k : 2 * k + 2]) for k in range(STEPS // 2)]
        assert recording.scalars["loss"][:-1] == pytest.approx(expected)


def test_a_round_of_several_optimizers_is_a_row_with_the_loss_of_each(path):
    module = Alternating().fit(RecorderCallback(path))
    with dyn.open(path) as recording:
        assert len(recording) == STEPS + 1
        first = [module.losses(recording, k)[k] for k in range(STEPS)]
        assert recording.scalars["loss"][:-1] == pytest.approx(first)
        # The bias takes its gradient where the weight has made its step already.
        second = [module.losses(recording, k + 1, bias=k)[k] for k in range(STEPS)]
        assert recording.scalars["loss_1"][:-1] == pytest.approx(second)


def test_a_gradient_scaler_changes_no_loss_and_its_skipped_steps_leave_no_row(path):
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**18)
    module = Module().fit(RecorderCallback(path), plugins=MixedPrecision("16-mixed", "cpu", scaler))
    with dyn.open(path) as recording:
        taken = len(recording) - 1
        assert 0 < taken < STEPS
        expected = [module.losses(recording, k)[STEPS - taken + k] for k in range(taken)]
        assert recording.scalars["loss"][:-1] == pytest.approx(expected, rel=5e-3)


def test_further_numbers_go_through_the_recorder(path):
    callback = RecorderCallback(path)

    class Logging(Module):
        @override
        def training_step(self, batch: list[Tensor], index: int) -> Tensor | None:
            callback.recorder.log(index=index)
            return super().training_step(batch, index)

    Logging().fit(callback)
    with dyn.open(path) as recording:
        assert recording.scalars["index"][:-1].tolist() == list(range(STEPS))


def test_an_exception_leaves_an_aborted_recording_and_no_hooks(path):
    callback, module = RecorderCallback(path), Failing()
    optimizer = module.configure_optimizers()
    module.configure_optimizers = lambda: optimizer
    with pytest.raises(ZeroDivisionError, match="the fourth batch"):
        module.fit(callback)
    assert callback.recorder is None
    assert not optimizer._optimizer_step_pre_hooks
    assert not optimizer._optimizer_step_post_hooks
    with dyn.open(path) as recording:
        assert recording.status == "aborted"
        assert recording.step[:].tolist() == [0, 1, 2, 3]


def test_a_training_is_the_same_to_the_bit(path):
    bare, recorded = Module(torch.optim.Adam).fit(), Module(torch.optim.Adam).fit(RecorderCallback(path))
    for one, other in zip(bare.parameters(), recorded.parameters(), strict=True):
        assert torch.equal(one, other)


class Saving(pytorch_lightning.Callback):
    """Saves a checkpoint and a pickle of the callbacks after the third batch."""

    def __init__(self, folder: Path):
        self.folder = folder

    @override
    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, index: int) -> None:
        if index == 2:
            trainer.save_checkpoint(self.folder / "third.ckpt")
            (self.folder / "callback.pickle").write_bytes(pickle.dumps(trainer.callbacks[0]))


@pytest.mark.filterwarnings("ignore:You're resuming from a checkpoint that ended before the epoch")
def test_a_checkpoint_is_saved_and_resumed_from_while_recording(path, tmp_path):
    Module().fit(RecorderCallback(path), Saving(tmp_path))
    checkpoint = torch.load(tmp_path / "third.ckpt", weights_only=True)
    assert not checkpoint["callbacks"]
    callback = pickle.loads((tmp_path / "callback.pickle").read_bytes())
    assert callback.recorder is None
    resumed = RecorderCallback(tmp_path / "resumed.h5")
    Module().fit(resumed, ckpt_path=tmp_path / "third.ckpt", max_epochs=2)
    with dyn.open(path) as first, dyn.open(resumed.path) as second:
        saved = checkpoint["state_dict"]["layer.weight"]
        assert np.array_equal(first.parameters["layer.weight"][3], saved)
        assert np.array_equal(second.parameters["layer.weight"][0], saved)


def test_what_attach_refuses_stops_fit_before_the_first_step(path):
    path.write_text("precious")
    module = Module()
    with pytest.raises(OutputExistsError, match="overwrite=True"):
        module.fit(RecorderCallback(path))
    assert module.trainer.global_step == 0
    assert path.read_text() == "precious"


def test_only_the_first_process_records(path):
    callback, other = (
        RecorderCallback(path),
        SimpleNamespace(is_global_zero=False, precision_plugin=None, optimizers=[]),
    )
    callback.on_train_start(other, Module())
    callback.on_before_backward(other, Module(), torch.tensor(1.0))
    callback.on_before_optimizer_step(other, Module(), torch.optim.SGD(Module().parameters()))
    callback.on_train_end(other, Module())
    assert not path.exists()


@pytest.mark.parametrize("clip", [None, 0.05])
def test_what_each_step_brought_is_by_the_gradient_that_it_used(path, clip):
    # Lightning hands the backward pass to the step; plain SGD moves by -lr g, so that g Δ is -Δ² / lr.
    Module().fit(RecorderCallback(path, gradients="allocation"), gradient_clip_val=clip)
    with dyn.open(path) as recording:
        found = recording.features["layer.weight"]["allocation"][:-1]
        moves = np.diff(recording.parameters["layer.weight"][:].astype(float), axis=0)
    np.testing.assert_allclose(found, -(moves**2).sum(1) / 0.1, rtol=1e-3, atol=1e-8)
    assert np.abs(found).max() > 1e-5
