"""What a recording calls itself; apart from the rest, so that reading one loads no torch."""

FORMAT = "learning-dynamics"
FORMAT_VERSION = 1
