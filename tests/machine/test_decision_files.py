"""Decisions that come in a file: a colleague's, or what a page exported where no server was."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.api.project import Project
from pipeline.errors import InvalidInput
from tests.machine.campaign import Campaign
from tests.machine.conftest import Callsheet

Entry = dict[str, object]


def exported(campaign: Campaign, entries: list[Entry], name: str = "cups") -> Path:
    """Write a file as the page exports it."""
    file = campaign.folder / "cups.decisions.json"
    document = {"callsheet_decisions": 1, "campaign": name, "profile": "", "decisions": entries}
    file.write_text(json.dumps(document), "utf-8")
    return file


def said(campaign: Campaign, address: str, verdict: str, minute: int, **more: object) -> Entry:
    """Return a decision as the page writes it down, on the clip that is there."""
    opened = Project(root=campaign.root).open(campaign.folder / "cups.yaml")
    (record,) = (each for each in opened.iter_items() if each.address == address)
    clip = {"take": record.take, "key": record.key, "sha256": record.sha256}
    at = f"2026-06-03T12:{minute:02}:00Z"
    return {
        "address": address,
        **clip,
        "verdict": verdict,
        "reason": "",
        "note": "",
        "at": at,
        **more,
    }


def test_what_a_page_exported_is_kept_once(finished: Campaign, callsheet: Callsheet) -> None:
    """Unknown and other clips are told and left; a second import, also after others, adds none."""
    entries = [
        said(finished, "still[A]#1", "approved", 1),
        said(finished, "still[A]#1", "rejected", 2, reason="colour"),
        said(finished, "still[B]#1", "approved", 3, sha256="0" * 64),
        {**said(finished, "still[A]#1", "approved", 4), "address": "still[C]#1"},
    ]
    file = exported(finished, entries)
    campaign = Project(root=finished.root).open(finished.folder / "cups.yaml")

    code, printed = callsheet(*finished.words("review", "--import", str(file), "--who", "ann"))

    assert 0 == code, printed
    assert "2 added, 0 known already" in printed
    assert "left: still[B]#1: there is another clip by now" in printed
    assert "left: still[C]#1: there is no such clip here" in printed
    approved, rejected = campaign.decisions().places["still[A]"]
    assert ("ann", 2, (approved.id,)) == (rejected.who, rejected.at.minute, rejected.replaces)
    campaign.decide("still[A]#1", "reopened", who="ben")
    again = campaign.import_decisions(file, who="ben")
    assert (0, 2, 2, ()) == (again.added, again.known, len(again.left), again.conflicts)
    assert 3 == len(campaign.decisions().places["still[A]"])


def test_an_import_overrules_only_what_its_page_has_shown(finished: Campaign) -> None:
    """What somebody else decided meanwhile stands beside it: the clip waits, and is named."""
    campaign = Project(root=finished.root).open(finished.folder / "cups.yaml")
    (seen,) = campaign.decide("still[A]#1", "approved", who="ben")
    campaign.decide("still[B]#1", "approved", who="ben")
    entries = [
        said(finished, "still[A]#1", "rejected", 1, replaces=[seen.id]),
        said(finished, "still[B]#1", "rejected", 2),
    ]

    found = campaign.import_decisions(exported(finished, entries), who="ann")

    assert (2, ("still[B]#1",)) == (found.added, found.conflicts)
    assert {"still[B]#1"} == campaign.decisions().approved_clips().keys()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "cups.decisions.json:1:2"),
        ("\xff", "no JSON in UTF-8"),
        ("[]", "it: [] is not of type"),
        (
            '{"callsheet_decisions": 1, "campaign": "cups", "profile": "", "decisions": [{}]}',
            ".0: ",
        ),
    ],
)
def test_a_file_of_no_page_changes_nothing(
    finished: Campaign, callsheet: Callsheet, text: str, told: str
) -> None:
    """It is refused with the place of what is wrong."""
    file = finished.folder / "cups.decisions.json"
    file.write_text(text, "latin-1")

    code, printed = callsheet(*finished.words("review", "--import", str(file)))

    assert 3 == code
    assert told in printed
    assert not (finished.folder / "cups.decisions.yaml").exists()


def test_a_file_of_another_campaign_changes_nothing(finished: Campaign) -> None:
    """Its name and its profile must be the same, and its days must exist."""
    campaign = Project(root=finished.root).open(finished.folder / "cups.yaml")
    entry = said(finished, "still[A]#1", "approved", 1)

    with pytest.raises(InvalidInput) as other:
        campaign.import_decisions(exported(finished, [entry], name="mugs"))
    with pytest.raises(InvalidInput) as no_day:
        campaign.import_decisions(exported(finished, [{**entry, "at": "2026-02-30T12:00:00Z"}]))

    assert "decisions of 'mugs', and this is 'cups'" in other.value.findings[0].message
    assert "no day as in 2026-02-30" in no_day.value.findings[0].message
    assert not campaign.decisions().places


def test_a_colleagues_file_is_merged(finished: Campaign, callsheet: Callsheet) -> None:
    """`review --merge` adds what is new, names conflicts, and is the same when it is repeated."""
    campaign = Project(root=finished.root).open(finished.folder / "cups.yaml")
    ours, theirs = (finished.folder / f"{name}.decisions.yaml" for name in ("cups", "ben"))
    campaign.decide("still[A]#1", "rejected", reason="crop", who="ben")
    campaign.decide("still[B]#1", "approved", who="ben")
    ours.rename(theirs)
    campaign.decide("still[A]#1", "approved", who="ann")
    words = finished.words("review", "--merge", str(theirs))

    first, again = callsheet(*words), callsheet(*words)

    named = "decided differently by two people, and waiting: still[A]#1"
    assert (0, 0) == (first[0], again[0]), first
    assert "decisions on 2 places, 2 added" in first[1]
    assert "decisions on 2 places, 0 added" in again[1]
    assert named in first[1]
    assert named in again[1]
    assert 3 == callsheet(*words, "--import", str(theirs))[0]
