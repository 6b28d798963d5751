"""Adapters that are wrong on purpose: the conformance suite must catch each of them.

Each wraps a real adapter and breaks one promise; its docstring names the scenario that must turn
red. None of them is ever used outside the tests.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection, Generator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, cast

from pipeline.domain import Item, Media, Offer
from pipeline.domain.states import FaultKind
from pipeline.net.encoding import fill_placeholders
from pipeline.providers.base import (
    CLIENT_ID,
    Absent,
    Accepted,
    Done,
    Failed,
    Fault,
    Finds,
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


class Faithful:
    """A real adapter behind a wrapper: the control that the suite must pass."""

    def __init__(self, real: Provider) -> None:
        self.real = real

    @property
    def offer(self) -> Offer:
        """What the real adapter offers."""
        return self.real.offer

    def submit_request(self, item: Item, options: Mapping[str, Any]) -> Request:
        """Return the real request."""
        return self.real.submit_request(item, options)

    def read_submit(self, response: Response, client_id: str) -> Accepted | Fault:
        """Read the reply as the real adapter does."""
        return self.real.read_submit(response, client_id)

    def status_request(self, task: TaskRef) -> Request:
        """Return the real request."""
        return self.real.status_request(task)

    def read_status(self, task: TaskRef, response: Response) -> TaskState:
        """Read the reply as the real adapter does."""
        return self.real.read_status(task, response)

    def upload(self, media: Media) -> Generator[Request, Response, Uploaded | Fault]:
        """Upload as the real adapter does."""
        return cast("Uploads", self.real).upload(media)

    def find(
        self, client_id: str, request: Request, since: float, known: Collection[str] = ()
    ) -> Generator[Request, Response, Accepted | Absent | Fault]:
        """Look up as the real adapter does."""
        return cast("Finds", self.real).find(client_id, request, since, known)

    def quote_request(self, request: Request) -> Request:
        """Return the real dry run."""
        return cast("Quotes", self.real).quote_request(request)

    def read_quote(self, response: Response) -> Quote | Fault:
        """Read the price as the real adapter does."""
        return cast("Quotes", self.real).read_quote(response)


class PendsForever(Faithful):
    """Reads an unknown status word as running.

    Caught by *unknown status*: the word must be reported once, and the job must end `overdue` by
    its own deadline with the word in its message.
    """

    def read_status(self, task: TaskRef, response: Response) -> TaskState:
        """Take an unknown word for a known one."""
        state = super().read_status(task, response)
        return Pending() if isinstance(state, Unknown) else state


class FailsTheUnknown(Faithful):
    """Reads an unknown status word as a failure.

    Caught by *unknown status*: the task finishes at the sandbox and its clip must be on disk.
    """

    def read_status(self, task: TaskRef, response: Response) -> TaskState:
        """Take an unknown word for the end."""
        state = super().read_status(task, response)
        if not isinstance(state, Unknown):
            return state
        return Failed(fault=Fault(kind=FaultKind.PROVIDER, message=state.word, accepted=True))


class LeaksTheKey(Faithful):
    """Fetches the clip as if the result host were the provider's own.

    Caught by *happy* and *output elsewhere*: no request to the media origin may carry an
    Authorization header.
    """

    def read_status(self, task: TaskRef, response: Response) -> TaskState:
        """Name the API's host on the download, so that it is signed."""
        state = super().read_status(task, response)
        if not isinstance(state, Done):
            return state
        return replace(state, output=replace(state.output, host="api"))


class TrustsServerErrors(Faithful):
    """Takes a 500 for "busy, nothing was taken".

    Caught by *500 after acceptance*: bought a second time under another id; there must be exactly
    one task. (Only the `accepted` of its fault wrong would do no harm: the run knows that its kind
    proves nothing.)
    """

    def read_submit(self, response: Response, client_id: str) -> Accepted | Fault:
        """Turn a doubt into a wait."""
        found = super().read_submit(response, client_id)
        if isinstance(found, Fault) and response.status // 100 == 5:
            return replace(found, kind=FaultKind.CAPACITY, accepted=False)
        return found


class TrustsEmptyReplies(Faithful):
    """Takes a reply that cannot be read for a proof that nothing was taken.

    Caught by *truncated reply*: the sandbox has the task, so the item must not be failed.
    """

    def read_submit(self, response: Response, client_id: str) -> Accepted | Fault:
        """Turn the unreadable into a refusal."""
        found = super().read_submit(response, client_id)
        if isinstance(found, Fault) and found.kind is FaultKind.UNREADABLE:
            return replace(found, kind=FaultKind.REJECTED, accepted=False)
        return found


