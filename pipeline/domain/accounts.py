"""What a provider account is known by where its key may not stand; a rehearsal's keys are known.

An account has a name, which a person gave it, and a fingerprint, which is its key's: a name may get
another key, and what was sent from the old one must not pass for the new one's.
"""

from __future__ import annotations

import hashlib
import re

DEFAULT = "default"
"""What the account without a name is called where it stands beside others."""
_ONE_SIGN = re.compile(r"[A-Z0-9]")


def key_fingerprint(provider: str, key: str) -> str:
    """Return what tells one key of a provider from another, and tells nothing of the key."""
    # The sign between them is in no name and no key: no two pairs make one text. Twelve digits tell
    # a person's few keys apart.
    return hashlib.sha256(f"{provider}\0{key}".encode()).hexdigest()[:12]


def rehearsal_key(provider: str, account: str = "") -> str:
    """Return the key with which a rehearsal calls the sandbox in a provider's place."""
    return f"rehearsal-{provider}-{account}" if account else f"rehearsal-{provider}"


def key_variable(key_env: str, account: str) -> str:
    """Return the environment variable of an account's key: `RUNWARE_API_KEY_B` of `b`."""
    return f"{key_env}_{account.upper()}" if account else key_env


def account_of_variable(key_env: str, variable: str) -> str | None:
    """Return the account whose key a variable holds, where its name alone says so; else None.

    One letter or digit: `RUNWARE_API_KEY_FILE` and its like are no accounts.
    """
    if variable == key_env:
        return ""
    name = variable.removeprefix(f"{key_env}_")
    return name.lower() if name != variable and _ONE_SIGN.fullmatch(name) else None


def holds_a_key(key_env: str, variable: str) -> bool:
    """Tell whether a variable may hold a key of the provider: its own, or one of its accounts'."""
    return variable == key_env or variable.startswith(f"{key_env}_")
