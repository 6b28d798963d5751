"""Template text → a compiled template: what it may hold, what it may name, and how it renders."""
