"""Kinds of trouble that people met with real files, each with input of the same shape."""
