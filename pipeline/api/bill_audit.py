"""A provider's bill held against the ledger: charged and not made, made and not charged, wrong sum.

A bill is a CSV file whose columns the person names. Lines of one task are added up, so that a
refund takes back what it refunds. A bill without task ids is compared by its sums per day (UTC),
and only by them: nothing can be said of single clips then.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

from pipeline.api.campaign_request import COMMAND_LINE, usage
from pipeline.domain.accounts import DEFAULT
from pipeline.domain.money import exact_usd
from pipeline.errors import InvalidInput
from pipeline.findings import Finding, Span, did_you_mean
from pipeline.ledger.location import LedgerLocation, Where
from pipeline.ledger.paid_tasks import PaidTask
from pipeline.ledger.repository import Ledger
from pipeline.manifest import contents
from pipeline.manifest.layers import reason_of, slug_of
from pipeline.manifest.tables.csv_reader import Sheet, decode_table, read_sheet

_COLUMNS = ("task", "amount", "date")
_AMOUNT = re.compile(r"([+-]?)\$?\s?([0-9]{1,9}(?:\.[0-9]{1,12})?)(?:\s?(?:USD|\$))?", re.ASCII)
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_MOST_FINDINGS = 20


class DifferenceKind(StrEnum):
    """What a bill and the ledger can disagree about."""

    NOT_MADE = "charged and not made"
    NOT_CHARGED = "made and not charged"
    WRONG_SUM = "wrong sum"
    DAY = "another sum on this day"


@dataclass(frozen=True, slots=True, kw_only=True)
class BillDifference:
    """One thing that a bill and the ledger say differently."""

    kind: DifferenceKind
    what: str
    """The task, or the day."""
    address: str = ""
    billed_usd: Decimal
    booked_usd: Decimal
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BillAudit:
    """What holding a bill against the ledger came to."""

    differences: Sequence[BillDifference]
    compared: int
    """Tasks, or days."""
    by_day: bool
    billed_usd: Decimal
    booked_usd: Decimal
    under_way: int = 0
    """Tasks of the bill that have not ended: they are compared once they have."""
    unnamed: int = 0
    """Purchases of the bill's days that may have become a task nobody knows."""

    def lines(self) -> Iterator[str]:
        """Yield each difference in a line, and then what the whole comparison came to."""
        for each in self.differences:
            what = f"{each.what}, {each.address}" if each.address else each.what
            sums = _sums_text(each.billed_usd, each.booked_usd)
            yield f"{each.kind}: {what}: {sums}{'; ' if each.note else ''}{each.note}"
        what, sums = (
            "days" if self.by_day else "tasks",
            _sums_text(self.billed_usd, self.booked_usd),
        )
        if self.under_way:
            yield f"{self.under_way} of the bill have not ended here: not compared"
        if self.unnamed:
            yield (
                f"{self.unnamed} sent in these days have no known task: what the bill has and the"
                " ledger has not may be theirs"
            )
        if self.by_day:
            yield "without task ids only the sums of each day (UTC) were compared"
        if self.differences:
            yield f"{len(self.differences)} differ, of {self.compared} {what}; {sums}"
        else:
            yield f"the bill and the ledger agree: {self.compared} {what}, {sums}"


def _sums_text(billed_usd: Decimal, booked_usd: Decimal) -> str:
    return f"{exact_usd(billed_usd)} USD billed, {exact_usd(booked_usd)} USD booked"


@dataclass(frozen=True, slots=True, kw_only=True)
class _BillLine:
    """One line of a bill."""

    amount: Decimal
    task: str = ""
    day: date | None = None


@dataclass(slots=True)
class _Sum:
    """What several lines of a bill come to, and by how much their rounding may be off."""

    amount: Decimal = Decimal(0)
    lines: int = 0

    def add(self, amount: Decimal) -> None:
        """Count one line."""
        self.amount += amount
        self.lines += 1

    def is_off(self, booked: Decimal, unit: Decimal) -> bool:
        """Tell whether another sum was booked, beyond what rounding each line explains."""
        return abs(self.amount - booked) > unit / 2 * max(1, self.lines)


