"""Motions and regimes told in plain words."""

from collections.abc import Sequence
from dataclasses import replace
from functools import singledispatch

import numpy as np

from ..feature_names import name_features
from ..polytopes.identification import NEGLIGIBLE
from .affine import Motion
from .regimes import Change, Regime

# What is below these is not told: a turn in degrees, a change of size, a residual.
_SMALL_ANGLE = 1.0
_SMALL_SHARE = 0.01
# Kinds of regimes in which sets keep their place.
_STILL = ("settling", "rest")


@singledispatch
def describe(motion: Motion | Regime, labels: Sequence[str] | None = None) -> str:
    """Return a motion or a regime in words, such as ``features 0-2: turn 38° about (0, 0, 1), 2.1x as large``.

    Angles are in degrees, of which less than 1° is not told, nor are changes of less than 1 %. *labels* are the names
    of all features, which have numbers otherwise. Raises TypeError for anything else.
    """
    del labels
    raise TypeError(f"describe() takes a Motion or a Regime, got {type(motion).__name__}")


@describe.register
def _(motion: Motion, labels: Sequence[str] | None = None) -> str:
    told = [*_turn(motion), *_sizes(motion)]
    shift = np.linalg.norm(motion.translation)
    if shift > _SMALL_SHARE:
        told.append(f"shift by {shift:.2g}")
    if motion.residual > _SMALL_SHARE:
        told.append(f"residual {motion.residual:.2f}")
    return f"{name_features(motion.features, labels)}: {', '.join(told) or 'at rest'}"


@describe.register
def _(regime: Regime, labels: Sequence[str] | None = None) -> str:
    least = NEGLIGIBLE * max(max(change.length) for change in regime.changes)
    changes = [change for change in regime.changes if max(change.length) > least]
    changes = _together(changes) if regime.kind in _STILL else changes
    told = [_told(regime.kind, change, labels) for change in changes]
    if regime.kind == "twist" or (regime.kind == "opening" and regime.twist > _SMALL_ANGLE):
        told.append(f"the sets turn {regime.twist:.0f}° against each other")
    told.append(f"at the end {regime.form}")
    if regime.loss is not None:
        told.append("loss {:.3g} → {:.3g}".format(*regime.loss))
    return f"steps {regime.start}-{regime.end}, {regime.kind}: {'; '.join(told)}"


def _turn(motion: Motion) -> list[str]:
    about = "" if motion.axis is None else " about ({})".format(", ".join(f"{x + 0:.2g}" for x in motion.axis.round(2)))
    turn = [f"turn {motion.angle:.0f}°{about}"] if motion.angle > _SMALL_ANGLE else []
    return [*(["mirrored"] if motion.reflected else []), *turn]


def _sizes(motion: Motion) -> list[str]:
    scale = [f"{motion.scale:.3g}x as large"] if abs(motion.scale - 1) > _SMALL_SHARE else []
    uneven = motion.stretches.size > 0 and np.ptp(motion.stretches) > _SMALL_SHARE
    stretches = " : ".join(f"{stretch:.2f}" for stretch in motion.stretches)
    return [*scale, *([f"stretched {stretches}"] if uneven else [])]


def _together(changes: Sequence[Change]) -> list[Change]:
    """Make one change of all single features that form the same, of which nothing but the form is told."""
    alone: dict[tuple[str, str], Change] = {}
    kept = []
    for change in changes:
        if len(change.features) > 1:
            kept.append(change)
        elif change.form in alone:
            first = alone[change.form]
            alone[change.form] = replace(first, features=(*first.features, *change.features))
        else:
            alone[change.form] = change
    return [*alone.values(), *kept]


def _told(kind: str, change: Change, labels: Sequence[str] | None) -> str:
    """Tell what belongs to this kind of regime about one set."""
    who = name_features(change.features, labels)
    s = "s" if len(change.features) == 1 else ""
    before, after = change.form
    becomes = f"{before} → {after}" if before != after else after
    if kind == "growth":
        verb = "shrink" if change.length[1] < change.length[0] else "grow"
        return f"{who} {verb}{s} {change.length[0]:.2g} → {change.length[1]:.2g} ({after})"
    if kind in ("opening", "closing", "reshaping"):
        return f"{who} span{s} {change.dimensions[0]:.1f} → {change.dimensions[1]:.1f} dimensions ({becomes})"
    if kind == "twist":
        return f"{describe(change.motion, labels)} ({becomes})"
    return f"{who} stay{s} {after}" if before == after else f"{who} {becomes}"
