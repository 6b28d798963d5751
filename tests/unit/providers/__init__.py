"""Adapters as pure functions: requests as golden files, replies as recordings."""