class FailsTheAbsent(Faithful):
    """Reads "no such task (yet)" as a lost task.

    Caught by *slow*: the first polls of a task that was just taken answer so (Runware's empty
    list, a 404 elsewhere), and its clip must be on disk all the same.
    """

    def read_status(self, task: TaskRef, response: Response) -> TaskState:
        """Take silence for failure."""
        state = super().read_status(task, response)
        if not isinstance(state, Absent):
            return state
        return Failed(fault=Fault(kind=FaultKind.LOST, message="gone", accepted=True))


class NewIdPerAttempt(Faithful):
    """Runware with a task id of its own each time a request is made.

    Caught by *happy*: the sandbox must know the task by the client id in the ledger; and by *reply
    dropped after acceptance*: there must be exactly one task per item.
    """

    def submit_request(self, item: Item, options: Mapping[str, Any]) -> Request:
        """Put a fresh id where the ledger's belongs."""
        request = super().submit_request(item, options)
        return fill_placeholders(request, {CLIENT_ID: str(uuid.uuid4())})

    def read_submit(self, response: Response, client_id: str) -> Accepted | Fault:
        """Believe whichever id the reply holds."""
        found = re.search(rb'"taskUUID":\s*"([0-9a-f-]{36})"', response.body)
        return super().read_submit(response, found.group(1).decode() if found else client_id)


class ForgetsTheCost(Faithful):
    """Runware without asking for the cost.

    Caught by the closed schema before any request; and by *happy*: what the ledger holds as
    charged must equal what the sandbox billed, and be marked as reported.
    """

    def submit_request(self, item: Item, options: Mapping[str, Any]) -> Request:
        """Leave `includeCost` out."""
        request = super().submit_request(item, options)
        task = {name: value for name, value in request.body[0].items() if name != "includeCost"}
        return replace(request, body=[task])


class ForgetsTheModel(Faithful):
    """Runware's pro model, whatever the mode.

    Caught by *happy* in std: the clip has 1080 pixels where 720 were asked for, the sandbox billed
    more than the plan's price.
    """

    def submit_request(self, item: Item, options: Mapping[str, Any]) -> Request:
        """Name one model for both modes."""
        request = super().submit_request(item, options)
        return replace(request, body=[{**request.body[0], "model": "klingai:kling@o1"}])


class LeavesDoubts(Faithful):
    """Takes Runware's duplicate of our own id for a refusal, and finds nothing in its archive.

    Caught by *reply dropped after acceptance*: the repeated submit, or the look-up after it, proves
    the acceptance, and the clip must be on disk; here the item stays in doubt while it is billed.
    """

    def read_submit(self, response: Response, client_id: str) -> Accepted | Fault:
        """Read a conflict as any other error."""
        if b"conflictTaskUUID" in response.body:
            return Fault(kind=FaultKind.REJECTED, message="conflict", accepted=False)
        return super().read_submit(response, client_id)

    def find(
        self, client_id: str, request: Request, since: float, known: Collection[str] = ()
    ) -> Generator[Request, Response, Accepted | Absent | Fault]:
        """Ask, and do not listen."""
        yield from super().find(client_id, request, since, known)
        return Absent()


class ReadsStatusAlone(Faithful):
    """Unifically by its HTTP status, without the body's `success`.

    Caught by *no credit*: it is told under HTTP 200, and must stop the lane instead of leaving
    every item in doubt.
    """

    def read_submit(self, response: Response, client_id: str) -> Accepted | Fault:
        """Take HTTP 200 for a yes that lost its id."""
        if response.status // 100 == 2 and b'"success":false' in response.body:
            return Fault(kind=FaultKind.UNREADABLE, message="no id", accepted=None)
        return super().read_submit(response, client_id)


class PollsPastFailure(Faithful):
    """Unifically's failed task, told by HTTP 400, read as our own bad request.

    Caught by *refusal*: the item must be failed by its cause, not overdue.
    """

    def read_status(self, task: TaskRef, response: Response) -> TaskState:
        """Keep asking for a task that has failed."""
        if response.status == 400:
            return Fault(kind=FaultKind.REJECTED, message="bad request")
        return super().read_status(task, response)


