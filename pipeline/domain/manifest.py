"""What a person wrote, read and checked: manifest, tables, bundles, shots, variants, budget.

Frozen records, no behaviour; every value remembers its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Any

from pipeline.domain.acceptance import AcceptPolicy
from pipeline.domain.item import EMPTY
from pipeline.findings import Finding, Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A compiled template; `render` raises `errors.TemplateFault`.

    What `render` returns depends on the place it was compiled for: prompts give a tuple of
    `str | Mention`, paths give a safe relative path, settings give a typed value or None.
    """

    source: str
    span: Span
    names: frozenset[str]
    """Dotted names it reads, e.g. `product.name`: a template is a function of these alone."""
    render: Callable[[Mapping[str, Any]], Any]
    mentions: Mapping[str, Span] = field(default_factory=lambda: EMPTY)
    """Where a prompt first mentions a reference in its own text, by name."""
    from_row: bool = False
    """Its value is taken whole from the row: a relative path in it is relative to the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """A reference token in a rendered prompt: `@front`, `@product.front`, `@first`."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """A manifest value and its place; `data` is plain data, or a Template."""

    data: Any
    span: Span
    folder: Path = Path()
    """Folder of the file it is written in: relative paths are relative to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of a table after reading, filling, grouping, typing and filtering."""

    key: str
    values: Mapping[str, Any]
    """What templates see as `row`: column name to typed value; also reachable by slug."""
    span: Span
    steering: Mapping[str, Value] = field(default_factory=lambda: EMPTY)
    """Values of the `_` columns, without the underscore: `duration`, `takes`, …"""
    cells: Mapping[str, Span] = field(default_factory=lambda: EMPTY)
    """Places of the row's cells, by column name."""
    folder: Path = Path()
    """Folder of the table's file: a path that comes from a cell is relative to it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A product table, ready to expand over."""

    name: str
    alias: str
    key: tuple[str, ...]
    """The columns that name a row; the key of a row of several is joined by `+`."""
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    path: Path
    span: Span
    decided: str = ""
    """How the file was read, in words: encoding, delimiter, rows."""
    delimiter: str = ","
    encoding: str = "utf-8"
    """How its file is written (a codec of Python); the results that go with it are as well."""
    complete: bool = True
    """Whether `rows` is all there is; False where a finding left some out."""
    faulty: tuple[Row, ...] = ()
    """Those that a finding left out: nothing is made of them, and their pictures are looked at."""
    suspect: bool = False
    """Whether a spreadsheet's error, such as #REF!, stands in its file or in one it joins."""
    left_out: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    """Keys of rows that are left out on purpose, with what says so: `where`, `_skip`, `limit`."""


