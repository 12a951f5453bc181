"""Branches of a run of the catalogue: what would have happened, had a setting been another one from some step on."""

from dataclasses import dataclass
from typing import Any

from ...dynamics.errors import SettingError
from ...dynamics.experiments.experiment import Experiment
from ...dynamics.training.loop import Training
from ..reading.opening import catalogue_entry
from ..reading.recording import Recording
from .encoding import decode
from .generators import set_state
from .kept import Checkpoint, checkpoint_of
from .resume import check_model, load_model, load_optimizer

# What changes the shape of a model, so that no state of the recorded one fits.
_FIXED = ("n_features", "n_hidden", "model", "n_instances", "repeat")
# Those whose states fit each other.
_ALIKE = ({"adam", "adamw"}, {"sgd"})


@dataclass(frozen=True)
class Branch:
    """Where a run of the catalogue is left: its recording's name, the checkpoint, and the experiment as it was."""

    origin: str
    checkpoint: Checkpoint
    experiment: Experiment
    recording: Recording

    def check(self, wanted: Experiment) -> None:
        """Raise SettingError for settings that make another model, and for too few steps."""
        if changed := [name for name in _FIXED if getattr(wanted, name) != getattr(self.experiment, name)]:
            raise SettingError(f"{self.origin}: {', '.join(changed)} makes another model, which cannot go on from it")
        if wanted.steps <= self.checkpoint.step:
            raise SettingError(f"steps={wanted.steps} is no more than {self.origin} has made; give more: --steps N")

    def begin(self, training: Training) -> int:
        """Put a training of the experiment with other settings into the state of the checkpoint; return the step.

        Where the seed is another one, other data are drawn from there on; a state that another kind of optimizer left
        is not taken over. Raises SettingError as check() does.
        """
        step, wanted = self.checkpoint.step, training.experiment
        self.check(wanted)
        load_model(self.checkpoint, check_model(self.checkpoint, self.recording, training.model))
        if any({wanted.optimizer, self.experiment.optimizer} <= alike for alike in _ALIKE):
            settings = [{k: v for k, v in group.items() if k != "params"} for group in training.optimizer.param_groups]
            load_optimizer(training.optimizer, self._read(self.checkpoint.state["optimizers"][0]["state"]))
            for group, own in zip(training.optimizer.param_groups, settings, strict=True):
                group.update(own)
        if wanted.seed == self.experiment.seed:
            set_state(training.generator, self._read(self.checkpoint.state["more"][0]["state"]))
        training.begins_at = step
        return step

    def _read(self, node: Any) -> Any:
        return decode(node, self.checkpoint.read)


def branch_of(recording: Recording, step: int) -> Branch:
    """Return the branch that leaves a recording of the catalogue at a step that has a checkpoint.

    Raises SettingError for another recording or another step.
    """
    entry = catalogue_entry(recording.config)
    if not entry:
        raise SettingError(
            f"{recording.path} is of no experiment of the catalogue, so that its loop is not known; in your own "
            "script, recording.resume_into(model, optimizer, step=…) goes on from it"
        )
    settings: dict[str, Any] = {name: tuple(each) if isinstance(each, list) else each for name, each in entry.items()}
    checkpoint = checkpoint_of(recording, step)
    return Branch(f"{recording.path}@{step}", checkpoint, Experiment(**settings), recording)
