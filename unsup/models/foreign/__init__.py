"""Encoders that were trained elsewhere, one file for each source of them."""
