"""Ledger, transport, store, fetch, staging, pacing: by themselves, with real files and HTTP."""
