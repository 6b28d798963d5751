"""What was asked for, what happened and what was paid: one SQLite file per output root."""
