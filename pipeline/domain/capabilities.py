"""What a provider, or the model itself, can do: data, never methods.

The checks of `plan`, the capability table and the conformance suite's skips are all made from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from pipeline.domain.item import Kind


class Feature(StrEnum):
    """What an offer can do beyond submit and status."""

    IDEMPOTENT = "idempotent"
    """The same client id and body submitted again is never bought twice."""
    FIND = "find"
    LISTING = "listing"
    UPLOAD = "upload"
    QUOTE = "quote"
    COST = "cost"
    """The status reply tells what was charged."""
    FREE_FAILURES = "free_failures"
    CREDITS = "credits"
    """The reply to a submit tells what was set aside, in the provider's own unit."""
    BALANCE = "balance"
    """The account can be asked what it has left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraints:
    """What can be said to a provider (or to the model itself) for one kind of item."""

    modes: frozenset[str] = frozenset({"std", "pro"})
    durations: frozenset[int] = frozenset()
    """Whole seconds that can be asked for; empty: the length follows the input."""
    ratio: str = "stated"
    """"stated" in the request, by the first "frame", by the "clip", or the "provider" decides;
    "framed": by the first frame, and stated as well, since the provider's default is another."""
    ratios: frozenset[str] = frozenset({"16:9", "9:16", "1:1"})
    prompt_min: int = 1
    prompt_max: int = 2500
    max_images: int = 0
    """Images and elements together (each offer may allow less for elements)."""
    max_elements: int = 0
    first_frame: bool = False
    """A first frame may be combined with this kind."""
    frame_is_image: bool = False
    """A first frame beside reference images takes the place of one of them."""
    with_first: Constraints | None = None
    """What holds instead where a first frame stands beside a guide; None: the same."""
    with_images: Constraints | None = None
    """What holds instead where reference images or elements stand beside; None: the same."""
    clip_seconds: tuple[float, float] | None = None
    """Length of the input video, inclusive."""
    # The model's own limit, for offers whose pages say nothing else.
    clip_max_bytes: int = 200_000_000
    keep_audio: bool = False
    """Whether the source's sound can be asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaLimits:
    """What images a provider takes; sides in pixels, ratio as width divided by height."""

    # The model's own limits. Of its pages one says 10 MB, a newer one 50: the smaller is used.
    formats: frozenset[str] = frozenset({"jpeg", "png"})
    max_bytes: int = 10_000_000
    min_side: int = 300
    min_ratio: float = 0.4
    max_ratio: float = 2.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Cadence:
    """When to ask for a task's status, in seconds since acceptance: first, then growing gaps."""

    first_s: float = 2.0
    every_s: float = 2.0
    max_s: float = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What a provider can do, as data; the capability table and the checks are made from it."""

    provider: str
    title: str
    hosts: Mapping[str, str]
    """Host name to base URL; "api" always, "upload" where it differs."""
    key_env: str
    models: Mapping[str, Mapping[Kind, Constraints]]
    """Which models it sells, by name, and with what limits for each kind."""
    features: frozenset[Feature]
    images: MediaLimits = MediaLimits()
    reference_syntax: str = ""
    """How an image is named in a prompt, e.g. `@Image{n}`; empty: in words ("image 1")."""
    # Nobody publishes a limit: two at once are safe, and the lane grows from there (decision 12).
    concurrency: int = 2
    submit_per_s: float = 2.0
    cadence: Cadence = Cadence()
    status_group: int = 1
    """For how many tasks one question asks; 1 where each is asked for alone."""
    upload_lifetime_s: float | None = None
    dedupe_for_s: float = 0.0
    """How long after the intent the same client id and body may be sent again."""
    prompt_field: str = "prompt"
    """Dotted request field that holds the rendered prompt."""
    reserved: frozenset[str] = frozenset()
    """Dotted request fields that `extra` may not touch."""
    uploads: frozenset[str] = frozenset({"image", "video"})
    """Media types whose local files it takes; others must be public URLs."""
    settings: frozenset[str] = frozenset()
    """Which of its models' further settings it has: format, safety, watermark."""
    setting_values: Mapping[str, Mapping[str, Any]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    """JSON Schema of what such a setting may be here, where that is less than the model's rule."""
    extra_fields: Mapping[str, Mapping[str, Any]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    """JSON Schema by dotted name of the optional fields it is known to take, for `extra`."""
    options: frozenset[str] = frozenset()
    option_values: Mapping[str, frozenset[str]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    """What an option may be, where that is a closed set."""
    models_by_option: Mapping[tuple[str, str], Mapping[str, Mapping[Kind, Constraints]]] = field(
        default_factory=lambda: MappingProxyType({})
    )
    """What takes the place of `models` where an option (name, value) chooses another form."""
    pixels: Mapping[str, int] | None = None
    """Mode to short side in pixels; None: as the model's own, empty where unknown."""
    hosts_allowed: frozenset[str] = frozenset()
    """Further host names that a manifest's `base_url` or `upload_url` may name."""
