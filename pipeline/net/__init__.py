"""The way over the network: allowed addresses, connections, the lane with its key."""
