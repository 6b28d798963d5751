"""Plan → ledger and files: everything that touches the network, the disk or the clock.

`admit` writes a plan into the ledger, `run` makes what it lacks, `Ledger.records` tells what came
of it.
"""
