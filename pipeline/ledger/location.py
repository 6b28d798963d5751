"""Where the ledger of a root is: in the root itself, or on the server that it was told of.

A root remembers its server in a file, so that no command takes it for one without a ledger.
"""

from __future__ import annotations

import re
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import parse_qsl, urlsplit

from pipeline.errors import RootRefused
from pipeline.ledger.connection import LedgerDatabase
from pipeline.ledger.move_record import find_departure
from pipeline.ledger.postgresql import PostgresqlSchema
from pipeline.ledger.root_lock import LEDGER
from pipeline.ledger.sqlite import SqliteFile
from pipeline.storage.fs import STATE_FOLDER, replace_file, sync, writing

SERVER = "ledger-url"
"""The file below `.callsheet` in which a root remembers where its ledger is."""
_SCHEMES = frozenset({"postgresql", "postgres"})
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,39}")
_PASSWORDS = frozenset({"password", "sslpassword", "oauth_client_secret"})


@dataclass(frozen=True, slots=True)
class UrlFault:
    """What is wrong with the URL of a ledger: a finding without its place."""

    slug: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class LedgerLocation:
    """A root, and the URL of its ledger where it is told; without one the root itself knows."""

    root: Path
    url: str = ""

    @classmethod
    def of(cls, root: Where) -> Self:
        """Return where the ledger of a root is, which may be told already."""
        return cls(root.root, root.url) if isinstance(root, LedgerLocation) else cls(root)

    @property
    def database(self) -> LedgerDatabase:
        """Return the database of the ledger; RootRefused where the root knows another one."""
        file, known = SqliteFile(self.root / STATE_FOLDER / LEDGER), read_server(self.root)
        if known and url_fault(known) is not None:
            fault = f"{self.root / STATE_FOLDER / SERVER} does not hold the URL of a ledger"
            raise RootRefused(f"{fault}: write it anew, without a password")
        if not self.url:
            return PostgresqlSchema(known) if known else file
        if known not in {"", self.url} and _departure_place(known) != self.url:
            raise RootRefused(
                f"{self.root} has its ledger at {known}, not at {self.url}: each of them would buy"
                f" what the other has. `callsheet ledger move {known} {self.url}` moves it"
            )
        if not file.is_empty():
            raise RootRefused(
                f"{self.root} has a ledger of its own, {file}: what it knows would be bought again."
                f" `callsheet ledger move {self.root} {self.url}` moves it to the server"
            )
        return PostgresqlSchema(self.url)

    def __str__(self) -> str:
        return self.url or read_server(self.root) or str(self.root)

    def remember(self) -> None:
        """Let the root know the URL, where it was told one."""
        if self.url and read_server(self.root) != self.url:
            remember_server(self.root, self.url)


Where = Path | LedgerLocation
"""A root whose ledger is where the root says, or one whose ledger somebody told of."""


def database_of(root: Where) -> LedgerDatabase:
    """Return the database that the ledger of a root is in, or would be made in."""
    return LedgerLocation.of(root).database


def read_server(root: Path) -> str:
    """Return the URL of the server where a root has its ledger; empty where it has its own."""
    try:
        return (root / STATE_FOLDER / SERVER).read_text("utf-8").strip()
    except (FileNotFoundError, NotADirectoryError):
        return ""


def remember_server(root: Path, url: str) -> None:
    """Let a root know where its ledger is, durably."""
    file = root / STATE_FOLDER / SERVER
    with writing(file):
        replace_file(file, f"{url}\n".encode())


def _departure_place(url: str) -> str:
    """Return where the ledger at a URL says that it has moved; empty where it has not."""
    database = PostgresqlSchema(url)
    with (
        database.translate_errors(),
        closing(database.connect(readonly=True)) as connection,
        connection.begin(),
    ):
        gone = find_departure(connection)
    return gone.place if gone else ""


def forget_server(root: Path) -> None:
    """Let a root have its ledger in itself, durably."""
    file = root / STATE_FOLDER / SERVER
    with writing(file), suppress(FileNotFoundError):
        file.unlink()
        sync(file.parent)


def url_fault(url: str) -> UrlFault | None:
    """Return what is wrong with the URL of a ledger, None if nothing is."""
    shape = "it is written postgresql://USER@HOST/DATABASE"
    try:
        address = urlsplit(url)
        query = dict(parse_qsl(address.query, keep_blank_values=True))
        secret, _ = address.password, address.port
    except ValueError:
        # What the parser says of it quotes it, and part of it may be a password.
        return UrlFault(slug="bad-value", message="this is no URL of a ledger", hint=shape)
    if secret is not None or query.keys() & _PASSWORDS:
        return UrlFault(
            slug="password-in-url",
            message="the ledger's URL has a password in it, where everybody can read it",
            hint="take it out: put it into the file that PGPASSFILE names (~/.pgpass), or name a"
            " service by PGSERVICE",
        )
    if address.scheme not in _SCHEMES:
        said = "this is no URL of a PostgreSQL ledger"
        return UrlFault(slug="bad-value", message=said, hint=shape)
    schema = query.get("schema")
    if schema is not None and not _SCHEMA.fullmatch(schema):
        hint = "small letters, digits and _, 40 at most"
        said = f"{schema!r} is no name of a schema"
        return UrlFault(slug="bad-value", message=said, hint=hint)
    return None
