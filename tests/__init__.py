"""The tests: what the product promises, one sentence at a time."""
