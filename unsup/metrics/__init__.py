"""Arrays in, numbers out: probes, clusterings, intervals, rank, distances."""
