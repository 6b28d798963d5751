"""What a provider is to the rest: offers as data, and pure functions from item to request to state.

No provider does I/O, keeps state, reads a clock or sees a key: the transport signs, the engine
retries, the ledger remembers. A reply is read from status, headers and body together. What it says
in words can be stored anywhere, whoever wrote the adapter: that rule lives here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from email.utils import parsedate_to_datetime
from types import MappingProxyType
from typing import Any, Protocol

from pipeline.domain import Item, Media, Offer
from pipeline.domain.states import FaultKind
from pipeline.foreign_text import storable

CLIENT_ID = "client:id"
"""Stands for the client-chosen id in a request until the intent is written."""
ASSET = "asset:"
"""`asset:<digest>` stands for a medium until it is uploaded."""
RETRY_AFTER_MAX_S = 300.0
"""No provider documents Retry-After for all replies: honoured if sent, and capped
(docs/design/providers.md §9)."""
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One file of a multipart body; its content is the asset's bytes, added by the transport."""

    name: str
    filename: str
    content_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An HTTP request without host and without key: may be printed, compared, stored.

    `host` is a name in `Offer.hosts`; an empty one means that `path` is an absolute URL which is
    fetched unsigned. At most one of `body` (sent as JSON), `part` and `content` is given; the last
    two send the bytes of the medium being uploaded.
    """

    method: str
    path: str
    host: str = "api"
    headers: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    body: Any = None
    """What is sent as JSON, or the JSON itself as bytes."""
    part: Part | None = None
    content: bool = False
    fields: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    """Further form fields beside `part`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What came back, whole. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRef:
    """A provider's task, as the ledger knows it; `client_id` is ours."""

    task: str
    client_id: str = ""


def _write_out(told: object, *names: str) -> None:
    """Write out what no database holds (a NUL, half a character) in these fields."""
    for name in names:
        if isinstance(text := getattr(told, name), str):
            object.__setattr__(told, name, storable(text))


