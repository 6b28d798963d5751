"""Plan → ledger and files: everything that touches the network, the disk or the clock.

`sync_plan` writes a plan into the ledger, `run` makes what it lacks, `Ledger.records` tells what
came of it.
"""
