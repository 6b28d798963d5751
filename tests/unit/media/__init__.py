"""Real files made in a temporary folder, and what the media stage says of them."""
