"""What watches a training: throughput, curves, scores, images, progress."""
