"""Look into media files, and make new ones from them: probe, inspect, fit, poster."""
