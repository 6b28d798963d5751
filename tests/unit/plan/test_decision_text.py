"""A decisions file: one line per place, of which only the one that is decided changes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pipeline.domain.review import TakeDecision, Verdict
from pipeline.errors import InvalidInput
from pipeline.plan.address_lines import split_conflicts
from pipeline.plan.decision_text import (
    DECISIONS_FORMAT,
    merge_places,
    read_decisions,
    splice_decisions,
    write_decisions,
)

FILE = "campaign.decisions.yaml"


def decision(take: int = 1, verdict: Verdict = Verdict.APPROVED, who: str = "ann") -> TakeDecision:
    """Return what somebody said of a take."""
    at = datetime(2026, 6, 3, 12, 0, take, tzinfo=UTC)
    return TakeDecision(
        take=take, key="a" * 64, sha256=f"{take:064x}", verdict=verdict, who=who, at=at
    )


def test_what_was_written_is_read_again() -> None:
    """Any text in reason and note survives, in a file that stays the same to the byte."""
    odd = TakeDecision(
        take=2,
        key="b" * 64,
        sha256="c" * 64,
        verdict=Verdict.REJECTED,
        who="Zoë\u2028",
        at=datetime(2026, 6, 3, tzinfo=UTC),
        reason="colour: red # not coral",
        note='"\\ \n\ufeff',
        replaces=("0123456789ab",),
    )
    places = {"spin[B]": (decision(),), "spin[A, 1]": (odd,)}

    text = write_decisions(places)

    assert places == read_decisions(text, FILE)
    assert text == write_decisions(read_decisions(text, FILE))
    assert ["spin[A, 1]", "spin[B]"] == [line.split('"')[1] for line in text.splitlines()[1:]]


def test_only_one_line_changes() -> None:
    """A person's comment, and lines of others, stay as they are; a new place is put in order."""
    kept = write_decisions({"spin[A]": (decision(),), "spin[C]": (decision(),)})
    text = kept.replace('"spin[C]"', '# ask Ben\n"spin[C]"')

    added = splice_decisions(text, "spin[B]", (decision(2),))
    changed = splice_decisions(added, "spin[A]", (decision(), decision(3)))

    assert [line for line in added.splitlines() if "spin[B]" not in line] == text.splitlines()
    assert added.index("spin[A]") < added.index("spin[B]") < added.index("spin[C]")
    assert changed.splitlines()[2:] == added.splitlines()[2:]
    assert 2 == len(read_decisions(changed, FILE)["spin[A]"])


def test_the_two_sides_of_a_conflict_are_put_together() -> None:
    """What Git leaves between its marks is read as two files; every decision is there once."""
    ours, theirs = decision(1, who="ann"), decision(1, Verdict.REJECTED, who="ben")
    one, other = (write_decisions({"spin[A]": (each,)}).splitlines()[1] for each in (ours, theirs))
    text = f"{DECISIONS_FORMAT.header}\n<<<<<<< HEAD\n{one}\n=======\n{other}\n>>>>>>> b\n"

    with pytest.raises(InvalidInput) as invalid:
        read_decisions(text, FILE)
    assert "Git left its marks" in invalid.value.findings[0].message
    merged = merge_places(*(read_decisions(side, FILE) for side in split_conflicts(text)))

    assert {ours, theirs} == set(merged["spin[A]"])


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"approved"', '"maybe"', "does not fit the schema"),
        ("2026-06-03", "2026-02-31", "no day as in 2026-02-31"),
        ('"spin[A]": ', '"spin[A]" ', "no line"),
        ("decisions 1", "decisions 2", "newer Callsheet"),
    ],
)
def test_a_damaged_line_is_told_by_its_number(old: str, new: str, told: str) -> None:
    """Nothing of the file is used then: an approval that was passed over may be paid for again."""
    text = write_decisions({"spin[A]": (decision(),)}).replace(old, new)

    with pytest.raises(InvalidInput) as invalid:
        read_decisions(text, FILE)

    (finding,) = invalid.value.findings
    assert "bad-decisions" == finding.slug
    assert told in finding.message
    assert finding.span.line == (1 if "decisions 2" in text else 2)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("last", ["", "# no end of this line"])
def test_what_an_editor_did_to_the_other_lines_stays(end: str, mark: str, last: str) -> None:
    """Ends of lines, a byte order mark, a last line without its end: the text is what it was."""
    lines = write_decisions({each: (decision(),) for each in ("spin[A]", "spin[C]")}).split("\n")
    text = mark + end.join([*lines[:-1], last])

    for place in ("spin[A]", "spin[B]", "spin[D]"):
        spliced = splice_decisions(text, place, (decision(2),))

        assert (decision(2),) == read_decisions(spliced, "x")[place]
        own = next(line for line in spliced.split("\n") if line.startswith(f'"{place}"'))
        assert own.endswith(end.removesuffix("\n"))
        old = [line for line in text.splitlines() if not line.startswith(f'"{place}"')]
        left = [line for line in spliced.splitlines() if not line.startswith(f'"{place}"')]
        assert old == left
        assert spliced.count("\n") == spliced.count(end)
        assert spliced.startswith(mark)
