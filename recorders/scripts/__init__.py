"""Anyone's script, run as python would, and recorded unchanged."""
