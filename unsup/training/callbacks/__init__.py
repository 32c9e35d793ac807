"""Callbacks that measure and show a training without changing it."""
