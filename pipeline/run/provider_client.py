"""A provider as a run speaks to it: the one door around every call into an adapter.

An adapter may come from anywhere. What it raises, or returns that is none of what it may return,
becomes a Fault of the one job it was asked for, and names the adapter; after a submit that is a
doubt. It never ends the run, nor another provider's lane.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Generator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast
from uuid import uuid4

from pipeline.domain import EMPTY, Media, Offer
from pipeline.domain.states import FaultKind
from pipeline.errors import Forbidden, NotSent, TransportFault, UnreadableReply
from pipeline.net.client import Transport
from pipeline.net.encoding import fill_placeholders
from pipeline.net.lane import Lane
from pipeline.providers.base import (
    CLIENT_ID,
    Absent,
    Accepted,
    Balances,
    Charge,
    Done,
    Failed,
    Fault,
    Finds,
    Groups,
    Pending,
    Provider,
    Quote,
    Quotes,
    Request,
    Response,
    TaskRef,
    TaskState,
    Unknown,
    Uploaded,
    Uploads,
)

T = TypeVar("T")
_Types = tuple[type, ...]
_SUBMITTED: _Types = (Accepted, Fault)
_STATES: _Types = (Pending, Done, Failed, Unknown, Absent, Fault)
_FOUND: _Types = (Accepted, Absent, Fault)
_PARTS: _Types = (Mapping, type(None))
_REFUSALS = 300
_SERVER_ERRORS = 500
_ABOUT_ASKING = frozenset({401, 429})
"""Statuses that say the same of every task of a question, as do all of the server's errors."""


