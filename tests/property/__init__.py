"""Rules that hold for any input, tried on many."""
