"""A recording written anew, for fast reading."""

from .rewriting.compact import compact

__all__ = ["compact"]
