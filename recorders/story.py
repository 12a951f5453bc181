"""What happened in a recording, in words."""

from .stories.story import Story, tell, tell_all

__all__ = ["Story", "tell", "tell_all"]
