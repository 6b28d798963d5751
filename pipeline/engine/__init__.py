"""Who works on which part of a plan: in this process, or on several machines.

An engine hands out shards and may do so again; that nothing is paid twice is the ledger's promise.
"""
