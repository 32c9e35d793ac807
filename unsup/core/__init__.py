"""What every other package rests on: errors, files, seeds, strict YAML, array files, ranks."""
