"""The first thing a Python program makes: where campaigns are, and how they are reached."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.api.campaign import Campaign
from pipeline.api.campaign_plan import Plan, plan_campaign
from pipeline.api.campaign_request import CampaignRequest
from pipeline.api.loaded_campaign import load_campaign
from pipeline.api.project_file import project_of

if TYPE_CHECKING:  # what follows is slow to load
    from pipeline.api.health_checks import HealthCheck

_Path = str | os.PathLike[str]


class Project:
    """Campaigns of one output root, as the command line's common options describe it.

        campaign = Project(rehearse=True).open("campaign.yaml", profile="draft")

    Where nothing is said, the `callsheet.toml` nearest to a manifest says it.
    """

    def __init__(
        self,
        *,
        root: _Path | None = None,
        ledger: str | None = None,
        rehearse: bool = False,
        env_file: _Path | None = None,
        base_urls: Sequence[str] = (),
        adopt_root: bool = False,
    ) -> None:
        self._root = None if root is None else Path(root)
        self._ledger = ledger
        self._rehearse = rehearse
        self._env_file = None if env_file is None else Path(env_file)
        self._base_urls = tuple(base_urls)
        self._adopt_root = adopt_root

    def open(
        self,
        manifest: _Path,
        *,
        profile: str | None = None,
        overrides: Sequence[str] = (),
        provider: str = "",
    ) -> Campaign:
        """Read a manifest and its tables; `overrides` are `path=value`, last of all.

        InvalidInput if nothing can be made of it; RootRefused if the campaign was run in another
        root and none is named here.
        """
        request = self._request(manifest, profile)
        request = replace(request, overrides=tuple(overrides), provider=provider)
        return Campaign(load_campaign(request))

    def check_health(
        self,
        manifest: _Path | None = None,
        *,
        profile: str | None = None,
        offline: bool = False,
    ) -> Sequence[HealthCheck]:
        """Return how this machine stands for a run of a manifest, or of any: `callsheet doctor`.

        Providers are asked what the accounts have left, unless `offline`; nothing is bought. What
        is wrong with the manifest is counted, and no exception.

            for check in project.check_health("campaign.yaml"):
                print(check.status, check.name, check.found, check.remedy)
        """
        from pipeline.api.health_checks import check_health  # noqa: PLC0415 - seldom needed

        return list(check_health(self._request(manifest or Path(), profile), offline=offline))

    def load_plan(self, file: _Path, *, still_valid: bool = False) -> Plan:
        """Return a saved plan, to be run: of the manifest and the root that it names.

        StalePlan where it does not hold any more; with `still_valid` what changed is left out.

            plan = project.load_plan("plan.json")
            async with project.open("campaign.yaml").run(plan, max_cost_usd=40) as run: ...
        """
        from pipeline.api.saved_plans import read_saved_plan, require_fresh  # noqa: PLC0415

        saved = read_saved_plan(Path(file))
        request = saved.request(
            env_file=self._env_file, base_urls=self._base_urls, adopt_root=self._adopt_root
        )
        fresh, _ = require_fresh(saved, load_campaign(request), still_valid=still_valid)
        return plan_campaign(fresh)

    def _request(self, manifest: _Path, profile: str | None) -> CampaignRequest:
        path = Path(manifest)
        return CampaignRequest(
            manifest=path,
            project=project_of(path),
            profile=profile,
            root=self._root,
            ledger=self._ledger,
            adopt_root=self._adopt_root,
            rehearse=self._rehearse,
            env_file=self._env_file,
            base_urls=self._base_urls,
        )
