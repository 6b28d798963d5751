"""`why`: what the next run does to one item, and which part of its key is the reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated

import typer

from pipeline.api.explanations import Explanation, explain_item, purchase_time
from pipeline.cli.campaigns import open_campaign, request_of
from pipeline.cli.change_text import change_text, places_text, value_text
from pipeline.cli.console import print_text
from pipeline.cli.options import (
    CampaignOptions,
    ListForm,
    Listing,
    ProviderOptions,
    command_app,
    with_options,
)
from pipeline.domain.changes import ChangeClass, EarlierWork, PartChange
from pipeline.domain.money import exact_usd
from pipeline.domain.states import MAKES
from pipeline.foreign_text import printable_line

app = command_app()


@app.command(epilog="Example: callsheet why campaign.yaml 'spin[SKU-1001,calm]#1'")
@with_options
def why(
    options: CampaignOptions,
    maker: ProviderOptions,
    address: Annotated[
        str, typer.Argument(metavar="ADDRESS", help="The item, of this plan or an earlier one.")
    ],
    form: Listing = ListForm.TEXT,
) -> None:
    """Say why an item would be made again, or not: what changed, from what to what, and where."""
    found = explain_item(open_campaign(request_of(options, maker, address=address)))
    if form is ListForm.JSON:
        print_text(json.dumps(found.to_dict(), ensure_ascii=False))
        return
    for line in _lines(found):
        print_text(printable_line(line))


def _lines(found: Explanation) -> Iterator[str]:
    yield f"{found.address}: {_verdict(found)}"
    if found.change is ChangeClass.ORPHANED:
        for address in found.now_at:
            yield f"    the same work is {address} now"
    if found.satisfied_by:
        yield f"    its clip has another key: {found.satisfied_by}"
    if found.changed and found.earlier:
        yield _comparison_line(found, found.earlier)
        for change in found.changed:
            yield from _change_lines(change)
    elif found.bought and found.change is not ChangeClass.ORPHANED:
        yield "    every part of its key is what was bought"
    if found.bought:
        yield f"    bought {_purchase(found.bought)}"
    for change in found.beside:
        yield f"    in no key, and no reason to buy: {change_text(change)}"


def _verdict(found: Explanation) -> str:
    price = "unknown" if found.price_usd is None else f"{exact_usd(found.price_usd)} USD"
    told = found.change.replace("_", " ")
    match found.change:
        case ChangeClass.BUYS if found.status in MAKES and not found.cause:
            return f"{told}, {price} at {found.provider}: nothing was bought for it yet"
        case ChangeClass.BUYS | ChangeClass.BUYS_AGAIN:
            return (
                f"{told}, {price} at {found.provider}{f' ({found.cause})' if found.cause else ''}"
            )
        case ChangeClass.ORPHANED:
            return f"{told}: this plan has it no more; its clip stays where it is"
        case ChangeClass.COLLECTS:
            return f"{told}: it was sent to {found.provider}, and is {found.status}"
        case _:
            shared = f", shared with {found.shared_with}" if found.shared_with else ""
            cause = f" ({found.cause})" if found.cause else ""
            return f"{told}: {found.status}{cause}{shared}"


def _comparison_line(found: Explanation, earlier: EarlierWork) -> str:
    who = "" if earlier.address == found.address else f"{earlier.address} of "
    whose = f" as {who}{earlier.campaign}" if found.change is ChangeClass.BUYS else ""
    when = "it differs from what was bought" if not found.bought else "it was made again: before"
    return f"    {when}{whose} {_purchase(earlier)}, in"


def _change_lines(change: PartChange) -> Iterator[str]:
    """Yield a part with its old and new value in full."""
    where = f"  ({places_text(change.places)})" if change.places else ""
    yield f"    {f'{change.part} {change.detail}'.strip()}{where}"
    yield f"        was  {value_text(change.old)}"
    yield f"        is   {value_text(change.new)}"


def _purchase(work: EarlierWork) -> str:
    charged = f"{exact_usd(work.charged_usd)} USD"
    return f"{purchase_time(work)} at {work.provider} for {charged}"