class BuysADryRun(Faithful):
    """Unifically with every purchase marked as a dry run.

    Caught by the closed schema before any request; and by *happy*: a task must exist.
    """

    def submit_request(self, item: Item, options: Mapping[str, Any]) -> Request:
        """Mark the purchase."""
        return self.quote_request(super().submit_request(item, options))


class ForgetsTheKey(Faithful):
    """APIMart without its `Idempotency-Key`.

    Caught by *reply dropped after acceptance*: the repeat buys a second task.
    """

    def submit_request(self, item: Item, options: Mapping[str, Any]) -> Request:
        """Leave the header out."""
        return replace(super().submit_request(item, options), headers={})


class TakesBusyForNo(Faithful):
    """Takes APIMart's 409 "still being handled" for a refusal.

    Caught by *reply dropped early*: the repeat meets the first request, which goes on to make a
    task; the item must not stay in doubt, be planned anew or failed. (Only the `accepted` of its
    fault wrong would do no harm: the run knows that its kind proves nothing.)
    """

    def read_submit(self, response: Response, client_id: str) -> Accepted | Fault:
        """Read every 409 as a proof that nothing was taken."""
        found = super().read_submit(response, client_id)
        if isinstance(found, Fault) and response.status == 409:
            return replace(found, kind=FaultKind.REJECTED, accepted=False)
        return found


class QuotesTheSeconds(Faithful):
    """APIMart with the seconds as text.

    Caught by the closed schema before any request; and by *happy*: the sandbox refuses it.
    """

    def submit_request(self, item: Item, options: Mapping[str, Any]) -> Request:
        """Quote the number."""
        request = super().submit_request(item, options)
        seconds = str(request.body.get("duration"))
        return replace(request, body={**request.body, "duration": seconds})


class SwapsTheFrames(Faithful):
    """EvoLink with the last frame first.

    Caught by *happy* with two frames: the clip's first picture must be the first frame's.
    """

    def submit_request(self, item: Item, options: Mapping[str, Any]) -> Request:
        """Turn the list around."""
        request = super().submit_request(item, options)
        urls = request.body.get("image_urls", [])
        return replace(request, body={**request.body, "image_urls": urls[::-1]})


class ReadsNumbers(Faithful):
    """inference.sh by its status number, in the older numbering.

    Caught by *happy*: 10 is completed today and was failed then.
    """

    def read_status(self, task: TaskRef, response: Response) -> TaskState:
        """Believe 10 to be a failure."""
        if b'"status":10,' in response.body:
            return Failed(fault=Fault(kind=FaultKind.PROVIDER, message="10", accepted=True))
        return super().read_status(task, response)


class HandsOutTwice(Faithful):
    """inference.sh's listing without regard to whose task it is.

    Caught by *twins*: two doubts with one prompt would claim one task, which the ledger refuses;
    one paid clip would be lost.
    """

    def find(
        self, client_id: str, request: Request, since: float, known: Collection[str] = ()
    ) -> Generator[Request, Response, Accepted | Absent | Fault]:
        """Forget what is known."""
        del known
        return super().find(client_id, request, since)


_ANY = (PendsForever, FailsTheUnknown, LeaksTheKey, TrustsEmptyReplies)
# Where a provider knows ids the run sends again under the same one: there it does no harm.
_WITHOUT_IDS = (*_ANY, TrustsServerErrors)

BROKEN: Mapping[str, tuple[type[Faithful], ...]] = MappingProxyType(
    {
        "apimart": (
            *_ANY,
            FailsTheAbsent,
            ForgetsTheKey,
            TakesBusyForNo,
            QuotesTheSeconds,
        ),
        "evolink": (*_WITHOUT_IDS, FailsTheAbsent, SwapsTheFrames),
        "inference": (*_WITHOUT_IDS, FailsTheAbsent, ReadsNumbers, HandsOutTwice),
        "runware": (
            *_ANY,
            FailsTheAbsent,
            NewIdPerAttempt,
            ForgetsTheCost,
            ForgetsTheModel,
            LeavesDoubts,
        ),
        "unifically": (
            *_WITHOUT_IDS,
            FailsTheAbsent,
            ReadsStatusAlone,
            PollsPastFailure,
            BuysADryRun,
        ),
    }
)
"""By provider: the suite must fail for each of these around it, and pass for `Faithful`."""