def audit_bill(
    root: Where, bill: Path, columns: Sequence[str], *, provider: str = "", account: str = ""
) -> BillAudit:
    """Return how a bill and the root's ledger differ; nothing is written.

        audit_bill(Path("outputs"), Path("november.csv"), ["task=Task ID,amount=Cost (USD)"])

    `account` is whose bill it is where a provider has several; `default` is the one without a
    name. InvalidInput where the bill cannot be read, or where nobody can tell whose it is.
    """
    lines = _read_bill(bill, _column_names(columns))
    ledger = Ledger.reader(root)
    if ledger is None:
        raise usage(f"there is no ledger in {LedgerLocation.of(root).root}: nothing was run there")
    with ledger:
        paid = ledger.paid_tasks()
    _require_known("--provider", provider, {each.provider for each in paid})
    provider = provider or _provider_of(lines, paid)
    own = [each for each in paid if each.provider == provider]
    _require_known("--account", account, {each.account or DEFAULT for each in own})
    if account:
        own = [each for each in own if (each.account or DEFAULT) == account]
    return _by_task(lines, own) if any(line.task for line in lines) else _by_day(lines, own)


def _require_known(option: str, given: str, known: Collection[str]) -> None:
    """Raise InvalidInput for a name that the ledger has not: a slip is no bill that differs."""
    if given and given not in known:
        hint = did_you_mean(given, sorted(known)) or f"there are: {', '.join(sorted(known))}"
        raise usage(f"{option}: the ledger has no purchase from {given!r}", hint)


def _provider_of(lines: Sequence[_BillLine], paid: Sequence[PaidTask]) -> str:
    """Return whose bill it is, by the tasks it names; by the ledger if that has one provider."""
    tasks = {line.task for line in lines} - {""}
    found = {each.provider for each in paid if each.task in tasks}
    found = found or {each.provider for each in paid}
    if len(found) != 1:
        known = ", ".join(sorted(found)) or "none"
        raise usage("nothing in the bill tells whose it is", f"say --provider, one of: {known}")
    return found.pop()


def _by_task(lines: Sequence[_BillLine], paid: Sequence[PaidTask]) -> BillAudit:
    """Compare task by task, within the days that the bill is about."""
    billed: dict[str, _Sum] = defaultdict(_Sum)
    for line in lines:
        billed[line.task].add(line.amount)
    known = {each.task: each for each in paid if each.task}
    days = {line.day for line in lines if line.day}
    days = days or {known[task].at.date() for task in billed if task in known}
    meant = [each for each in paid if days and min(days) <= each.at.date() <= max(days)]
    tasks = {each.task for each in meant if each.task}
    # Taken before midnight, and billed after it.
    beside = [known[task] for task in billed.keys() - tasks if task in known]
    unit = _unit(lines)
    found = list(_billed_differences(billed, known, unit))
    found += [
        BillDifference(
            kind=DifferenceKind.NOT_CHARGED,
            what=each.task,
            address=each.address,
            billed_usd=Decimal(0),
            booked_usd=each.charged_usd,
            note=_source_note(each),
        )
        for each in meant
        if each.task and each.is_made and each.charged_usd and each.task not in billed
    ]
    return BillAudit(
        differences=found,
        compared=len(billed.keys() | tasks),
        by_day=False,
        billed_usd=sum((each.amount for each in billed.values()), Decimal(0)),
        booked_usd=sum((each.charged_usd for each in [*meant, *beside]), Decimal(0)),
        under_way=sum(task in billed and not each.has_ended for task, each in known.items()),
        unnamed=sum(not each.task for each in meant),
    )