MOST_LISTED = 7
"""The last image of a list that a template can ask for (`refs.view_7`): no model takes more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSpec:
    """One named image of a bundle, before rendering."""

    name: str
    file: Value
    say: Value | None = None
    optional: bool = False
    each: bool = False
    """`file` renders to a list of files; they become `view_1 …`."""
    max: int | None = None
    pin: str = ""
    licence_until: Value | None = None
    """The last day on which it may be used, as an ISO date."""
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementSpec:
    """One named element of a bundle: a described thing with 1 to 4 images."""

    name: str
    description: Value
    images: tuple[Value, ...]
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class FramesSpec:
    """First and last frame of a bundle; `fit` is None, "crop" or "pad"."""

    first: Value | None
    last: Value | None
    fit: Value | None
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoSpec:
    """The video of a bundle; `role` renders to "guide" or "edit"."""

    file: Value
    role: Value
    fast: bool = False
    keep_audio: bool = False
    seconds: Value | None = None
    pin: str = ""
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A named set of references; a shot's inline references are a bundle named ""."""

    name: str
    images: tuple[ImageSpec, ...] = ()
    elements: tuple[ElementSpec, ...] = ()
    frames: FramesSpec | None = None
    video: VideoSpec | None = None
    span: Span

    def values(self) -> tuple[Value, ...]:
        """Return every value that is rendered for an item, of all its references."""
        found: list[Value | None] = []
        for image in self.images:
            found += (image.file, image.say)
        for element in self.elements:
            found += (element.description, *element.images)
        if self.frames:
            found += (self.frames.first, self.frames.last, self.frames.fit)
        if self.video:
            found += (self.video.file, self.video.role, self.video.seconds)
        return tuple(value for value in found if value is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One axis of a shot's variants; the values are plain scalars or maps with an `id`."""

    name: str
    values: tuple[Value, ...]
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A partial cell (axis to value), as `exclude`, `add` and `extend` write it."""

    axes: Mapping[str, Any]
    spans: Mapping[str, Span] = field(default_factory=lambda: EMPTY)
    """Where the values of the axes are written."""
    set: Mapping[str, Value] = field(default_factory=lambda: EMPTY)
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Variants:
    """How a shot's cells come about; expanded by `plan.variants`."""

    matrix: tuple[Axis, ...] = ()
    pairs: tuple[Axis, ...] = ()
    exclude: tuple[Match, ...] = ()
    extend: tuple[Match, ...] = ()
    add: tuple[Match, ...] = ()
    max_cells: int = 2000
    span: Span


class TakesToShow(StrEnum):
    """Which takes lie at their output paths (`output.show`); the others are in the store alone."""

    ALL = "all"
    APPROVED = "approved"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """What is asked for, before rows, cells and takes."""

    id: str
    table: str | None
    prompt: Template
    bundles: tuple[Bundle, ...] = ()
    settings: Mapping[str, Value] = field(default_factory=lambda: EMPTY)
    """Only what the shot itself writes: provider, mode, duration, aspect_ratio, takes, …"""
    variants: Variants | None = None
    output: Template
    show: TakesToShow = TakesToShow.ALL
    accept: AcceptPolicy | None = None
    """How its takes come about: in rounds, with decisions between them; None: by `takes`."""
    tags: tuple[str, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    span: Span
    field_spans: Mapping[str, Span] = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What a campaign may cost; None means no limit of that sort."""

    limit_usd: Decimal | None = None
    per_run_usd: Decimal | None = None
    per_row_usd: Decimal | None = None
    per_item_usd: Decimal | None = None
    assume_usd: Decimal | None = None
    """`unpriced: {assume: …}`; None means that unpriced items are refused."""
    accepts: Mapping[str, AcceptPolicy] = field(default_factory=lambda: EMPTY)
    """The loops of shots that have one, by the shot's name: each place has caps of its own."""
    span: Span | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSettings:
    """A manifest's settings for one account of a provider; None means the provider's own."""

    key_env: str = ""
    """The environment variable of its key; empty for the one that goes by its name."""
    concurrency: int | None = None
    submit_per_s: float | None = None
    span: Span
    """Where it is named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderSettings:
    """A manifest's settings for one provider; None means the offer's default."""

    concurrency: int | None = None
    submit_per_s: float | None = None
    options: Mapping[str, Any] = field(default_factory=lambda: EMPTY)
    base_url: Value | None = None
    upload_url: Value | None = None
    accounts: Mapping[str, AccountSettings] = field(default_factory=lambda: EMPTY)
    """Further accounts beside the one without a name."""
    spans: Mapping[str, Span] = field(default_factory=lambda: EMPTY)
    """Where its options are written, by name; its own name is under an empty one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How failures are met (docs/design/language.md §7)."""

    request_retries: int = 4
    purchases: int = 2
    stop: bool = True
    stop_same_cause: int = 5
    stop_share: float = 0.20
    stop_after: int = 50
    deadline_s: float = 1800.0
    fallback: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One checked manifest with its tables read and its templates compiled."""

    path: Path
    folder: Path
    name: str
    vars: Mapping[str, Any]
    tables: Mapping[str, Table]
    shots: tuple[Shot, ...]
    approved_only: frozenset[str] = frozenset()
    """Shots whose takes are laid out once they are approved; also those of tables not read."""
    defaults: Mapping[str, Value]
    overrides: Mapping[str, Value]
    budget: Budget
    policy: Policy
    providers: Mapping[str, ProviderSettings]
    allow: tuple[Path, ...] = ()
    """Folders besides `folder` from which media may be read."""
    profile: str = ""
    selectors: Mapping[str, Value] = field(default_factory=lambda: EMPTY)
    """Selections by name, as texts."""
    var_spans: Mapping[str, Span] = field(default_factory=lambda: EMPTY)
    """Where each of `vars` is written: in a base, a profile or on the command line too."""
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """One value of a manifest, where it stands in the whole, and where it was written."""

    steps: tuple[str | int, ...]
    value: Any
    span: Span


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What reading a manifest gives: the manifest as far as it could be read, and every finding.

    Where a finding is an error, what it touches is left out or stands in for itself: such a
    manifest may be expanded for further findings, and must not be run.
    """

    manifest: Manifest | None
    findings: tuple[Finding, ...]
    sources: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    """Text of each file read, by the name its spans use: for excerpts."""
    written: tuple[Written, ...] = ()
    """Every value, once bases, profile and overrides are laid over each other."""
