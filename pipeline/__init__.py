"""Callsheet runs a YAML manifest of AI video shots as a build: checked, priced, made once."""
