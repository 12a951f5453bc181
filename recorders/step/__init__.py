"""What every step of a recorded training runs."""
