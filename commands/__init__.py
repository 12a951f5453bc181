"""The commands of ``dyn``: parse, one library call, print."""
