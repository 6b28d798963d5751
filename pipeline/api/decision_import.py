"""Taking in what a page exported: decisions that were made where no server could save them.

A page from a folder does not know what others have decided meanwhile. So what it exported replaces
the same person's earlier words and those that the page showed; where somebody else said something
different, both stand, and the clip waits.
"""

from __future__ import annotations

import getpass
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema_rs

from pipeline.api.campaign_request import usage
from pipeline.api.decision_file import decisions_path, judge_takes, load_decisions
from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.domain.review import Judgement, Verdict, decision_time
from pipeline.errors import InvalidInput
from pipeline.findings import Finding, Span
from pipeline.ledger.outputs import MadeTake
from pipeline.ledger.repository import Ledger
from pipeline.plan.decision_text import DECISIONS_FORMAT
from pipeline.schemas import schema


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedDecisions:
    """What importing a page's decisions came to."""

    path: Path
    """Where they are now."""
    added: int
    known: int
    """How many were there already."""
    left: tuple[str, ...]
    """The decisions that were not taken in, each as its address and why."""
    conflicts: tuple[str, ...]
    """Addresses of takes about which two people's words differ."""


def import_decisions(campaign: LoadedCampaign, exported: Path, who: str = "") -> ImportedDecisions:
    """Write what a page exported into the campaign's decisions file, each decision once.

    `who` decided, where not the user. All at once, or nothing: InvalidInput where the file is none
    of a page, or of another campaign. What is of no clip, or of another one by now, is left.
    """
    entries = _read_exported(exported, campaign)
    ledger = Ledger.reader(campaign.request.where, kind=campaign.request.kind)
    if ledger is None:
        raise usage(f"nothing of '{campaign.name}' was made yet: callsheet run makes it")
    said: list[tuple[MadeTake, Judgement]] = []
    left: list[str] = []
    with ledger:
        for entry in entries:
            made = ledger.made_takes(campaign.name, entry["address"])
            clip = (entry["key"], entry["sha256"])
            if any((take.key, take.sha256) == clip for take in made):
                said += [(take, _judgement(entry, who or getpass.getuser())) for take in made]
            else:
                why = "there is another clip by now" if made else "there is no such clip here"
                left.append(f"{entry['address']}: {why}")
    judged = judge_takes(campaign.request, campaign.name, said)
    decided = {(each.take.address, each.decision.id) for each in judged if each.is_new}
    return ImportedDecisions(
        path=decisions_path(campaign.request, campaign.name),
        added=len(decided),
        known=len(judged) - len(decided),
        left=tuple(left),
        conflicts=tuple(load_decisions(campaign.request, campaign.name).conflicts()),
    )


def _judgement(entry: Mapping[str, Any], who: str) -> Judgement:
    return Judgement(
        verdict=Verdict(entry["verdict"]),
        who=who,
        at=decision_time(entry["at"]),
        reason=entry["reason"],
        note=entry["note"],
        seen=frozenset(entry.get("replaces", ())),
    )


def _read_exported(path: Path, campaign: LoadedCampaign) -> list[Mapping[str, Any]]:
    """Return the decisions of an exported file, in the order in which they were made."""

    def refuse(message: str, **place: int) -> InvalidInput:
        hint = "export the decisions again from the page"
        span = Span(file=str(path), **place)
        finding = Finding(slug=DECISIONS_FORMAT.slug, message=message, span=span, hint=hint)
        return InvalidInput([finding])

    try:
        document = json.loads(path.read_bytes())
    except OSError as fault:
        raise usage(f"{path} cannot be read: {fault.strerror}") from fault
    except json.JSONDecodeError as fault:
        message = f"this file was not exported by a page: {fault.msg}"
        raise refuse(message, line=fault.lineno, column=fault.colno) from fault
    except (UnicodeDecodeError, RecursionError) as fault:
        raise refuse("this file was not exported by a page: it is no JSON in UTF-8") from fault
    for error in jsonschema_rs.validator_for(schema("exported-decisions")).iter_errors(document):
        inside = ".".join(map(str, error.instance_path))
        raise refuse(f"this file was not exported by a page: {inside or 'it'}: {error.message}")
    own = (campaign.name, campaign.request.profile_name)
    theirs = (document["campaign"], document["profile"])
    if own != theirs:
        given, here = (f"'{name}'" + f"@{p}" * bool(p) for name, p in (theirs, own))
        raise usage(f"these are decisions of {given}, and this is {here}")
    for entry in document["decisions"]:
        try:
            decision_time(entry["at"])
        except ValueError:
            raise refuse(f"{entry['address']}: there is no day as in {entry['at']}") from None
    entries: list[Mapping[str, Any]] = document["decisions"]
    return entries
