"""What is taken from a model, under which names, and how it is copied."""
