"""The engine: how a plan is handed out."""
