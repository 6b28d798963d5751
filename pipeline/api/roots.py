"""Which root a campaign is worked in: opened for work, and asked of a person if two may be meant.

Whoever calls decides how a person is asked: the default is that nobody is there.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.api.campaign_request import COMMAND_LINE, CampaignRequest, ledger_url, usage
from pipeline.api.project_file import FILE, OUTPUTS, project_here, project_of
from pipeline.clock import Clock
from pipeline.errors import CallsheetError, InvalidInput, LedgerLost, RootRefused
from pipeline.findings import Finding
from pipeline.ledger.location import LedgerLocation
from pipeline.ledger.repository import Ledger
from pipeline.ledger.root_identity import RootKind, kind_of


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoRoots:
    """A campaign that was run in one root, and is asked for in another that knows nothing of it."""

    own: CampaignRequest
    known: CampaignRequest
    message: str


RootChoice = Callable[[TwoRoots], CampaignRequest]


def refuse_two_roots(found: TwoRoots) -> CampaignRequest:
    """Raise RootRefused with the commands that settle it: the choice where nobody can be asked."""
    raise RootRefused(
        f"{found.message}\n  to go on where it was run: {found.known.command()}"
        f"\n  to begin anew: {found.own.command()}"
    )


def require_folder(request: CampaignRequest) -> None:
    """Raise InvalidInput where a file stands where the root, or a folder above it, would be."""
    root = request.home
    lowest = next((each for each in (root, *root.parents) if os.path.lexists(each)), None)
    if lowest is None or lowest.is_dir():
        return
    place = request.project.places.get("root") if request.root is None else None
    finding = Finding(
        slug="usage",
        message=f"{lowest} is a file, where the root needs a folder",
        span=place or COMMAND_LINE,
        hint="move it away, or choose another --root",
    )
    raise InvalidInput([finding], request.project.sources)


def root_here(root: Path | None, option: str = "--root") -> Path:
    """Return the root of a command that has no manifest; InvalidInput if nothing tells it."""
    if root is not None:
        return root
    project = project_here()
    if project is None:
        raise usage(f"there is no {FILE} at or above the current folder", f"say {option}")
    return project.root


def ledger_here(root: Path | None, ledger: str | None = None) -> LedgerLocation:
    """Return where the ledger is that a command without a manifest means.

    The project is the one that the root lies in. InvalidInput if nothing tells the root, or the
    ledger's URL is none.
    """
    home = root_here(root)
    rehearse = kind_of(home) is RootKind.REHEARSAL
    return LedgerLocation(home, ledger_url(ledger, project_of(home / FILE), rehearse=rehearse))


def open_for_work(
    request: CampaignRequest,
    *,
    clock: Clock | None = None,
    anew: bool = False,
    notify: Callable[[str], None] = lambda _: None,
) -> Ledger:
    """Open the ledger of the root that is worked in; `notify` is told where the root was moved.

    `anew` makes one where one was lost.
    """
    home, adopt = request.home, request.adopt_root
    ledger = Ledger.open(request.where, clock=clock, kind=request.kind, adopt=adopt, anew=anew)
    if ledger.moved_from is not None:
        notify(f"{home} was in {ledger.moved_from} before: it is taken over as the same root")
    return ledger


def knows(request: CampaignRequest, campaign: str, *, if_lost: bool = False) -> bool:
    """Tell whether the root's ledger has items of a campaign; `if_lost` where it is gone."""
    try:
        ledger = Ledger.reader(request.where, kind=request.kind)
    except LedgerLost:
        return if_lost
    if ledger is None:
        return False
    with ledger:
        return next(ledger.records(campaign), None) is not None


def settle_root(request: CampaignRequest, campaign: str, choose: RootChoice) -> CampaignRequest:
    """Return the request in the root that is meant where there may be two.

    A ledger that knows the campaign may lie in the current folder, where the root was once, or
    where the manifest is linked to: in a new root everything would be bought again. `--root`
    settles it.
    """
    if request.root is not None:
        return request
    own = replace(request, root=request.project.root)
    for elsewhere in _elsewhere(request):
        if not _may_know(elsewhere, campaign) or knows(own, campaign):
            continue
        message = (
            f"'{campaign}' was run in {elsewhere.home}, and {own.home} knows nothing of it:"
            " everything would be made again"
        )
        return choose(TwoRoots(own=own, known=elsewhere, message=message))
    return request


def _elsewhere(request: CampaignRequest) -> Iterator[CampaignRequest]:
    roots = [Path(OUTPUTS)]
    if request.manifest.is_symlink():
        roots.append(project_of(request.manifest.resolve()).root)
    for root in roots:
        if root.resolve() != request.project.root.resolve():
            # What is named for this root is not that one's: it knows its ledger itself.
            yield replace(request, root=root, ledger="")


def _may_know(request: CampaignRequest, campaign: str) -> bool:
    """Tell whether a root elsewhere knows a campaign, or cannot say that it does not."""
    try:
        return knows(request, campaign, if_lost=True)
    except RootRefused:
        # It is of the other kind: nothing in it can be used here.
        return False
    # A root that cannot be read may know it: to ask costs less than to buy everything again.
    except CallsheetError:
        return True
