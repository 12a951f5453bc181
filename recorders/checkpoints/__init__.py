"""A recording as every checkpoint of its training: back into the model, asked afterwards, compared."""
