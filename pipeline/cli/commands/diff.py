"""`diff`: what differs between two builds of a campaign. Nothing is sent."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated

import typer

from pipeline.api.build_sources import BuildSources, compare_sources
from pipeline.api.money_text import item_count
from pipeline.cli.console import print_text
from pipeline.cli.options import Profile, command_app
from pipeline.domain.money import exact_usd
from pipeline.plan.lock.differences import Difference

app = command_app()


@app.command(epilog="Example: callsheet diff HEAD~1 campaign.lock.yaml")
def diff(
    before: Annotated[
        str,
        typer.Argument(metavar="A", help="A lock file, a saved plan, a manifest, or REV[:PATH]."),
    ],
    after: Annotated[str, typer.Argument(metavar="B", help="Another one, of any of these kinds.")],
    profile: Profile = None,
) -> None:
    """Tell what differs between two lock files, plans or revisions: new, changed, removed, money.

    Changed is what would be made again, with the parts of its key that differ. REV is a revision
    of Git; without a path it is that of the other file.
    """
    found = compare_sources(BuildSources(before=before, after=after, profile=profile))
    for each in found.new:
        print_text(f"new      {each.address}  {_price(each.after_usd)}")
    for each in found.changed:
        # A price that stayed is told once.
        prices = dict.fromkeys((_price(each.before_usd), _price(each.after_usd)))
        print_text(f"changed  {each.address}  {', '.join(each.parts)}  {' → '.join(prices)}")
    for each in found.removed:
        print_text(f"removed  {each.address}  {_price(each.before_usd)}")
    parts = [f"{item_count(len(found.new))} new", f"{len(found.changed)} changed"]
    parts += [f"{len(found.removed)} removed", f"{found.same} the same"]
    print_text(", ".join(parts))
    if found.new or found.changed:
        print_text(f"new and changed together: {_sum((*found.new, *found.changed))}")


def _price(price_usd: Decimal | None) -> str:
    return "price unknown" if price_usd is None else f"{exact_usd(price_usd)} USD"


def _sum(differences: Sequence[Difference]) -> str:
    prices = [each.after_usd for each in differences if each.after_usd is not None]
    unknown = len(differences) - len(prices)
    total = f"{exact_usd(sum(prices, Decimal(0)))} USD"
    return f"{total}, and {unknown} of unknown price" if unknown else total
