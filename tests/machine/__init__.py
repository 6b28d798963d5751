"""What the machine can do to a run: disk, locks, damage, clocks, network, and who may read what."""
