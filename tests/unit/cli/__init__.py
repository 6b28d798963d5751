"""Tests of what the command line draws."""
