"""A change of the loss shared out among what moved."""
