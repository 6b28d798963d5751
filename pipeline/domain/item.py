"""What is to be made: kinds, references, settings, prices, items, entries.

Frozen records, no behaviour. Money is `Decimal` USD with `_usd` in the name, durations are
seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from pipeline.findings import Span

EMPTY: Mapping[str, Any] = MappingProxyType({})
DEFAULT_MODEL = "kling-o1"
"""The video model of what is asked for where nobody wrote one."""


class Kind(StrEnum):
    """What a clip is made from; the order is the order in which references decide it."""

    FAST_EDIT = "fast_edit"
    EDIT = "edit"
    GUIDE = "guide"
    FRAMES = "frames"
    FIRST_FRAME = "first_frame"
    REFERENCES = "references"
    TEXT = "text"


class Role(StrEnum):
    """What a reference is for."""

    FIRST = "first"
    LAST = "last"
    IMAGE = "image"
    ELEMENT = "element"
    VIDEO = "video"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """What was done to a file to make it fit to send: "crop", to {"ratio": "9:16"}.

    `recipe` is raised when the same operation begins to give other pixels.
    """

    name: str
    parameters: Mapping[str, str]
    recipe: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """A local file by its content, or a URL by its text.

    `digest` is the SHA-256 of the bytes (local) or of the URL's text (hex). For a URL nothing is
    inspected: sizes are 0, `format` is "", `seconds` and `fps` None unless the manifest says them.
    `seconds` is the picture's length.
    """

    media_type: str
    """"image" or "video"."""
    source: str
    local: bool
    digest: str
    format: str = ""
    bytes: int = 0
    width: int = 0
    height: int = 0
    seconds: float | None = None
    fps: float | None = None
    source_digest: str = ""
    """Digest of the file it was made from; empty where it is what the manifest names."""
    operations: tuple[Operation, ...] = ()
    """How it was made from that file."""
    made_from: str = ""
    """Path of that file, for people."""
    unfit: tuple[str, ...] = ()
    """Why the picture that the manifest names cannot be sent as it is: "WebP", "sideways"."""
    file_seconds: float | None = None
    """The file's own length, its sound included: what a provider may count. Never rounded down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A reference of one item: what it is for, which one of its role, and its content.

    Ordinals count from 1 within the role, in the order of `use`, then as written, then inline.
    An element has one to four media, all others exactly one.
    """

    role: Role
    ordinal: int
    name: str
    media: tuple[Media, ...]
    say: str = ""
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A resolved mention inside an item's prompt."""

    role: Role
    ordinal: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """An item's settings after all layers; None where its kind does not use the setting."""

    mode: str
    duration: int | None
    aspect_ratio: str | None
    """As the model names it ("16:9"), or "auto"; None for edits."""
    keep_audio: bool | None = None
    format: str | None = None
    safety: str | None = None
    watermark: bool | None = None
    more: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    """What else the item's model can be told, by the names of its parameters."""


def plain_settings(settings: Settings) -> dict[str, Any]:
    """Return settings as one flat map: those of all models, then those of the item's own."""
    return {**{name: getattr(settings, name) for name in _SETTINGS}, **settings.more}


_SETTINGS = tuple(each.name for each in fields(Settings) if each.name != "more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What a clip must measure to be in spec; None is not judged (docs/design/files.md §2)."""

    seconds: float | None
    ratio: float | None
    short_side: int | None


Alike = tuple[str, str, str, str, float | None]
"""Provider, model, kind, mode and seconds: items that are alike in these cost the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What an item is expected to cost, and how sure that is."""

    low_usd: Decimal
    expected_usd: Decimal
    high_usd: Decimal
    source: str
    certainty: str
    """documented, inferred, assumed."""
    native_usd: Decimal | None = None
    """What one of the provider's own units costs: to read credits that it tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """The manifest line and the table row an item comes from."""

    shot: Span
    row: Span | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a value was written: a line of a manifest, or a cell of a table."""

    span: Span
    cell: str = ""
    """The column, where it is a cell."""


Places = Mapping[str, Place]
"""By the name of a part of a key, of a reference in it, or of what a prompt reads."""


def no_places() -> Places:
    """Return the places of an item of which nobody knows where it was written."""
    return EMPTY


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """Another key whose clip satisfies an item: what was bought under it is not bought again."""

    digest: str
    earlier_rule: bool = False
    """An earlier recipe gave this key to the same work."""
    ratio: float | None = None
    """Only a finished clip of this ratio (width divided by height) will do."""
    exclusive: bool = True
    """It satisfies no second item that is other work; else all items that it ever stood for."""
    approved: bool = False
    """A person approved its clip for the item, which keeps it whatever its own key is by now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What makes two items the same work: the digest, and the digest of each named part."""

    digest: str
    parts: Mapping[str, str]
    # Not compared: what else would do, and what a person reads of it, makes no other work.
    alternatives: Sequence[Alternative] = field(default=(), compare=False)
    """Where nothing was bought under the digest itself: what else will do, best first."""
    values: Mapping[str, Any] = field(default_factory=lambda: EMPTY, compare=False)
    """Each part as a person reads it, but for the prompt, which is the item's own text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """Shot × row × cell × take: one clip that is wanted, for one chosen provider."""

    campaign: str
    address: str
    shot: str
    row_key: str
    cell: str
    take: int
    axes: Mapping[str, str]
    tags: tuple[str, ...]
    model: str = DEFAULT_MODEL
    kind: Kind
    prompt: tuple[str | Token, ...]
    references: tuple[Reference, ...]
    settings: Settings
    provider: str
    passed_over: tuple[tuple[str, str], ...] = ()
    """Providers that came first and cannot express the item, each with the reason."""
    pinned: bool = False
    fallbacks: tuple[Item, ...] = ()
    """The same item as those would make it who come after in its list, best first."""
    extra: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    output: str
    """Path below `<root>/<campaign>/`, with `{ext}` where the file's extension goes."""
    shows_unapproved: bool = True
    """Whether its clip lies there before a person approved it."""
    spec: Spec
    key: Key
    origin: Origin
    inputs: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    """Digests of what the prompt is made of: its template, and each value it reads, by name."""
    places: Callable[[], Places] = field(default=no_places, compare=False, repr=False)
    """Where its parts were written: worked out for the few that are asked, never kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedItem:
    """An item ready to be admitted: priced, and with its request in placeholder form.

    `request` is `providers.base.Request` as plain data (`dataclasses.asdict`), in which each
    medium is the string `asset:<digest>` and the client id is `client:id`.
    """

    item: Item
    request: Mapping[str, Any]
    price: Price | None
    """None where no rate is known: never shown as 0."""
    sent_prompt: str = ""
    """The prompt as the provider gets it, for the report."""
    fallbacks: tuple[PricedItem, ...] = ()
    """The same item at others, to whom it may go when its provider's lane stops; best first."""


def price_group(item: Item) -> Alike:
    """Return what an item's price depends on."""
    mode, seconds = item.settings.mode, item.spec.seconds
    return item.provider, item.model, item.kind.value, mode, seconds


def place_of(address: str) -> str:
    """Return an item's address without its take."""
    return address.rpartition("#")[0]


def take_of(address: str) -> int:
    """Return the take in an item's address; 1 where there is none."""
    take = address.rpartition("#")[2]
    return int(take) if take.isascii() and take.isdigit() else 1
