"""Which steps make a row."""
