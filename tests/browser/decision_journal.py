"""A page served with a journal for its decisions: a line each, on the disk before the answer.

`python -m tests.browser.decision_journal MANIFEST JOURNAL` prints the address of the page. It is
what the server is held against; how decisions are kept in a campaign is told elsewhere.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.api.campaign_request import CampaignRequest
from pipeline.api.loaded_campaign import load_campaign
from pipeline.api.project_file import project_of
from pipeline.api.review_server import ReviewPage, serve_page
from pipeline.errors import Unusable

REFUSED = "nobody may say this"


class Journal:
    """Decisions in a file, a line of JSON each."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def decide(self, decision: Mapping[str, Any]) -> Mapping[str, Any]:
        """Write a decision down, to the disk, and return it."""
        if decision["note"] == REFUSED:
            raise Unusable(REFUSED)
        saved = {**decision, "who": "ada", "at": "2026-04-01T12:00:00Z"}
        with self._path.open("ab") as file:
            file.write(json.dumps(saved).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        return saved

    def lines(self) -> list[dict[str, Any]]:
        """Return all that was decided; a line that a kill has cut short is none."""
        text = self._path.read_text("utf-8") if self._path.exists() else ""
        return [json.loads(line) for line in text.splitlines() if line.endswith("}")]

    def in_force(self) -> Sequence[Mapping[str, Any]]:
        """Return the last decision of each clip."""
        last = {(each["key"], each["sha256"]): each for each in self.lines()}
        return [each for each in last.values() if each["verdict"] != "reopened"]


def announce(address: str) -> None:
    """Print the address for whoever waits for it."""
    print(address, flush=True)  # noqa: T201 - a program of its own


def main() -> None:
    """Serve until the process is ended."""
    manifest, path = map(Path, sys.argv[1:])
    campaign = load_campaign(CampaignRequest(manifest=manifest, project=project_of(manifest)))
    journal = Journal(path)
    page = ReviewPage(campaign, decide=journal.decide, read_decisions=journal.in_force)
    serve_page(page, 0, announce)


if __name__ == "__main__":
    main()
