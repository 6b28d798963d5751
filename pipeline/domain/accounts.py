"""What a provider account is called where its key may not stand; a rehearsal's keys are known."""

from __future__ import annotations

import hashlib


def account_name(provider: str, key: str) -> str:
    """Return a name for provider and key that tells nothing of the key: for the ledger."""
    return hashlib.sha256(f"{provider}\0{key}".encode()).hexdigest()[:12]


def rehearsal_key(provider: str) -> str:
    """Return the key with which a rehearsal calls the sandbox in a provider's place."""
    return f"rehearsal-{provider}"
