"""What a page shows of a recording, as one document that JSON can hold."""

import base64
import json
from typing import Any

import numpy as np

from ...dynamics.chance import Verdict
from ...dynamics.levels import LEVELS
from ...dynamics.motion.words import describe
from ...recorders.reading.selection import LOSSES, Selection
from ...recorders.stories.story import Story
from ..parts.style import FAINT, REPRESENTED, spread
from ..playback.captions import head_of, tell_jump
from ..playback.footage import Footage
from .curves import Curves, dimensionality_curves, loss_curves
from .keyframes import Keyframes, keyframes

# Labels of neighbouring levels stand so far apart, in units of D.
_LABEL_GAP = 0.06
# Points are whole numbers of this unit, a hundredth of a pixel; whatever is twice as far as the longest feature of the
# rows that were looked at is shown there.
_UNIT = 1 / 16_000


def page_data(selection: Selection) -> dict[str, Any]:
    """Return all that the page needs; arrays as packed() gives them.

    Raises RecordingError where there is nothing to show.
    """
    run = Footage(selection)
    frames = keyframes(run)
    losses = {name: selection.loss(name) for name in LOSSES}
    return {
        "title": selection.title,
        "caption": _caption(run),
        "settings": _settings(selection, len(frames.rows)),
        "names": run.names,
        "colours": run.colours,
        "sets": run.sets,
        "isFaint": [colour == FAINT for colour in run.colours],
        "isFlat": run.m < 3,
        "isLine": run.m == 1,
        "frames": _frames(frames, run.step),
        "levels": _levels(run.story.verdict),
        "dimensionality": _curves(dimensionality_curves(run.step, selection.dimensionality)),
        "loss": _curves(loss_curves(run.step, losses)),
        "marks": _marks(run.story),
    }


def packed(values: np.ndarray) -> dict[str, str]:
    """Return an array as its dtype and its little-endian bytes in base64."""
    little = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))
    return {"dtype": values.dtype.name, "data": base64.b64encode(little.tobytes()).decode("ascii")}


def _frames(frames: Keyframes, step: np.ndarray) -> dict[str, Any]:
    whole = np.round(frames.points.clip(-2, 2) / _UNIT).astype(np.int16)
    return {
        "step": step[frames.rows].tolist(),
        "unit": _UNIT,
        "points": packed(whole),
        "faces": packed(np.concatenate([hull.faces for hull in frames.hulls]).astype(np.uint16)),
        "faceCounts": [len(hull.faces) for hull in frames.hulls],
        "edges": packed(np.concatenate([hull.edges for hull in frames.hulls]).astype(np.uint16)),
        "edgeCounts": [len(hull.edges) for hull in frames.hulls],
    }


def _levels(verdict: Verdict | None) -> list[dict[str, Any]]:
    """Return the levels as numbers, each with the name of its polytope where that is there.

    Where all is as chance would have it, there is only a line where the D of random directions is.
    """
    if verdict is not None and not verdict.says_more:
        return [{"value": verdict.at_random, "place": verdict.at_random, "label": "at random", "name": ""}]
    found = set(verdict.names.values() if verdict else ())
    values = [float(level.dimensionality) for level in LEVELS]
    return [
        {
            "value": value,
            "place": place,
            "label": level.label,
            "name": level.name_among(found),
        }
        for level, value, place in zip(LEVELS, values, spread(values, _LABEL_GAP), strict=True)
    ]


def _curves(curves: Curves) -> dict[str, Any]:
    return {
        "step": packed(curves.step.astype(np.float64)),
        "values": packed(curves.values.astype(np.float32)),
        "names": curves.names,
        "range": curves.range,
        "isLog": curves.is_log,
    }


def _marks(story: Story) -> list[dict[str, Any]]:
    """Return the regimes and the jumps as they begin: each with its mark, what is told meanwhile, and all its words."""
    regimes = [("regime", each, each.kind, head_of(each), describe(each, story.labels)) for each in story.regimes or ()]
    jumps = [
        (
            "jump",
            each,
            str(number),
            tell_jump(each, story.loss, labels=story.labels),
            f"{words}; {paid}" if paid else words,
        )
        for number, (each, words, paid) in enumerate(
            zip(story.jumps, story.jump_words, story.payer_words, strict=True), 1
        )
    ]
    return [
        {"kind": kind, "start": float(each.start), "end": float(each.end), "name": name, "head": head, "words": words}
        for kind, each, name, head, words in sorted([*regimes, *jumps], key=lambda mark: mark[1].start)
    ]


def _caption(run: Footage) -> str:
    """Return what the polyhedron is, for someone who sees one for the first time."""
    if run.selection.sets is None:
        colours = f"coloured are those that end with D above {REPRESENTED:g}"
    else:
        colours = "those of one set share a colour and a mark"
    if run.m == 1:
        return f"Each line is a feature, along the only hidden dimension; {colours}."
    return f"Each line from the centre is a feature, {colours}; the solid is their convex hull. Shown: {run.space}."


def _settings(selection: Selection, frames: int) -> list[tuple[str, str]]:
    """Return what the recording tells of itself, by name."""
    recording = selection.recording
    step, rows = recording.step, len(recording)
    shown = "all of them" if frames == rows else f"{frames:,} of them"
    settings: dict[str, Any] = {
        "recording": recording.path.name,
        "parameter": selection.parameter,
        "instance": selection.instance,
        "rows": f"{rows:,}, steps {int(step[0]):,} to {int(step[-1]):,}; the polyhedron shows {shown}",
        "status": recording.status,
        "created": recording.created,
        "software": recording.software,
        **recording.config,
    }
    if selection.experiment:
        del settings["experiment"]
        settings |= selection.experiment
    told = ((name, value if isinstance(value, str) else json.dumps(value)) for name, value in settings.items())
    return [(name, text) for name, text in told if text not in ("", "null")]
