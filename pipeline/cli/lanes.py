"""The lanes of a run: addresses, keys and limits; a rehearsal's lanes lead to its own sandbox."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from rich.console import Console

from pipeline.cli.addresses import base_urls, environment_of, hosts_of, key_of
from pipeline.cli.campaign import Campaign
from pipeline.cli.options import RunOptions, usage
from pipeline.cli.rehearsal import sandbox_on_a_leash
from pipeline.domain import Offer
from pipeline.domain.accounts import rehearsal_key
from pipeline.domain.states import UNSETTLED_STATUSES
from pipeline.errors import InvalidInput
from pipeline.findings import Finding
from pipeline.net.lane import Lane
from pipeline.providers import OFFERS
from pipeline.run.plan_sync import PlanSummary

_MOST = 16
"""How many clips at once a lane may grow to if the manifest says nothing: no provider publishes
its limit (as of 2026-11), and what waits in a provider's own queue is not made any sooner."""
_REHEARSED = frozenset({"apimart", "evolink", "inference", "runware", "unifically"})
"""Providers that the sandbox plays; one from a package can be run, and not rehearsed."""


def providers_at_work(job: RunOptions, admission: PlanSummary) -> frozenset[str]:
    """Return the providers that a run has something to do with."""
    # What was sent is collected, whatever is selected now.
    every = (*admission.lines, *admission.others)
    lines = [line for line in admission.lines if admission.makes(line)]
    lines += [line for line in every if line.status in UNSETTLED_STATUSES]
    names = frozenset(line.provider for line in lines)
    earlier = frozenset(provider for _, provider, _ in admission.left_behind) - names
    # What this plan does not want does not stop it for want of a key: it stays told.
    return names | (earlier - keyless(job, earlier).keys())


def keyless(job: RunOptions, names: frozenset[str]) -> Mapping[str, str]:
    """Return which of these providers no lane can be opened to for want of a key, and why."""
    if job.asked.rehearse:
        return {}
    found = dict[str, str]()
    for name in sorted(names):
        try:
            key_of(OFFERS[name], variables_of(job), job.asked)
        except InvalidInput as fault:
            (finding,) = fault.findings
            found[name] = f"{finding.message}: {finding.hint}"
    return found


def variables_of(job: RunOptions) -> Mapping[str, str]:
    """Return the variables of a command; InvalidInput where its file of them cannot be read."""
    if job.variables is not None:
        return job.variables
    return environment_of(job.asked, os.environ)


def access_faults(job: RunOptions, campaign: Campaign, names: frozenset[str]) -> Iterator[Finding]:
    """Yield all that keeps these providers from being reached: keys, addresses, the file of keys.

    `open_lanes` would come upon the first of them only, and after a person has agreed.
    """
    if job.asked.rehearse:
        return
    checks: list[Callable[[], object]] = []
    try:
        variables, given = variables_of(job), base_urls(job.asked.base_urls)
    except InvalidInput as fault:
        yield from fault.findings
        return
    for offer in (OFFERS[name] for name in sorted(names)):
        settings = campaign.manifest.providers.get(offer.provider)
        own = given.get(offer.provider, {})
        checks.append(partial(key_of, offer, variables, job.asked))
        checks.append(partial(hosts_of, offer, settings, variables, own))
    for check in checks:
        try:
            check()
        except InvalidInput as fault:
            yield from fault.findings


def missing_fallbacks(
    job: RunOptions, campaign: Campaign, names: frozenset[str]
) -> Mapping[str, str]:
    """Return who is named in the manifest to stand in, and cannot for want of a key, and why."""
    manifest = campaign.manifest
    if not manifest.policy.fallback or campaign.asked.provider:
        return {}
    layers = (manifest.defaults, manifest.overrides, *(shot.settings for shot in manifest.shots))
    written = [layer["provider"].data for layer in layers if "provider" in layer]
    named = {str(name) for data in written if isinstance(data, list | tuple) for name in data}
    return keyless(job, frozenset(named & OFFERS.keys()) - names)


def _refuse_to_rehearse(names: frozenset[str]) -> None:
    unknown = sorted(names - _REHEARSED)
    if unknown:
        raise usage(f"{', '.join(unknown)} cannot be rehearsed: the sandbox does not play it")


@contextmanager
def open_lanes(
    job: RunOptions, campaign: Campaign, names: frozenset[str], console: Console
) -> Iterator[Mapping[str, Lane]]:
    """Yield a lane for each of these providers; a rehearsal's lead to its own sandbox."""
    if job.asked.rehearse:
        _refuse_to_rehearse(names)
    offers = [OFFERS[name] for name in sorted(names)]
    if not offers:
        yield {}
    elif job.asked.rehearse:
        state = job.asked.home / ".callsheet" / "sandbox"
        with sandbox_on_a_leash(state, job.scenario, chaos=job.chaos) as addresses:
            yield {o.provider: _rehearsed(o, campaign, addresses[o.provider]) for o in offers}
    else:
        variables = variables_of(job)
        given = base_urls(job.asked.base_urls)
        yield {
            offer.provider: _lane(
                offer,
                campaign,
                key_of(offer, variables, job.asked),
                _reached(offer, campaign, variables, given.get(offer.provider, {}), console),
            )
            for offer in offers
        }


def _reached(
    offer: Offer,
    campaign: Campaign,
    variables: Mapping[str, str],
    given: Mapping[str, str],
    console: Console,
) -> Mapping[str, str]:
    settings = campaign.manifest.providers.get(offer.provider)
    hosts, foreign = hosts_of(offer, settings, variables, given)
    for line in foreign:
        console.print(f"address from outside the manifest: {line}")
    return hosts


def _rehearsed(offer: Offer, campaign: Campaign, addresses: Mapping[str, str]) -> Lane:
    hosts = {"api": addresses["base_url"], "upload": addresses.get("upload_url", "")}
    named = {host: hosts[host] for host in offer.hosts}
    return _lane(offer, campaign, rehearsal_key(offer.provider), named)


def _lane(offer: Offer, campaign: Campaign, key: str, hosts: Mapping[str, str]) -> Lane:
    settings = campaign.manifest.providers.get(offer.provider)
    stated = settings.concurrency if settings else None
    pace = settings.submit_per_s if settings else None
    return Lane(
        provider=offer.provider,
        key=key,
        hosts=hosts,
        concurrency=stated or offer.concurrency,
        most=stated or _MOST,
        submit_per_s=pace or offer.submit_per_s,
    )
