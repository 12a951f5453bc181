"""What `dyn info` says: what a recording holds, its matrices ranked if it is of a network, and what happened."""

from dataclasses import dataclass, replace
from typing import Any

from ..reading.matching import matching
from ..reading.matrices import is_ensemble, is_network
from ..reading.opening import catalogue_entry
from ..reading.recording import Recording
from ..text import ShownAsText
from .ensemble_story import EnsembleStory, tell_ensemble
from .logged import Logged, tell_logged
from .payers import with_payers
from .ranking import Ranking, rank_matrices
from .story import Story, tell, tell_all
from .summary import Summary, summarize


@dataclass(frozen=True)
class Info(ShownAsText):
    """What a recording holds and what happened in it; the words of a network are its ranking, and no story is told.

    The story is of one matrix: of a network that which says most. None where no features were recorded. logged is what
    jumps of all that was logged of a network.
    """

    summary: Summary
    ranking: Ranking | None
    story: Story | EnsembleStory | None
    tells_story: bool = True
    logged: Logged | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        ranking = None if self.ranking is None else self.ranking.as_dict()
        story, logged = (each and each.as_dict() for each in (self.story, self.logged))
        return self.summary.as_dict() | {"ranking": ranking, "story": story, "logged": logged}

    def __str__(self) -> str:
        # The ranking has the shapes, and what may be said of the features.
        summary = self.summary if self.ranking is None else replace(self.summary, parameters={}, levels={})
        story = self.story if self.tells_story else None
        return "\n".join(str(each) for each in (summary, self.logged, self.ranking, story) if str(each or ""))


def tell_info(recording: Recording, parameter: str | None = None, *, in_full: bool = False) -> Info:
    """Return what a recording holds and what happened in it, or in the matrices that a name or glob matches.

    in_full: tell the story also where only the ranking is put into words.
    Raises SettingError for a parameter that is not there, RecordingError where there is nothing to tell of it.
    """
    summary = summarize(recording, with_levels=in_full or not is_network(recording))
    if not is_network(recording):
        told_of = tell_all(recording) if parameter is None else _tell_of(recording, parameter)
        logged = None if recording.features else tell_logged(recording)
        story = with_payers(recording, told_of) if isinstance(told_of, Story) else told_of
        return Info(summary, None, story, logged=logged)
    ranking = rank_matrices(recording, parameter)
    told = [each.parameter for each in ranking.matrices if each.parameter in recording.features]
    # The catalogue's experiments are about their first matrix, and one that is asked for is about itself.
    is_one = parameter is not None and len(ranking.matrices) == 1
    if parameter is None and catalogue_entry(recording.config):
        return Info(summary, ranking, tell_all(recording), logged=tell_logged(recording))
    story = with_payers(recording, tell(recording, told[0])) if told and (in_full or is_one) else None
    return Info(summary, ranking, story, tells_story=is_one, logged=None if is_one else tell_logged(recording))


def _tell_of(recording: Recording, parameter: str) -> Story | EnsembleStory:
    """Return the story of a parameter by its name or glob."""
    return (tell_ensemble if is_ensemble(recording) else tell)(recording, parameter)


def tell_each(recording: Recording, parameter: str, instance: int | None = None) -> dict[str, Story]:
    """Return the story of every parameter with features that a name or glob matches, by name, with who paid."""
    names = matching("parameter with features", parameter, recording.features)
    return {name: with_payers(recording, tell(recording, name, instance)) for name in names}
