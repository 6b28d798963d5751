"""Core statements compiled once and handed to the driver: for what is done for every job or item.

Measured on SQLite: a statement through `Connection.execute` costs about ten times what SQLite
itself needs for it. The statement stays portable; only its way to the driver is shorter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Dialect, Executable, MetaData
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.schema import CreateIndex, CreateTable, ExecutableDDLElement

Values = Mapping[str, Any]


class Clashed(Exception):  # noqa: N818 - what a constraint of a table has to say
    """What was to be written contradicts what is there."""


@dataclass(frozen=True, slots=True)
class _Compiled:
    text: str
    names: tuple[str, ...]
    in_order: Callable[[Values], Any]
    """Takes the values of these names out of others, as a tuple; there are two or more."""
    constants: Values
    positional: bool

    def arguments(self, values: Values) -> Any:
        """Return the values as this driver wants them."""
        known = {**self.constants, **values}
        if self.positional:
            return self.in_order(known) if len(self.names) > 1 else [known[n] for n in self.names]
        return {name: known[name] for name in self.names}


def execute(connection: Connection, statement: Executable, values: Values) -> DBAPICursor:
    """Execute a statement with the values of its parameters; Clashed if a constraint forbids it."""
    compiled = _compile(statement, connection.dialect)
    cursor: DBAPICursor = connection.connection.cursor()
    try:
        cursor.execute(compiled.text, compiled.arguments(values))
    except connection.dialect.loaded_dbapi.IntegrityError as clash:
        raise Clashed(str(clash)) from clash
    return cursor


def execute_many(connection: Connection, statement: Executable, rows: Iterable[Values]) -> None:
    """Execute a statement once for each of the rows; Clashed if a constraint forbids one."""
    compiled = _compile(statement, connection.dialect)
    cursor: DBAPICursor = connection.connection.cursor()
    try:
        cursor.executemany(compiled.text, [compiled.arguments(values) for values in rows])
    except connection.dialect.loaded_dbapi.IntegrityError as clash:
        raise Clashed(str(clash)) from clash


def create_tables(connection: Connection, declared: MetaData) -> None:
    """Create all tables with their indexes in an empty database.

    Measured: `MetaData.create_all` compiles anew each time and asks for each table whether it is
    there, which was half of what it took to open a new ledger.
    """
    for definition in _definitions(declared, connection.dialect):
        connection.exec_driver_sql(definition)


@cache
def _definitions(declared: MetaData, dialect: Dialect) -> tuple[str, ...]:
    tables = declared.sorted_tables
    indexes = sorted(
        (each for table in tables for each in table.indexes), key=lambda i: str(i.name)
    )
    statements: list[ExecutableDDLElement] = [*map(CreateTable, tables), *map(CreateIndex, indexes)]
    return tuple(str(statement.compile(dialect=dialect)) for statement in statements)


@lru_cache(maxsize=256)
def _compile(statement: Executable, dialect: Dialect) -> _Compiled:
    # All statements that come here are constants of their modules: few, and alive for good.
    compiled: Any = statement.compile(dialect=dialect)  # type: ignore[attr-defined]
    names = compiled.positiontup if compiled.positional else list(compiled.params)
    in_order = itemgetter(*(names or [""]))
    return _Compiled(
        compiled.string, tuple(names), in_order, dict(compiled.params), compiled.positional
    )
