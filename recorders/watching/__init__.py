"""A live recording on the terminal."""
