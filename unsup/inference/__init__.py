"""A finished run on new images."""
