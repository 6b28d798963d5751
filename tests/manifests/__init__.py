"""Whole manifests over real sorts of tables, and whatever else may be handed in as one."""
