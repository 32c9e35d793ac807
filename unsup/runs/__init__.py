"""Runs, with their configuration, folder, checkpoints, data and models."""
