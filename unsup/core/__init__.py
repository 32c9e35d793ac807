"""Errors, files, seeds, YAML, options and ranks, which every other package uses."""
