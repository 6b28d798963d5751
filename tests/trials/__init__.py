"""Inputs as people have them, one test for each kind of trouble."""
