"""The lanes of a run: addresses, keys and limits; a rehearsal's lanes lead to its own sandbox."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console

from pipeline.cli.addresses import base_urls, hosts_of, key_of, variables_of
from pipeline.cli.campaign import Campaign
from pipeline.cli.options import Job, usage
from pipeline.cli.rehearsal import sandbox_on_a_leash
from pipeline.errors import InvalidInput
from pipeline.model import Offer
from pipeline.providers import OFFERS
from pipeline.run import MAKES, UNSETTLED, Admission, Lane, Status, rehearsal_key

_MOST = 16
"""How many clips at once a lane may grow to if the manifest says nothing: no provider publishes
its limit (as of 2026-11), and what waits in a provider's own queue is not made any sooner."""
_PROVEN = frozenset({"apimart", "evolink", "inference", "runware", "unifically"})
"""Providers whose adapter is held against the sandbox; with others no money may be spent yet."""


def providers_at_work(job: Job, admission: Admission) -> frozenset[str]:
    """Return the providers that a run has something to do with."""
    wanted = MAKES | UNSETTLED | ({Status.FAILED} if job.retry else set())
    lines = [line for line in admission.lines if line.status in wanted]
    # What was sent is collected, whatever is selected now.
    lines += [line for line in admission.others if line.status in UNSETTLED]
    names = frozenset(line.provider for line in lines)
    earlier = frozenset(provider for _, provider, _ in admission.left_behind) - names
    # What this plan does not want does not stop it for want of a key: it stays told.
    return names | (earlier - keyless(job, earlier).keys())


def keyless(job: Job, names: frozenset[str]) -> Mapping[str, str]:
    """Return which of these providers no lane can be opened to for want of a key, and why."""
    if job.asked.rehearse:
        return {}
    variables, found = variables_of(job.asked, os.environ), dict[str, str]()
    for name in sorted(names):
        try:
            key_of(OFFERS[name], variables, job.asked)
        except InvalidInput as fault:
            (finding,) = fault.findings
            found[name] = f"{finding.message}: {finding.hint}"
    return found


@contextmanager
def open_lanes(
    job: Job, campaign: Campaign, names: frozenset[str], console: Console
) -> Iterator[Mapping[str, Lane]]:
    """Yield a lane for each of these providers; a rehearsal's lead to its own sandbox."""
    unproven = sorted(names - _PROVEN)
    if unproven:
        raise usage(
            f"{', '.join(unproven)} cannot be run in this version: no sandbox witnesses it yet"
        )
    offers = [OFFERS[name] for name in sorted(names)]
    if not offers:
        yield {}
    elif job.asked.rehearse:
        state = job.asked.home / ".callsheet" / "sandbox"
        with sandbox_on_a_leash(state, job.scenario, chaos=job.chaos) as addresses:
            yield {o.provider: _rehearsed(o, campaign, addresses[o.provider]) for o in offers}
    else:
        variables = variables_of(job.asked, os.environ)
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
