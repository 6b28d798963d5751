"""How a run reaches its providers: who is needed, what keeps it from them, and a lane to each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial

from pipeline.api.campaign_request import CampaignRequest, RunSettings, usage
from pipeline.api.credentials import environment_of, keyless_accounts, keys_of
from pipeline.api.endpoints import base_urls, hosts_of
from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.api.rehearsal import start_sandbox
from pipeline.domain import Offer, ProviderSettings
from pipeline.domain.accounts import DEFAULT, rehearsal_key
from pipeline.domain.states import UNSETTLED_STATUSES
from pipeline.errors import InvalidInput
from pipeline.findings import Finding
from pipeline.net.lane import Lane
from pipeline.providers import OFFERS
from pipeline.run.plan_sync import PlanSummary

_MOST = 16
"""How many clips at once a lane may grow to if the manifest says nothing: no provider publishes
its limit (as of 2026-11), and what waits in a provider's own queue is not made any sooner."""


def providers_at_work(
    settings: RunSettings, campaign: LoadedCampaign, summary: PlanSummary
) -> frozenset[str]:
    """Return the providers that a run has something to do with."""
    # What was sent is collected, whatever is selected now.
    every = (*summary.lines, *summary.others)
    lines = [line for line in summary.lines if summary.makes(line)]
    lines += [line for line in every if line.status in UNSETTLED_STATUSES]
    names = frozenset(line.provider for line in lines)
    earlier = frozenset(provider for _, provider, _ in summary.left_behind) - names
    # What this plan does not want does not stop it for want of a key: it stays told.
    return names | (earlier - keyless(settings, campaign, earlier).keys())


def keyless(
    settings: RunSettings, campaign: LoadedCampaign, names: frozenset[str]
) -> Mapping[str, str]:
    """Return which of these providers no lane can be opened to for want of a key, and why."""
    request, written = campaign.request, campaign.manifest.providers
    if request.rehearse:
        return {}
    found = dict[str, str]()
    for name in sorted(names):
        try:
            keys_of(OFFERS[name], written.get(name), variables_of(settings, request), request)
        except InvalidInput as fault:
            (finding,) = fault.findings
            found[name] = f"{finding.message}: {finding.hint}"
    return found


def variables_of(settings: RunSettings, request: CampaignRequest) -> Mapping[str, str]:
    """Return the variables of a run; InvalidInput where its file of them cannot be read."""
    if settings.variables is not None:
        return settings.variables
    return environment_of(request, os.environ)


def settings_with_keys(
    settings: RunSettings, campaign: LoadedCampaign, summary: PlanSummary
) -> tuple[RunSettings, list[Finding]]:
    """Return the settings with their keys read, and all that keeps the providers from being used.

    The file of keys is read once: it may be a pipe.
    """
    if campaign.request.rehearse:
        return settings, []
    faults: list[Finding] = []
    try:
        settings = replace(settings, variables=variables_of(settings, campaign.request))
    except InvalidInput as fault:
        # Whose keys it has is not known: of them nothing is told.
        faults += fault.findings
        settings = replace(settings, variables=os.environ)
        names = frozenset[str]()
    else:
        names = providers_at_work(settings, campaign, summary)
    return settings, [*faults, *access_faults(settings, campaign, names)]


def access_faults(
    settings: RunSettings, campaign: LoadedCampaign, names: frozenset[str]
) -> Iterator[Finding]:
    """Yield all that keeps these providers from being reached: keys, addresses, the file of keys.

    `open_lanes` would come upon the first of them only, and after a person has agreed.
    """
    if campaign.request.rehearse:
        return
    checks: list[Callable[[], object]] = []
    try:
        variables = variables_of(settings, campaign.request)
        given = base_urls(campaign.request.base_urls)
    except InvalidInput as fault:
        yield from fault.findings
        return
    for offer in (OFFERS[name] for name in sorted(names)):
        written = campaign.manifest.providers.get(offer.provider)
        own = given.get(offer.provider, {})
        checks.append(partial(keys_of, offer, written, variables, campaign.request))
        checks.append(partial(hosts_of, offer, written, variables, own))
    for check in checks:
        try:
            check()
        except InvalidInput as fault:
            yield from fault.findings


