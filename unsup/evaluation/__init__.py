"""Scores of codes, whatever encoder they come from."""
