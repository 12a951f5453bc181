"""A recording as every checkpoint of its training: back into the model, on from there, asked afterwards, compared."""
