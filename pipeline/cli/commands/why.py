"""`why`: what the next run does to one item, and which part of its key is the reason."""

from __future__ import annotations

import json
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
from pipeline.domain.changes import ChangeClass, EarlierWork
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
    lines = [f"{found.address}: {_verdict(found)}"]
    lines += [f"    the same work is {other} now" for other in found.now_at]
    if found.satisfied_by:
        lines.append(f"    its clip has another key: {found.satisfied_by}")
    if found.changed and found.earlier:
        # A stale item's earlier work is its own clip.
        again = found.bought is not None and found.bought != found.earlier
        told = "it was made again: before" if again else "it differs from what was bought"
        earlier = found.earlier
        whose = (
            f" as {earlier.address} of {earlier.campaign}"
            if found.change is ChangeClass.BUYS
            else ""
        )
        lines.append(f"    {told}{whose} {_purchase(earlier)}, in")
        for change in found.changed:
            where = f"  ({places_text(change.places)})" if change.places else ""
            lines.append(f"    {f'{change.part} {change.detail}'.strip()}{where}")
            lines.append(f"        was  {value_text(change.old)}")
            lines.append(f"        is   {value_text(change.new)}")
    elif found.bought and found.change is not ChangeClass.ORPHANED:
        lines.append("    every part of its key is what was bought")
    if found.bought:
        lines.append(f"    bought {_purchase(found.bought)}")
    for change in found.beside:
        lines.append(f"    in no key, and no reason to buy: {change_text(change)}")
    for line in lines:
        print_text(printable_line(line))


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


def _purchase(work: EarlierWork) -> str:
    charged = f"{exact_usd(work.charged_usd)} USD"
    open_usd = f", {exact_usd(work.open_usd)} USD open" if work.open_usd else ""
    return f"{purchase_time(work)} at {work.provider} for {charged}{open_usd}"
