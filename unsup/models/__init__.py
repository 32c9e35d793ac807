"""One file for each method, with the recipe `configs/model/<file>.yaml`."""
