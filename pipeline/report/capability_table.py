"""What each provider can do, as a table: made from the offers and the price list, never by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType

from pipeline.domain import DEFAULT_MODEL, Constraints, Feature, Kind, Offer
from pipeline.domain.money import exact_usd
from pipeline.models import known_models

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
Prices = Mapping[tuple[str, str, str, str], Decimal | None]
"""USD a second by provider, model, kind and mode; None where nobody published it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    """A provider and one of the models it sells."""

    offer: Offer
    model: str

    @property
    def kinds(self) -> Mapping[Kind, Constraints]:
        """What it makes of this model."""
        return self.offer.models[self.model]

    @property
    def title(self) -> str:
        """Its head: the usual model needs no name."""
        known = known_models().get(self.model)
        name = known.title if known else self.model
        return self.offer.title if self.model == DEFAULT_MODEL else f"{self.offer.title}, {name}"


def capabilities(offers: Iterable[Offer], prices: Prices) -> Iterator[list[str]]:
    """Yield the table, line by line: what is offered, then a cell per provider; titles first.

    A provider has a column for each model it sells.
    Seconds are those that can be asked for; prices are USD a second in std and in pro.
    """
    columns = [_Column(offer=offer, model=model) for offer in offers for model in offer.models]
    yield ["", *(column.title for column in columns)]
    for kind, name in _KINDS.items():
        line = [name]
        for column in columns:
            limits = column.kinds.get(kind)
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
        yield [name, *(cell(column) for column in columns)]
    for title, kind in (("price", Kind.TEXT), ("price with video", Kind.EDIT)):
        yield [f"{title}, USD/s", *(_price(column, kind, prices) for column in columns)]


def to_markdown_table(rows: Iterable[Sequence[str]]) -> str:
    """Return lines of cells as a Markdown table; the first line is its head."""
    head, *body = [
        " | ".join(text.replace("|", "\\|").replace("<", "\\<") for text in row) for row in rows
    ]
    rule = "|".join([" --- "] * (head.count("|") + 1))
    return "\n".join(f"| {line} |" if line != rule else f"|{line}|" for line in (head, rule, *body))


def _syntax(column: _Column) -> str:
    return column.offer.reference_syntax.replace("{n}", "1") or "in words"


def _images(column: _Column) -> str:
    most = max((limits.max_images for limits in column.kinds.values()), default=0)
    elements = max((limits.max_elements for limits in column.kinds.values()), default=0)
    return f"{most}, elements too" if elements else str(most)


def _doubt(column: _Column) -> str:
    offer = column.offer
    if Feature.IDEMPOTENT in offer.features:
        return f"same id again, {offer.dedupe_for_s / 60:.0f} min"
    return "by its list of tasks" if Feature.LISTING in offer.features else "a person decides"


def _charge(column: _Column) -> str:
    return "told" if Feature.COST in column.offer.features else "booked as estimated"


def _local(column: _Column) -> str:
    return " and ".join(f"{kind}s" for kind in sorted(column.offer.uploads))


_ROWS: Mapping[str, Callable[[_Column], str]] = MappingProxyType(
    {
        "reference images, most": _images,
        "references in the prompt": _syntax,
        "local files": _local,
        "prompt, characters": lambda c: " to ".join(
            map(str, sorted({limits.prompt_max for limits in c.kinds.values()}))
        ),
        "charge of a clip": _charge,
        "price by dry run": lambda c: "yes" if Feature.QUOTE in c.offer.features else NO,
        "a lost reply": _doubt,
        "clips at once, at first": lambda c: str(c.offer.concurrency),
        "key": lambda c: c.offer.key_env,
    }
)


def _price(column: _Column, kind: Kind, prices: Prices) -> str:
    """Return the price of a kind, or of the nearest one that the provider has."""
    asked = kind if kind in column.kinds else _INSTEAD.get(kind, kind)
    limits = column.kinds.get(asked)
    # In the model's own order of modes: std, then pro.
    known = known_models().get(column.model)
    modes = [mode for mode in known.pixels if mode in limits.modes] if known and limits else []
    provider = column.offer.provider
    found = [prices.get((provider, column.model, asked.value, mode)) for mode in modes]
    texts = dict.fromkeys("?" if price is None else exact_usd(price) for price in found)
    return " / ".join(texts) or NO


_INSTEAD = {Kind.TEXT: Kind.FRAMES}
