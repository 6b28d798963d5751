"""The lock file, but for the disk: its text, what takes which address, merging, and differences."""
