"""Tests of text → Manifest."""
