"""The report page in a real Chromium, from a folder, with the network off."""
