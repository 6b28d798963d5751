"""Each stage by itself; folders mirror pipeline/."""
