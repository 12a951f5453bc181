"""Checkpoints that a training goes on from: what is kept, when, and how it comes back."""
