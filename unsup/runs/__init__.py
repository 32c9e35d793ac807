"""Runs, their configuration, folder and checkpoints, and the objects built from them."""
