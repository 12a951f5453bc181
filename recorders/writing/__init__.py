"""From the ring to the file: who empties it, how a recording begins, ends and is repaired."""