def _refuse_unstorable(name: str) -> None:
    """Raise ValueError for a name that no database holds: written otherwise it names nothing."""
    if isinstance(name, str) and storable(name) != name:
        raise ValueError(f"a name that cannot be kept: {storable(name)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """Money as the provider tells it: USD where it says so, else native units only."""

    usd: Decimal | None = None
    native: Decimal | None = None
    unit: str = ""
    unread: str = ""
    """What stands where a sum belongs and is none, as written and clipped; empty: all was read."""
    above: bool = False
    """The sum in USD is larger than any that can be booked."""

    def __post_init__(self) -> None:
        _write_out(self, "unit", "unread")


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The provider took the task. `reserved` is what it says it set aside, if anything."""

    task: str
    reserved: Charge | None = None

    def __post_init__(self) -> None:
        _refuse_unstorable(self.task)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A reply that says no. `accepted` tells whether the request can have been taken."""

    kind: FaultKind
    message: str
    accepted: bool | None = False
    """False: proven not accepted. None: nobody knows (5xx, unreadable): in doubt."""
    retry_after_s: float | None = None
    code: str = ""
    replayed: bool = False
    """The provider's recorded answer to an earlier request under this client id: nothing was taken
    then either, and whatever is sent under that id gets the same answer."""

    def __post_init__(self) -> None:
        _write_out(self, "message", "code")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """Queued or running; `progress` from 0 to 1, where told (decorative: it may jump)."""

    progress: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """Finished: where the clip is (an unsigned GET), and what was charged."""

    output: Request
    charge: Charge | None = None
    expires_at: float | None = None
    """Unix seconds, where the reply says it."""
    seed: str = ""
    """What the provider says it began from, as written; empty where it says nothing."""
    nsfw: bool | None = None
    """Whether the provider calls the result unsafe; None where it says nothing."""

    def __post_init__(self) -> None:
        _write_out(self, "seed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """Ended without a clip that is kept. `charge` None: the provider does not say."""

    fault: Fault
    charge: Charge | None = None
    seed: str = ""
    nsfw: bool | None = None
    """As in `Done`: a result that was made, charged and refused may have both."""

    def __post_init__(self) -> None:
        _write_out(self, "seed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """A status word nobody documented: keep polling until the job's own deadline."""

    word: str

    def __post_init__(self) -> None:
        _write_out(self, "word")


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """The provider does not know the task (yet): no proof that it was never accepted."""


TaskState = Pending | Done | Failed | Unknown | Absent | Fault
"""A `Fault` here is about the asking (429, 5xx, bad key), not about the task."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploaded:
    """A medium at the provider: the string requests use for it, and when that dies (seconds)."""

    uri: str
    lifetime_s: float | None = None

    def __post_init__(self) -> None:
        _refuse_unstorable(self.uri)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """A price the provider itself named for a request, before any money."""

    charge: Charge


class Provider(Protocol):
    """One provider: its offer, and pure functions between items, requests, replies and states."""

    @property
    def offer(self) -> Offer:
        """What it can do, as data."""
        ...

    def submit_request(self, item: Item, options: Mapping[str, Any]) -> Request:
        """Return the request that buys the item, in placeholder form (ASSET, CLIENT_ID)."""
        ...

    def read_submit(self, response: Response, client_id: str) -> Accepted | Fault:
        """Read the reply to a submit; a duplicate of our own client id is Accepted."""
        ...

    def status_request(self, task: TaskRef) -> Request:
        """Return the request that asks for a task."""
        ...

    def read_status(self, task: TaskRef, response: Response) -> TaskState:
        """Read the reply to a status request."""
        ...


class Plugin(Provider, Protocol):
    """A provider from another package: it brings along what this one ships for its own."""

    wire_schemas: Mapping[str, Mapping[str, Any]]
    """By model, the closed JSON Schema of the body of a submit, in placeholder form."""
    rates: Sequence[Mapping[str, Any]]
    """Its prices, as entries of rates.yaml."""


class Groups(Protocol):
    """Offered with an `Offer.status_group` above 1: one question for several tasks."""

    def group_status_request(self, tasks: Sequence[TaskRef]) -> Request:
        """Return the request that asks for all of these tasks."""
        ...

    def split_status(
        self, tasks: Sequence[TaskRef], response: Response
    ) -> Mapping[str, Response] | None:
        """Return by task what each would have been answered alone, from a reply with HTTP 2xx.

        None where the reply does not tell of which task a part of it is.
        """
        ...


class Uploads(Protocol):
    """Offered with Feature.UPLOAD."""

    def upload(self, media: Media) -> Generator[Request, Response, Uploaded | Fault]:
        """Yield one to three requests, receive their responses, return where the medium is.

        A body string `asset:<digest>` is replaced by a data URI of the medium's bytes
        (`data:<mime>;base64,…`), CLIENT_ID by a fresh UUID: never by a job's own id.
        """
        ...


class Finds(Protocol):
    """Offered with Feature.FIND or Feature.LISTING: settles a doubt."""

    def find(
        self,
        client_id: str,
        request: Request,
        since: float,
        known: Collection[str] = (),
    ) -> Generator[Request, Response, Accepted | Absent | Fault]:
        """Yield look-ups; Accepted if the task is there; Absent proves nothing by itself.

        `request` is the one that was sent, filled; `since` its intent in unix seconds; `known` are
        the tasks that belong to other jobs already: a listing must not hand one out twice.
        """
        ...


class Quotes(Protocol):
    """Offered with Feature.QUOTE: the provider's own dry run."""

    def quote_request(self, request: Request) -> Request:
        """Return the dry-run form of a submit request, still in placeholder form.

        CLIENT_ID is filled with a fresh UUID: a dry run must not use up the job's own id.
        """
        ...

    def read_quote(self, response: Response) -> Quote | Fault:
        """Read what the dry run says."""
        ...


class Balances(Protocol):
    """Offered with Feature.BALANCE: what the account has left."""

    def balance_request(self) -> Request:
        """Return the request that asks for the balance; CLIENT_ID stands for a fresh UUID."""
        ...

    def read_balance(self, response: Response) -> Charge | Fault:
        """Read what is left, in USD or in the provider's own unit."""
        ...


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return how long to wait, in seconds and at most 300, where the reply says it."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value, re.ASCII):
        return min(float(value), RETRY_AFTER_MAX_S)
    # The date form is read against the reply's own Date: this code has no clock.
    try:
        until = parsedate_to_datetime(value)
        wait = (until - parsedate_to_datetime(headers.get("date", ""))).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(wait, 0.0), RETRY_AFTER_MAX_S)


def plain(request: Request) -> dict[str, Any]:
    """Return a request as plain data: what the ledger stores and `show` prints."""
    part = request.part
    return {
        "method": request.method,
        "path": request.path,
        "host": request.host,
        "headers": dict(request.headers),
        "body": request.body,
        "part": part
        and {"name": part.name, "filename": part.filename, "content_type": part.content_type},
        "content": request.content,
        "fields": dict(request.fields),
    }
