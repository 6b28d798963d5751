"""What each provider can do, as a table: made from the offers and the price list, never by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from types import MappingProxyType

from pipeline.domain import Feature, Kind, Offer

NO = "–"
_KINDS: Mapping[Kind, str] = MappingProxyType(
    {
        Kind.TEXT: "text",
        Kind.FIRST_FRAME: "first frame",
        Kind.FRAMES: "first and last frame",
        Kind.REFERENCES: "references",
        Kind.GUIDE: "guide video",
        Kind.EDIT: "edit video",
        Kind.FAST_EDIT: "fast edit video",
    }
)
Prices = Mapping[tuple[str, str, str], Decimal | None]
"""USD a second by provider, kind and mode; None where nobody published it."""


def capabilities(offers: Iterable[Offer], prices: Prices) -> Iterator[list[str]]:
    """Yield the table, line by line: what is offered, then a cell per provider; titles first.

    Seconds are those that can be asked for; prices are USD a second in std and in pro.
    """
    columns = list(offers)
    yield ["", *(offer.title for offer in columns)]
    for kind, name in _KINDS.items():
        line = [name]
        for offer in columns:
            limits = offer.kinds.get(kind)
            if limits is None:
                line.append(NO)
                continue
            # What may be asked for, or what a source clip may have.
            lengths = sorted(limits.durations)
            low, high = (lengths[0], lengths[-1]) if lengths else limits.clip_seconds or (0, 0)
            if not lengths:
                seconds = f"as its clip, {low:g} to {high:g} s"
            elif len(lengths) == high - low + 1:
                seconds = f"{low} to {high} s"
            else:
                seconds = f"{', '.join(map(str, lengths))} s"
            only = "" if len(limits.modes) > 1 else f", {'/'.join(limits.modes)} only"
            line.append(f"{seconds}{only}")
        yield line
    for name, cell in _ROWS.items():
        yield [name, *(cell(offer) for offer in columns)]
    for title, kind in (("price", Kind.TEXT), ("price with video", Kind.EDIT)):
        yield [f"{title}, USD/s", *(_price(offer, kind, prices) for offer in columns)]


def to_markdown_table(rows: Iterable[Sequence[str]]) -> str:
    """Return lines of cells as a Markdown table; the first line is its head."""
    head, *body = [
        " | ".join(text.replace("|", "\\|").replace("<", "\\<") for text in row) for row in rows
    ]
    rule = "|".join([" --- "] * (head.count("|") + 1))
    return "\n".join(f"| {line} |" if line != rule else f"|{line}|" for line in (head, rule, *body))


def _images(offer: Offer) -> str:
    most = max((limits.max_images for limits in offer.kinds.values()), default=0)
    elements = max((limits.max_elements for limits in offer.kinds.values()), default=0)
    return f"{most}, elements too" if elements else str(most)


def _doubt(offer: Offer) -> str:
    if Feature.IDEMPOTENT in offer.features:
        return f"same id again, {offer.dedupe_for_s / 60:.0f} min"
    return "by its list of tasks" if Feature.LISTING in offer.features else "a person decides"


def _charge(offer: Offer) -> str:
    return "told" if Feature.COST in offer.features else "booked as estimated"


def _local(offer: Offer) -> str:
    return " and ".join(f"{kind}s" for kind in sorted(offer.uploads))


_ROWS: Mapping[str, Callable[[Offer], str]] = MappingProxyType(
    {
        "reference images, most": _images,
        "references in the prompt": lambda o: o.reference_syntax.replace("{n}", "1") or "in words",
        "local files": _local,
        "prompt, characters": lambda o: str(max(t.prompt_max for t in o.kinds.values())),
        "charge of a clip": _charge,
        "price by dry run": lambda o: "yes" if Feature.QUOTE in o.features else NO,
        "a lost reply": _doubt,
        "clips at once, at first": lambda o: str(o.concurrency),
        "key": lambda o: o.key_env,
    }
)


def _price(offer: Offer, kind: Kind, prices: Prices) -> str:
    """Return the price of a kind, or of the nearest one that the provider has."""
    asked = kind if kind in offer.kinds else _INSTEAD.get(kind, kind)
    modes = offer.kinds[asked].modes if asked in offer.kinds else frozenset[str]()
    found = [prices.get((offer.provider, asked.value, m)) for m in ("std", "pro") if m in modes]
    texts = dict.fromkeys("?" if price is None else f"{price.normalize():f}" for price in found)
    return " / ".join(texts) or NO


_INSTEAD = {Kind.TEXT: Kind.FRAMES}
