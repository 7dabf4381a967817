"""One file, one loss: its equation and its derivative."""
