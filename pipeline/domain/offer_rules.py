"""Rules over an offer that a plan, a request and the command line share: each stands here once.

They say whether something is allowed; where it is written, the caller knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

import jsonschema_rs

from pipeline.domain.accounts import holds_a_key, key_variable
from pipeline.domain.capabilities import Constraints, Offer
from pipeline.domain.manifest import AccountSettings
from pipeline.findings import Finding, Span, did_you_mean


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionFault:
    """An option that a provider does not have, or not with this value."""

    name: str
    slug: str
    message: str
    hint: str


def limits_beside(limits: Constraints, *, first: bool, images: bool) -> Constraints:
    """Return the limits that hold where a first frame, or reference images, stand beside.

    >>> short, long = frozenset({5, 10}), frozenset(range(3, 11))
    >>> from_frame = Constraints(durations=short, with_images=Constraints(durations=long))
    >>> limits_beside(from_frame, first=True, images=True).durations == long
    True
    """
    # The frame goes first: the limits beside it may have their own for images that stand there too.
    if first and limits.with_first is not None:
        limits = limits.with_first
    return limits.with_images if images and limits.with_images is not None else limits


def offer_by_options(offer: Offer, options: Mapping[str, Any]) -> Offer:
    """Return the offer as a manifest's options leave it: another form may sell something else."""
    for name, value in options.items():
        models = offer.models_by_option.get((name, str(value)))
        if models is not None:
            return replace(offer, models=models)
    return offer


