"""Layers, backbones, views and optimizers that methods share."""
