"""A table's map and its file → rows that templates read: text, types, rows, and their faults."""
