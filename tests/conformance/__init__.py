"""One promise for every provider, and adapters that break it."""
