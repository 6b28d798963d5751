"""The command line as its users see it: whole texts, exit codes, files."""
