"""One recording of the shards of several processes."""

from .rewriting.merge import merge

__all__ = ["merge"]
