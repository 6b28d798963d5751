"""From options to a campaign that is read; a person is asked where two roots may be meant."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from pipeline.api.campaign_report import load_for_status
from pipeline.api.campaign_request import CampaignRequest
from pipeline.api.loaded_campaign import LoadedCampaign, load_campaign
from pipeline.api.project_file import project_of
from pipeline.api.roots import TwoRoots, refuse_two_roots
from pipeline.api.steering import steer_run
from pipeline.cli.console import confirm, person_is_there, print_error, print_text
from pipeline.cli.options import CampaignOptions
from pipeline.ledger.root_identity import refusal_of_work


def request_of(campaign: CampaignOptions, *groups: Any, **more: Any) -> CampaignRequest:
    """Return what the options of a command ask for; groups and fields have the same names."""
    given = {
        each.name: getattr(group, each.name)
        for group in (campaign, *groups)
        for each in fields(group)
    }
    # A person sees that a root is taken over.
    given["adopt_root"] = given.get("adopt_root") or person_is_there()
    return CampaignRequest(project=project_of(campaign.manifest), **{**given, **more})


def open_campaign(request: CampaignRequest) -> LoadedCampaign:
    """Read the manifest and its tables."""
    return load_campaign(request, choose_root=_ask_for_root)


def open_for_status(request: CampaignRequest) -> LoadedCampaign:
    """Read the manifest, and its tables only where the selection needs them."""
    return load_for_status(request, choose_root=_ask_for_root)


def print_root_notice(request: CampaignRequest) -> None:
    """Say on standard error why a run would not work in this root as it lies, if it would not."""
    notice = refusal_of_work(request.where, adopt=request.adopt_root)
    if notice:
        print_error(f"note: {notice}")


def steer(options: CampaignOptions, command: str, **arguments: Any) -> None:
    """Send a command to the run that is at work on a campaign, and print its answer."""
    campaign = open_for_status(request_of(options))
    print_text(steer_run(campaign, command, arguments))


def _ask_for_root(found: TwoRoots) -> CampaignRequest:
    if not person_is_there():
        return refuse_two_roots(found)
    print_error(found.message)
    # On standard error, as standard output may go to a file or a program.
    use = confirm(f"Go on in {found.known.home}?", default=True, to_stderr=True)
    return found.known if use else found.own
