"""kill -9 at every moment of a job's life, and what must hold after running again."""