@contextmanager
def open_lanes(
    settings: RunSettings,
    campaign: LoadedCampaign,
    names: frozenset[str],
    notify: Callable[[str], None],
    *,
    standby: frozenset[str] = frozenset(),
) -> Iterator[Mapping[str, Lane]]:
    """Yield a lane for each account of these providers, by its name (`runware`, `runware.b`).

    A rehearsal's lead to its own sandbox. InvalidInput where a provider has none; of those who
    stand by it is only told.
    """
    if not names | standby:
        yield {}
        return
    with ExitStack() as opened:
        if campaign.request.rehearse:
            state = campaign.request.home / ".callsheet" / "sandbox"
            addresses = opened.enter_context(
                start_sandbox(state, settings.scenario, chaos=settings.chaos)
            )
            open_own = partial(_rehearsal_lanes, campaign, addresses)
        else:
            variables = variables_of(settings, campaign.request)
            open_own = partial(
                account_lanes,
                request=campaign.request,
                written=campaign.manifest.providers,
                variables=variables,
                notify=notify,
            )
        lanes = {lane.name: lane for name in sorted(names) for lane in open_own(OFFERS[name])}
        for name in sorted(standby - names):
            try:
                lanes |= {lane.name: lane for lane in open_own(OFFERS[name])}
            except InvalidInput as fault:
                (finding,) = fault.findings
                told = ": ".join(filter(None, (finding.message, finding.hint)))
                notify(f"nothing can go to {name} instead: {told}")
        yield lanes


def _rehearsal_lanes(
    campaign: LoadedCampaign, addresses: Mapping[str, Mapping[str, str]], offer: Offer
) -> Iterator[Lane]:
    own = addresses.get(offer.provider)
    if own is None:
        raise usage(f"{offer.title} cannot be rehearsed: the sandbox has no part of it")
    every = {"api": own["base_url"], "upload": own.get("upload_url", "")}
    hosts = {host: every[host] for host in offer.hosts}
    settings = campaign.manifest.providers.get(offer.provider)
    for account in ("", *(settings.accounts if settings else ())):
        key = rehearsal_key(offer.provider, account)
        yield _lane(offer, settings, hosts, account=account, key=key)


def account_lanes(
    offer: Offer,
    *,
    request: CampaignRequest,
    written: Mapping[str, ProviderSettings],
    variables: Mapping[str, str],
    notify: Callable[[str], None],
) -> Iterator[Lane]:
    """Yield a lane for each account of a provider that has a key; `written` is the manifest's word.

    InvalidInput where there is no key, or an address that may not be used.
    """
    settings = written.get(offer.provider)
    keys = keys_of(offer, settings, variables, request)
    given = base_urls(request.base_urls).get(offer.provider, {})
    hosts, foreign = hosts_of(offer, settings, variables, given)
    for line in foreign:
        notify(f"address from outside the manifest: {line}")
    without = keyless_accounts(offer, settings, variables, request)
    for account, variable in without.items():
        notify(f"account {account} of {offer.provider} has no key of its own: set {variable}")
    if len(keys) > 1:
        names = ", ".join(account or DEFAULT for account in keys)
        notify(f"{offer.provider} has {len(keys)} accounts: {names}")
    for account, key in keys.items():
        yield _lane(offer, settings, hosts, account=account, key=key)


def _lane(
    offer: Offer,
    settings: ProviderSettings | None,
    hosts: Mapping[str, str],
    *,
    account: str,
    key: str,
) -> Lane:
    """Return the lane of an account: its own limits, else the provider's, else the offer's."""
    levels = [settings.accounts.get(account), settings] if settings else []
    stated = next((each.concurrency for each in levels if each and each.concurrency), None)
    pace = next((each.submit_per_s for each in levels if each and each.submit_per_s), None)
    return Lane(
        provider=offer.provider,
        account=account,
        key=key,
        hosts=hosts,
        # Decision 12: a stated number is a person's knowledge, begun with and never exceeded.
        concurrency=stated or offer.concurrency,
        most=stated or _MOST,
        submit_per_s=pace or offer.submit_per_s,
    )