def _billed_differences(
    billed: Mapping[str, _Sum], known: Mapping[str, PaidTask], unit: Decimal
) -> Iterator[BillDifference]:
    """Yield what is wrong with the tasks that the bill names, in its order."""
    for task, told in billed.items():
        each = known.get(task)
        if each is None:
            # Charged and paid back in full: there is nothing to look for.
            if told.amount:
                yield BillDifference(
                    kind=DifferenceKind.NOT_MADE,
                    what=task or "(a line without a task)",
                    billed_usd=told.amount,
                    booked_usd=Decimal(0),
                    note="no purchase of this ledger is that task",
                )
            continue
        if not each.has_ended or not told.is_off(each.charged_usd, unit):
            continue
        note = _source_note(each)
        if not each.is_made:
            note = "it failed" if each.outcome == "failed" else f"it was {each.outcome}"
            if each.possible_usd:
                note += f", and {exact_usd(each.possible_usd)} USD is booked as possible"
        yield BillDifference(
            kind=DifferenceKind.WRONG_SUM if each.is_made else DifferenceKind.NOT_MADE,
            what=task,
            address=each.address,
            billed_usd=told.amount,
            booked_usd=each.charged_usd,
            note=note,
        )


def _by_day(lines: Sequence[_BillLine], paid: Sequence[PaidTask]) -> BillAudit:
    """Compare the sums of each day that the bill is about."""
    billed: dict[date, _Sum] = defaultdict(_Sum)
    for line in lines:
        if line.day is None:
            raise usage(
                "a bill without task ids is compared by its days",
                "name its column of dates: --columns date=…,amount=…",
            )
        billed[line.day].add(line.amount)
    booked: dict[date, Decimal] = defaultdict(Decimal)
    possible: dict[date, Decimal] = defaultdict(Decimal)
    for each in paid:
        day = each.at.date()
        if min(billed) <= day <= max(billed):
            booked[day] += each.charged_usd
            # What is still reserved may be in the bill already.
            possible[day] += each.possible_usd + each.reserved_usd
    unit, found = _unit(lines), list[BillDifference]()
    # Also days that only the ledger has: the bill says nought of them.
    for day in sorted(billed.keys() | booked.keys()):
        if billed[day].is_off(booked[day], unit):
            open_ = f"{exact_usd(possible[day])} USD more is possible" if possible[day] else ""
            found.append(
                BillDifference(
                    kind=DifferenceKind.DAY,
                    what=f"{day}",
                    billed_usd=billed[day].amount,
                    booked_usd=booked[day],
                    note=open_,
                )
            )
    return BillAudit(
        differences=found,
        compared=len(billed),
        by_day=True,
        billed_usd=sum((each.amount for each in billed.values()), Decimal(0)),
        booked_usd=sum(booked.values(), Decimal(0)),
    )


def _source_note(each: PaidTask) -> str:
    return "" if each.source in {"", "reported"} else f"booked as {each.source}"


def _unit(lines: Sequence[_BillLine]) -> Decimal:
    """Return the least difference that the bill's figures can show: a cent, or finer."""
    finest = max((-int(line.amount.as_tuple().exponent) for line in lines), default=2)
    return Decimal(1).scaleb(-max(2, finest))


def _column_names(given: Sequence[str]) -> Mapping[str, str]:
    """Read `task=Task ID,amount=Cost` as what each column of the bill is."""
    names: dict[str, str] = {}
    # A column's own name may have commas: a pair begins with one of our words.
    words = "|".join(_COLUMNS)
    for text in given:
        for pair in re.split(rf",(?=\s*(?:{words})\s*=)", text):
            kind, sign, name = pair.partition("=")
            kind = kind.strip()
            if kind not in _COLUMNS or not sign or not name.strip():
                hint = did_you_mean(kind, _COLUMNS) or f"it names {', '.join(_COLUMNS)}"
                raise usage(f"--columns takes task=NAME,amount=NAME, not {text!r}", hint)
            names[kind] = name.strip()
    if "amount" not in names:
        raise usage("--columns does not name the column of amounts", "say amount=NAME")
    if not names.keys() & {"task", "date"}:
        raise usage(
            "--columns names neither tasks nor dates: there is nothing to compare by",
            "say task=NAME, or date=NAME",
        )
    return names


