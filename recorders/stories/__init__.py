"""What happened in a recording, in words."""
