"""Reports of one data set side by side: read, grouped over seeds, set against each other, written out."""
