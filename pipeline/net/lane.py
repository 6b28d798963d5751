"""A provider's key together with the only origins it may be sent to, and what that forbids.

A key is signed onto a request here and nowhere else: the request must name a host of its lane, and
the URL it really leads to must have that host's origin. `scrubber` takes keys out of text we keep.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import quote

import httpx

from pipeline.domain.accounts import key_fingerprint
from pipeline.errors import Forbidden, Unusable
from pipeline.providers.base import Request, Response
from pipeline.web_addresses import is_loopback

_VISIBLE = re.compile(r"[\x21-\x7e]+")
_BEARER = re.compile(r"(?i)\b(bearer\s+)[^\s\"',;]+")
_DEFAULT_PORTS = {"http": 80, "https": 443}
HIDDEN = "[key]"
_SHORTEST = 8
"""No provider's key is shorter; a word that short would be found where it is no key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One provider and one key: where it may go, and how fast to begin with.

    `hosts` maps a request's host name to its base URL: https, or http on loopback. Raises
    `Unusable` for a key that no header can carry, and for any other base URL.
    """

    provider: str
    account: str = ""
    """The name of the account, as a person gave it; empty for the one that has none."""
    key: str = field(repr=False)
    hosts: Mapping[str, str]
    concurrency: int = 2
    most: int | None = None
    """How many at once it may grow to; None: no more than it begins with."""
    submit_per_s: float = 2.0

    def __post_init__(self) -> None:
        if not _VISIBLE.fullmatch(self.key):
            raise Unusable(
                f"the key for {self.provider} is empty, or holds white space or characters that no"
                " HTTP header can carry; set its environment variable again"
            )
        for name, base in self.hosts.items():
            if not _is_base(base):
                raise Unusable(
                    f"the address of {self.provider}'s host '{name}' must be https (http only on"
                    " loopback), without user, query or fragment; set its base URL again"
                )

    @property
    def loopback(self) -> bool:
        """Tell whether every host is on this machine: a rehearsal, whose results are here too."""
        return bool(self.hosts) and all(map(_is_here, self.hosts.values()))

    @property
    def finds_width(self) -> bool:
        """Tell whether how many at once is left for the run to find out."""
        return (self.most or 0) > self.concurrency

    @property
    def name(self) -> str:
        """Return what a person calls it: `runware`, or `runware.b`."""
        return f"{self.provider}.{self.account}" if self.account else self.provider

    @property
    def fingerprint(self) -> str:
        """Return what tells its key from others, and tells nothing of it: for the ledger."""
        return key_fingerprint(self.provider, self.key)


def find_account(lanes: Iterable[Lane], account: str, fingerprint: str | None) -> Lane | None:
    """Return the lane of the account that something was sent from; None if its key is not here.

    The key itself counts first: two accounts may have changed names. A name counts where the key
    is unknown: it was renewed, or an earlier version did not write it down.
    """
    known = list(lanes)
    keyed = (lane for lane in known if lane.fingerprint == fingerprint)
    named = (lane for lane in known if lane.account == account)
    return next(keyed, None) or next(named, None)


def url_of(lane: Lane, request: Request) -> httpx.URL:
    """Return the URL a request leads to; Forbidden if it would leave the host it names."""
    if not request.host:
        return _parse_url(request.path)
    base = lane.hosts.get(request.host)
    if base is None:
        raise Forbidden(f"{lane.provider} has no host called '{request.host}'")
    url = _parse_url(base.rstrip("/") + request.path)
    # A path such as "@elsewhere.example/" would carry the key to another host.
    if origin(url) != _origin_of(base) or url.userinfo:
        raise Forbidden(f"a path for host '{request.host}' of {lane.provider} leads elsewhere")
    return url


def signature(lane: Lane, request: Request, url: httpx.URL) -> Mapping[str, str]:
    """Return the header that signs the request; nothing unless it stays at a host of the lane."""
    base = lane.hosts.get(request.host) if request.host else None
    if base is None or origin(url) != _origin_of(base):
        return {}
    return {"authorization": f"Bearer {lane.key}"}


def origin(url: httpx.URL) -> tuple[str, bytes, int | None]:
    """Return scheme, host and port, with the scheme's own port filled in."""
    return (url.scheme, url.raw_host, url.port or _DEFAULT_PORTS.get(url.scheme))


@lru_cache(maxsize=64)
def _is_here(base: str) -> bool:
    return is_loopback(_parse_url(base).host)


@lru_cache(maxsize=64)
def _origin_of(base: str) -> tuple[str, bytes, int | None]:
    return origin(_parse_url(base))


def scrubber(lanes: Iterable[Lane]) -> Callable[[str], str]:
    """Return the function that takes every lane's key out of a text, however it is quoted."""
    keys = {form for lane in lanes for form in _forms(lane.key)}
    # Longest first: one key may be the beginning of another.
    ordered = sorted(keys, key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, ordered)) or r"(?!)")

    def scrub(text: str) -> str:
        return _BEARER.sub(rf"\g<1>{HIDDEN}", pattern.sub(HIDDEN, text))

    return scrub


def scrub_reply(lane: Lane, reply: Response) -> Response:
    """Return a reply without the lane's key: some providers quote the key that they refuse."""
    if len(lane.key) < _SHORTEST:
        return reply
    body, headers = reply.body, dict(reply.headers)
    for form in _forms(lane.key):
        body = body.replace(form.encode(), HIDDEN.encode())
        headers = {name: value.replace(form, HIDDEN) for name, value in headers.items()}
    return Response(status=reply.status, headers=headers, body=body)


@lru_cache(maxsize=64)
def _forms(key: str) -> tuple[str, ...]:
    """Return a key as it may stand in a header, in a URL or in JSON; the longest first."""
    # JSON may escape a slash or leave it, as its writer likes; `json.dumps` leaves it.
    forms = {key, quote(key, safe=""), key.replace("/", "\\/"), json.dumps(key)[1:-1]}
    return tuple(sorted(forms, key=len, reverse=True))


def _is_base(text: str) -> bool:
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, UnicodeError):
        return False
    safe = url.scheme == "https" or (url.scheme == "http" and is_loopback(url.host))
    return bool(url.host) and safe and not (url.userinfo or url.query or url.fragment)


# Most questions go to one and the same URL; parsing it costs as much as signing the request.
@lru_cache(maxsize=64)
def _parse_url(text: str) -> httpx.URL:
    try:
        return httpx.URL(text)
    except (httpx.InvalidURL, UnicodeError):
        # The text may hold a signed link: it is not repeated.
        raise Forbidden("a link that is not a URL") from None
