"""Several reports next to each other."""
