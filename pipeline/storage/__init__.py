"""The way to the disk: files that arrive whole, the store of clips, and what shows them."""
