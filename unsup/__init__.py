"""Unsupervised representation learning on images: many methods, one data path, one honest evaluator."""

__version__ = "0.1.0"
