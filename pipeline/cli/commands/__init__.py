"""One file per command: options → `pipeline.api` → text and exit code."""