class ProviderClient:
    """One provider's adapter over one lane; each method is one exchange, or one short talk."""

    def __init__(self, provider: Provider, lane: Lane, transport: Transport) -> None:
        self.provider = provider
        self.lane = lane
        self._transport = transport
        self.offer: Offer = provider.offer

    async def submit(
        self,
        request: Request,
        client_id: str,
        *,
        headers: Mapping[str, str] = EMPTY,
        may_send: Callable[[], bool] = lambda: True,
        arrived: Callable[[], None] = lambda: None,
    ) -> Accepted | Fault | NotSent:
        """Send a request that buys, once; a reply that is lost or unreadable is a Fault.

        `may_send` is asked right before it leaves; `arrived` is called between the reply and its
        reading.
        """
        try:
            reply = await self._transport.submit(self.lane, request, headers, may_send=may_send)
        except NotSent as never:
            return never
        except TransportFault as lost:
            return Fault(kind=FaultKind.UNAVAILABLE, message=str(lost), accepted=None)
        arrived()
        reading = partial(self.provider.read_submit, reply, client_id)
        return self._ask("read_submit", reading, _SUBMITTED)

    async def status(self, task: TaskRef) -> TaskState:
        """Ask for a task, once."""
        request = self._ask(
            "status_request", partial(self.provider.status_request, task), (Request,)
        )
        if isinstance(request, Fault):
            return request
        try:
            reply = await self._transport.send(self.lane, request)
        except UnreadableReply as garbled:
            return Fault(kind=FaultKind.UNREADABLE, message=str(garbled))
        except TransportFault as lost:
            return Fault(kind=FaultKind.UNAVAILABLE, message=str(lost))
        return self._ask("read_status", partial(self.provider.read_status, task, reply), _STATES)

    async def statuses(self, tasks: Sequence[TaskRef]) -> Mapping[str, TaskState] | None:
        """Ask for several tasks, once; return how each stands, by task.

        None where the reply does not tell that of each: then they are asked for alone.
        """
        provider = cast("Groups", self.provider)
        request = self._ask(
            "group_status_request", lambda: provider.group_status_request(tasks), (Request,)
        )
        if isinstance(request, Fault):
            return None
        try:
            reply = await self._transport.send(self.lane, request)
        except UnreadableReply:
            return None
        except TransportFault as lost:
            fault = Fault(kind=FaultKind.UNAVAILABLE, message=str(lost))
            return {task.task: fault for task in tasks}
        parts: Mapping[str, Response] | Fault | None
        if reply.status in _ABOUT_ASKING or reply.status >= _SERVER_ERRORS:
            parts = {task.task: reply for task in tasks}
        elif reply.status >= _REFUSALS:
            return None
        else:
            parts = self._ask("split_status", lambda: provider.split_status(tasks, reply), _PARTS)
        if not isinstance(parts, Mapping) or not {each.task for each in tasks} <= parts.keys():
            return None
        return {
            task.task: self._ask(
                "read_status", partial(self.provider.read_status, task, parts[task.task]), _STATES
            )
            for task in tasks
        }

    async def find(
        self, client_id: str, request: Request, *, since: float, known: Collection[str]
    ) -> Accepted | Absent | Fault:
        """Ask for the task of a purchase that was sent; absence proves nothing."""
        provider = cast("Finds", self.provider)

        def begin() -> Generator[Request, Response, Accepted | Absent | Fault]:
            return provider.find(client_id, request, since, known)

        try:
            send = partial(self._transport.send, self.lane)
            return await self._talk("find", begin, send, _FOUND)
        except TransportFault as lost:
            return Fault(kind=FaultKind.UNAVAILABLE, message=str(lost), accepted=None)

    async def upload(
        self, media: Media, content: Path, content_type: str, *, new_id: Callable[[], str]
    ) -> Uploaded | Fault:
        """Go through an upload from its first step.

        It buys nothing: each of its steps has an id that is never used again.
        """
        provider = cast("Uploads", self.provider)
        put = partial(self._transport.send, self.lane, content=content, content_type=content_type)

        def send(request: Request) -> Awaitable[Response]:
            return put(fill_placeholders(request, {CLIENT_ID: new_id()}))

        try:
            begin = lambda: provider.upload(media)  # noqa: E731 - it may have none
            return await self._talk("upload", begin, send, (Uploaded, Fault))
        except Forbidden as exc:
            return Fault(kind=FaultKind.REJECTED, message=str(exc), code="forbidden-link")
        except TransportFault as exc:
            return Fault(kind=FaultKind.UNAVAILABLE, message=str(exc))

    async def quote(self, request: Request, places: Mapping[str, str]) -> Quote | Fault:
        """Ask for the provider's own dry run of a request."""
        quotes = cast("Quotes", self.provider)
        # A dry run must not use up an id that a purchase may want.
        ids = {**places, CLIENT_ID: str(uuid4())}
        reply = await self._exchange(
            "quote_request", lambda: fill_placeholders(quotes.quote_request(request), ids)
        )
        if isinstance(reply, Fault):
            return reply
        return self._ask("read_quote", partial(quotes.read_quote, reply), (Quote, Fault))

    async def balance(
        self, *, arrived: Callable[[Response], None] = lambda _: None
    ) -> Charge | Fault:
        """Ask for what the account has left; `arrived` is called with the reply, unread."""
        balances = cast("Balances", self.provider)
        ids = {CLIENT_ID: str(uuid4())}
        reply = await self._exchange(
            "balance_request", lambda: fill_placeholders(balances.balance_request(), ids)
        )
        if isinstance(reply, Fault):
            return reply
        arrived(reply)
        return self._ask("read_balance", partial(balances.read_balance, reply), (Charge, Fault))

    async def _exchange(self, name: str, ask: Callable[[], Request]) -> Response | Fault:
        """Send what an adapter asks, once; a reply that does not come is a Fault."""
        request = self._ask(name, ask, (Request,))
        if isinstance(request, Fault):
            return request
        try:
            return await self._transport.send(self.lane, request)
        except TransportFault as lost:
            return Fault(kind=FaultKind.UNAVAILABLE, message=str(lost))

    def _ask(self, name: str, call: Callable[[], T], may_return: _Types) -> T | Fault:
        """Return what an adapter's function returns, or the Fault that it broke."""
        try:
            result = call()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this one job's
            return self._broken(name, f"{type(error).__name__}: {error}")
        return self._check_type(name, result, may_return)

    def _check_type(self, name: str, result: T, may_return: _Types) -> T | Fault:
        # None for a submit's reply would leave the job where it may be sent once more.
        if isinstance(result, may_return):
            return result
        return self._broken(name, f"it returned {type(result).__name__}")

    async def _talk(
        self,
        name: str,
        begin: Callable[[], Generator[Request, Response, T]],
        send: Callable[[Request], Awaitable[Response]],
        may_return: _Types,
    ) -> T | Fault:
        """Send what an adapter's generator yields, one after another; return what it returns."""
        reply: Any = None
        steps: Generator[Request, Any, T] | None = None
        while True:
            try:
                steps = steps or begin()
                request = steps.send(reply)
                sending = send(request)
            except StopIteration as end:
                return self._check_type(name, end.value, may_return)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is this one job's
                return self._broken(name, f"{type(error).__name__}: {error}")
            # Outside the `try`: what the network does is no fault of the adapter's.
            reply = await sending

    def _broken(self, name: str, what: str) -> Fault:
        who = self.offer.provider
        message = f"the adapter of {who} broke in {name}: {what}"
        return Fault(kind=FaultKind.UNREADABLE, message=message, accepted=None)
