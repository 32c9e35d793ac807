"""Sources of images, one file each, whose options `configs/data/<name>.yaml` sets."""
