"""A trigger: which rows are worth keeping is decided while the training runs."""

from .schedule.trigger import Trigger

__all__ = ["Trigger"]
