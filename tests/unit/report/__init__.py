"""Records as values, and what the report says of them."""
