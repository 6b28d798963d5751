"""What each recording must be read as, one table per provider."""