def _read_bill(file: Path, names: Mapping[str, str]) -> Sequence[_BillLine]:
    """Return the lines of a bill; InvalidInput with all that is wrong with it."""
    try:
        data = contents(file)
    except OSError as fault:
        message = f"cannot read {file}: {reason_of(fault)}"
        raise InvalidInput(
            [Finding(slug=slug_of(fault), message=message, span=COMMAND_LINE)]
        ) from fault
    decoded = decode_table(data, shown=str(file), encoding=None)
    if isinstance(decoded, Finding):
        raise InvalidInput([decoded])
    text, _ = decoded
    sheet = read_sheet(text, shown_as=str(file), written=None)
    if isinstance(sheet, Finding):
        raise InvalidInput([sheet], {str(file): text})
    reader = _BillReader(sheet=sheet, names=names)
    lines = reader.read()
    if reader.findings:
        raise InvalidInput(reader.findings[:_MOST_FINDINGS], {str(file): text})
    if not lines:
        raise usage(f"{file} has no line with an amount")
    return lines


@dataclass(kw_only=True)
class _BillReader:
    """Reads the lines of one bill, and notes what is wrong with them."""

    sheet: Sheet
    names: Mapping[str, str]
    findings: list[Finding] = field(default_factory=list)

    def read(self) -> list[_BillLine]:
        """Return the lines; blank amounts are none: providers end with lines of totals."""
        for kind, name in self.names.items():
            if name not in self.sheet.columns:
                known = list(self.sheet.columns)
                message = f"the bill has no column {name!r} ({kind})"
                place = Span(file=self.sheet.places.shown, line=self.sheet.header_line)
                hint = did_you_mean(name, known) or f"it has {', '.join(known)}"
                self.findings.append(
                    Finding(slug="unknown-column", message=message, span=place, hint=hint)
                )
        if self.findings:
            # Without a column each line would be told as wrong.
            return []
        self.findings += self.sheet.findings
        found = []
        for number, line in enumerate(self.sheet.lines):
            cells = {kind: self.sheet.columns[name][number] for kind, name in self.names.items()}
            if not cells["amount"].strip():
                continue
            amount = self._amount(cells["amount"].strip(), line)
            day = self._day(cells["date"].strip(), line) if "date" in cells else None
            found.append(_BillLine(amount=amount, task=cells.get("task", "").strip(), day=day))
        return found

    def _amount(self, text: str, line: int) -> Decimal:
        found = _AMOUNT.fullmatch(text)
        if found is None:
            hint = "write it with a point and no other sign, such as 1234.50 or $0.42"
            self._note_cell("amount", line, f"{text!r} is no amount in dollars", hint)
            return Decimal(0)
        return Decimal(f"{found[1]}{found[2]}")

    def _day(self, text: str, line: int) -> date | None:
        """Return the UTC day of a date, or of a moment: one without a zone is UTC."""
        try:
            if _DAY.fullmatch(text):
                return date.fromisoformat(text)
            moment = datetime.fromisoformat(text)
        except ValueError:
            self._note_cell("date", line, f"{text!r} is no date", "write it as 2026-12-31")
            return None
        return (moment.astimezone(UTC) if moment.tzinfo else moment).date()

    def _note_cell(self, kind: str, line: int, message: str, hint: str = "") -> None:
        name = self.names[kind]
        place = self.sheet.places.cell(line, self.sheet.positions[name])
        self.findings.append(
            Finding(slug="bad-cell", message=message, span=place, hint=hint, column=name)
        )
