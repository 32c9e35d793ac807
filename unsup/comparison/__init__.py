"""Comparison of several reports."""
