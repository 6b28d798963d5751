"""The lock file without what the manifest does not ask for any more."""

from __future__ import annotations

from pipeline.api.campaign_plan import dry_run, require_admitted
from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.api.lock_file import ChangedLock, prune_lock_file


def prune_orphans(campaign: LoadedCampaign) -> ChangedLock:
    """Move the lines of a lock file that the plan has no item for; InvalidInput if it has errors.

    Further takes of an item that is still there stay: they were paid for.
    """
    # A foreign file at an output path is a matter of the next run, and hinders no pruning.
    with dry_run(campaign, files=False) as (summary, ledger):
        require_admitted(summary, campaign)
        planned = (record.address for record in ledger.records(campaign.name))
        return prune_lock_file(campaign.request, campaign.name, planned)
