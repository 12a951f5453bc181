"""Rows that outlive the process: what a row is made of, and the mapped file that holds them."""
