"""The documents hold: what the guide shows is run, and what is generated is as the code has it."""
