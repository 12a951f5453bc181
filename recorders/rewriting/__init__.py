"""A recording written anew: compacted, or merged of several."""
