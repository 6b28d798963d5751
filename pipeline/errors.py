"""Every exception this package raises on purpose.

CallsheetError
├── InvalidInput        manifest, table, media or command line are wrong; nothing was sent
├── MediaFault          one file cannot be used; becomes a finding at the place that names it
├── TemplateFault       one template cannot be rendered for one row; becomes a finding
├── LedgerInUse         another process holds this root
├── LedgerDamaged       the ledger file cannot be trusted
│   └── LedgerLost      it is gone or empty, and something shows that there was one
├── LeaseLost           another process went on with what this one had: it writes nothing more
├── LedgerMoved         the ledger has gone to another database, or has not yet arrived
├── LockRefused         the lock file has not got what is asked for, or another clip of it
├── RootRefused         the root is a copy, or a rehearsal's where a real one is meant
├── Unusable            the machine does not allow it: disk full, read-only root
├── WorkerLost          a process that looks into clips ended several times without an answer
├── Undecidable         what a person decided does not fit how the item stands
└── TransportFault
    ├── NotSent         proven: no byte of the request left this machine
    │   └── NotInTime   it was not sent, for it might have been sent by somebody else by now
    ├── NoReply         the request may have arrived; the outcome is unknown
    ├── UnreadableReply a reply came: too large, or coded in a way nobody asked for
    ├── TooSlow         nothing came for too long, or too little
    └── Forbidden       our own rules refuse it (address, scheme, size): repeating it is useless

A fault of a provider is a value (`providers.base.Fault`), not an exception.
"""

from __future__ import annotations

import copyreg
from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.findings import Finding, Span


class CallsheetError(Exception):
    """Base of all exceptions that a caller may want to catch; its text says what to do.

    All that is known of it goes along where it is raised in another process.
    """

    def __reduce__(self) -> tuple[Any, ...]:
        """Have it made anew from its parts: most are not made from their text alone."""
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]


class InvalidInput(CallsheetError):  # noqa: N818 - named for what it says, as in the tree above
    """The input has findings; nothing was sent and nothing was paid."""

    def __init__(
        self, findings: Iterable[Finding], sources: Mapping[str, str] | None = None
    ) -> None:
        self.findings = tuple(findings)
        self.sources = sources or {}
        """Texts to quote from, by file name, without what must not be shown."""
        super().__init__(f"{len(self.findings)} findings")


class MediaFault(CallsheetError):  # noqa: N818
    """One media file cannot be used: a slug, what is wrong, and what to do."""

    def __init__(self, slug: str, message: str, hint: str = "") -> None:
        self.slug = slug
        self.message = message
        self.hint = hint
        super().__init__(message)


class TemplateFault(CallsheetError):  # noqa: N818
    """One template cannot be rendered with the values given."""

    def __init__(self, slug: str, message: str, span: Span, hint: str = "") -> None:
        self.slug = slug
        self.message = message
        self.span = span
        self.hint = hint
        super().__init__(message)


class LedgerInUse(CallsheetError):  # noqa: N818
    """Another process works in this root; the text names its pid, host and start."""


class LedgerDamaged(CallsheetError):  # noqa: N818
    """The ledger cannot be read or does not hold together."""


class LedgerLost(LedgerDamaged):
    """The ledger is gone or empty, and something shows that there was one."""


class LeaseLost(CallsheetError):  # noqa: N818
    """Another process went on with what this one worked on, since it had been silent for long."""


class LedgerMoved(CallsheetError):  # noqa: N818
    """The ledger has gone to another database, or has not arrived there yet; the text says where.

    Nothing is bought by it.
    """


class RootRefused(CallsheetError):  # noqa: N818
    """The root is a copy, or of the other kind; the text says which one to use."""


class LockRefused(CallsheetError):  # noqa: N818
    """The lock file has not got what is asked for; the text says what differs."""


class Unusable(CallsheetError):  # noqa: N818
    """The machine does not allow it (disk, rights, clock); the text says what to do."""


class WorkerLost(CallsheetError):  # noqa: N818
    """A worker process ended without an answer, and so did those started in its place."""


class Undecidable(CallsheetError):  # noqa: N818
    """A person's word does not fit how the item stands."""


class TransportFault(CallsheetError):  # noqa: N818
    """A request brought no reply."""


class NotSent(TransportFault):
    """Proven: no byte of the request left this machine, so it may be sent again."""


class NotInTime(NotSent):
    """Nothing was sent: by now somebody else may have sent it."""


class NoReply(TransportFault):
    """The request may have arrived: a paid one is in doubt."""


class UnreadableReply(TransportFault):
    """A reply came whose body cannot be had: too large, coded twice, no whole gzip."""


class TooSlow(TransportFault):
    """The other side sends nothing for too long, or too little to wait for its end."""


class Forbidden(TransportFault):
    """Our own rules refuse the request: a foreign or private address, plain http, too large."""
