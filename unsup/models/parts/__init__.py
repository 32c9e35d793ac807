"""What methods share: layers, backbones, views, optimizers."""
