"""What film and page share: what time goes by, and what is said meanwhile."""
