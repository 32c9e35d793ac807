"""Drawings of arrays, for reports."""
