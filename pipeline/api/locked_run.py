"""`run --locked`: exactly what the lock file has, from ledger and store, and nothing is bought."""

from __future__ import annotations

from collections.abc import Iterator

from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.api.lock_file import load_lock, lock_path
from pipeline.api.money_text import item_count
from pipeline.domain.changes import NOT_ASKED, differing_parts
from pipeline.errors import LockRefused
from pipeline.ledger.repository import Ledger
from pipeline.plan.lock.lock_changes import job_keys
from pipeline.plan.lock.lock_text import Lock
from pipeline.run.plan_sync import PlanSummary

_SHOWN = 10


def require_locked(campaign: LoadedCampaign, summary: PlanSummary, ledger: Ledger) -> None:
    """Raise LockRefused unless the lock file has each item that is selected, as it is now."""
    request, name = campaign.request, campaign.name
    path, lock = lock_path(request, name), load_lock(request, name)
    if not lock:
        raise LockRefused(f"--locked: there is no clip in {path}: `callsheet run` writes it")
    differ = list(_differences(ledger, name, lock))
    # Of clips that are absent `require_consent` tells later, with their sum.
    if not differ and summary.to_make.items and not summary.absent:
        differ = [f"{item_count(summary.to_make.items)} to make"]
    if differ:
        more = len(differ) - _SHOWN
        told = "".join(f"\n  {line}" for line in differ[:_SHOWN])
        raise LockRefused(
            f"--locked: the manifest asks for other things than {path} has, so nothing is made:"
            f"{told}{f'{chr(10)}  and {more} more' if more > 0 else ''}"
        )


def _differences(ledger: Ledger, campaign: str, lock: Lock) -> Iterator[str]:
    wanted = job_keys(lock)
    for address, key, parts in ledger.own_parts(campaign):
        locked = lock.get(address)
        if locked is None:
            yield f"{address} is not in it"
        elif key not in {wanted[address], locked.key}:
            differ = differing_parts(parts, locked.parts)
            names = [name for name in differ if name not in NOT_ASKED]
            yield f"{address} was bought with another {', another '.join(names) or 'take'}"
