"""Tests of the application, as a library."""
