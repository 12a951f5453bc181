"""One file a figure, for any recording."""