def option_faults(offer: Offer, options: Mapping[str, Any]) -> Iterator[OptionFault]:
    """Yield what is wrong with a provider's options."""
    for name, value in options.items():
        allowed = offer.option_values.get(name)
        if name not in offer.options:
            yield OptionFault(
                name=name,
                slug="unknown-option",
                message=f"{offer.title} has no option '{name}'",
                hint=did_you_mean(name, offer.options),
            )
        elif allowed is not None and value not in allowed:
            yield OptionFault(
                name=name,
                slug="bad-option",
                message=f"{offer.title}'s option '{name}' is not {value!r}",
                hint=f"it is {' or '.join(sorted(allowed))}",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExtraFault:
    """What is wrong with a field of `extra`, and what to do instead."""

    slug: str
    message: str
    hint: str = ""


def extra_fault(offer: Offer, field: str, value: Any) -> ExtraFault | None:
    """Return what is wrong with a dotted field of `extra`, or None where it is known and right.

    A field is reserved too if it lies below a reserved one, or would replace its parent.
    """
    named = f"{offer.title}'s field '{field}'"
    for known in sorted(offer.reserved):
        if field == known or field.startswith(f"{known}.") or known.startswith(f"{field}."):
            reason = _why_reserved(known, field)
            message = f"{named} is not for extra to set: {reason.why}"
            return ExtraFault(slug="extra-reserved", message=message, hint=reason.instead)
    # A part of a known object, or a map around known fields, is checked by what it belongs to.
    for name, rule in offer.extra_fields.items():
        if field == name:
            if jsonschema_rs.is_valid(dict(rule), value):
                return None
            message = f"{named} is {in_words(rule)}, not {value!r}"
            return ExtraFault(slug="extra-value", message=message)
        if field.startswith(f"{name}.") and rule.get("type") == "object":
            return None
    return ExtraFault(
        slug="extra-unknown",
        message=f"{named} is on none of its pages that were read: it may be ignored",
        hint=did_you_mean(field, offer.extra_fields) or "it is sent as it is written",
    )


def wrong_setting(offer: Offer, name: str, value: Any) -> str | None:
    """Return why a provider does not take a setting of its model, or None where it does."""
    if name not in offer.settings:
        return f"{offer.title} has no setting '{name}'"
    rule = offer.setting_values.get(name)
    if rule is None or jsonschema_rs.is_valid(dict(rule), value):
        return None
    return f"{offer.title}'s '{name}' is {in_words(rule)}, not {value!r}"


def in_words(rule: Mapping[str, Any]) -> str:
    """Return what a JSON Schema of one value allows.

    >>> in_words({"type": "integer", "minimum": 20, "maximum": 99})
    'a whole number from 20 to 99'
    >>> in_words({"enum": ["none", "fast", "full"]})
    'none, fast or full'
    """
    if "enum" in rule:
        *rest, last = map(str, rule["enum"])
        return f"{', '.join(rest)} or {last}" if rest else last
    words = _TYPES[rule["type"]]
    if "minimum" not in rule:
        return words
    high = f" to {rule['maximum']}" if "maximum" in rule else " on"
    return f"{words} from {rule['minimum']}{high}"


_TYPES: Mapping[str, str] = MappingProxyType(
    {
        "boolean": "true or false",
        "integer": "a whole number",
        "number": "a number",
        "string": "a text",
        "object": "a map",
        "array": "a list",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reserved:
    why: str
    instead: str


_BY_SETTING = _Reserved(
    why="the shot and its settings decide what is sent there", instead="write it as a setting"
)
_CALLED = _Reserved(
    why="nobody listens here: each task is asked for until it ends",
    instead="take it out; a program is told each event by `run.iter_events()` (docs/python.md)",
)
_OTHER_REPLY = _Reserved(
    why="the reply would be another than the one that is read",
    instead="take it out: a task is asked for until it ends",
)
_COUNT = _Reserved(
    why="each result is charged, and only one would be collected", instead="write takes: 3, say"
)
_MEDIA = _Reserved(
    why="media are uploaded, counted and checked by the shot's references",
    instead="write them under references",
)
_NOT_OURS = _Reserved(
    why="what is charged, or found again after a lost reply, hangs on it", instead="take it out"
)
_RESERVED: Mapping[str, _Reserved] = MappingProxyType(
    {
        **dict.fromkeys(("webhook", "webhookURL", "callback_url"), _CALLED),
        **dict.fromkeys(("stream", "wait", "deliveryMethod", "outputType", "run_at"), _OTHER_REPLY),
        **dict.fromkeys(("numberResults", "n"), _COUNT),
        "uploadEndpoint": _Reserved(
            why="the clip would be put there, and never be fetched, checked and kept here",
            instead="take it out, and copy the clips from the output folder when the run has ended",
        ),
        **dict.fromkeys(
            (
                *("inputs", "image_urls", "video_urls", "image_with_roles", "video_list"),
                *("start_image_index", "elements", "start_frame_url", "end_frame_url"),
                *("video_url", "image", "end_image", "reference_images", "reference_video"),
            ),
            _MEDIA,
        ),
        **dict.fromkeys(
            (
                *("taskType", "taskUUID", "includeCost", "dry_run", "app", "app_id"),
                *("version_id", "session", "session_timeout", "metadata", "setup", "workers"),
                *("function", "infra"),
            ),
            _NOT_OURS,
        ),
        "fast": _Reserved(
            why="the shot and its settings decide what is sent there",
            instead="write fast: true beside the video",
        ),
        **dict.fromkeys(
            ("keepOriginalSound", "keep_original_sound", "keep_audio"),
            _Reserved(
                why="the shot and its settings decide what is sent there",
                instead="write keep_audio: true beside the video",
            ),
        ),
        **dict.fromkeys(
            ("model", "mode", "video_mode"),
            _Reserved(
                why="model, mode and references decide what is sent there",
                instead="write mode: pro, say",
            ),
        ),
        **dict.fromkeys(
            ("width", "height"),
            _Reserved(
                why="mode and aspect ratio decide what is sent there",
                instead="write aspect_ratio: 9:16, say",
            ),
        ),
    }
)


def _why_reserved(known: str, field: str) -> _Reserved:
    """Return why a field is reserved, by its own last name, else by that of the reserved one."""
    names = (field.rpartition(".")[2], known.rpartition(".")[2])
    return next((_RESERVED[name] for name in names if name in _RESERVED), _BY_SETTING)


def foreign_host(offer: Offer, url: str, span: Span) -> Finding | None:
    """Return the finding against a URL in a manifest that is not the provider's own, if it is not.

    A key is only ever sent to a host that the offer lists, over https.
    """
    own = {urlsplit(base).hostname or "" for base in offer.hosts.values()} | offer.hosts_allowed
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname in own:
        return None
    variable = f"{offer.provider}_BASE_URL".upper()
    return Finding(
        slug="foreign-address",
        message=f"a manifest may not send {offer.title}'s key to {parts.hostname or url}",
        span=span,
        hint=f"use {' or '.join(sorted(own))}; any other is set by {variable} or --base-url",
    )


def foreign_key(offer: Offer, account: str, settings: AccountSettings) -> Finding | None:
    """Return the finding against an account whose key a manifest takes from elsewhere, if it does.

    Any variable could be named, and its value would be sent to the provider as a key.
    """
    if not settings.key_env or holds_a_key(offer.key_env, settings.key_env):
        return None
    return Finding(
        slug="foreign-key",
        message=f"a manifest may not send {settings.key_env} to {offer.title} as a key",
        span=settings.span,
        hint=f"name it {key_variable(offer.key_env, account)}, or let it begin so",
    )


def wrong_prompt_length(length: int, constraints: Constraints) -> tuple[str, str] | None:
    """Return the slug, and the bound in words ("at most 2,500"), that a prompt's length breaks."""
    if length < constraints.prompt_min:
        return "prompt-short", f"at least {constraints.prompt_min}"
    if length > constraints.prompt_max:
        return "prompt-long", f"at most {constraints.prompt_max:,}"
    return None
