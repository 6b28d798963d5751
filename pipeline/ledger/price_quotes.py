"""Prices that a provider named itself by a dry run: each is an estimate, and what is set aside.

A quote stands for all items of one provider, model, kind, mode and length. After a day it is
forgotten: the provider is asked again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal

from sqlalchemy import Connection, select

from pipeline.domain.item import Alike
from pipeline.ledger.connection import upsert
from pipeline.ledger.sql_schema import micro, price_quotes, usd

LIFETIME_S = 86_400.0
_NO_LENGTH = -1.0
"""Stands for a length that nobody knows: a part of a primary key cannot be null."""
_CLASS = ("provider", "model", "kind", "mode")


def fresh_quotes(connection: Connection, *, now: float) -> dict[Alike, Decimal]:
    """Return the quotes of the last day, in USD."""
    query = select(price_quotes).where(price_quotes.c.at > now - LIFETIME_S)
    found: dict[Alike, Decimal] = {}
    for row in connection.execute(query).mappings():
        seconds = None if row["seconds"] == _NO_LENGTH else row["seconds"]
        alike = (row["provider"], row["model"], row["kind"], row["mode"], seconds)
        found[alike] = usd(row["microusd"])
    return found


def record_quotes(
    connection: Connection, *, quotes: Iterable[tuple[Alike, Decimal]], at: float
) -> None:
    """Remember quotes, instead of earlier ones of the same items."""
    for (*names, seconds), told_usd in quotes:
        own: Mapping[str, object] = {
            **dict(zip(_CLASS, names, strict=True)),
            "seconds": _NO_LENGTH if seconds is None else float(seconds),
        }
        known = {"microusd": micro(told_usd), "at": at}
        statement = upsert(price_quotes).values({**own, **known})
        connection.execute(
            statement.on_conflict_do_update(
                index_elements=list(own), set_={name: statement.excluded[name] for name in known}
            )
        )
