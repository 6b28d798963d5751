"""What becomes of a manifest: items, keys, prices, findings."""
