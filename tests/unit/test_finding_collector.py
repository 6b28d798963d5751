"""A fault that many rows share is one finding."""

from __future__ import annotations

from pipeline.findings import Finding, FindingCollector, Span


def fault(row: int, file: str = "lost.png") -> Finding:
    """Return a fault of a cell."""
    return Finding(
        slug="missing-file",
        message=f"'{file}' does not exist",
        span=Span(file="products.csv", line=row + 1, column=5, end_column=9),
        row=f"S{row}",
        column="hero",
    )


def drained(*found: Finding) -> list[Finding]:
    """Return what comes of faults."""
    findings = FindingCollector()
    for each in found:
        findings.add(each, each.row)
    return list(findings.drain())


def test_a_single_cell_is_named_as_it_is() -> None:
    """One faulty cell keeps its row."""
    assert [fault(3)] == drained(fault(3), fault(3))


def test_a_fault_of_many_cells_is_told_at_the_first_with_all_rows() -> None:
    """The same file missing in 300 rows is one finding, in the first of them."""
    (told,) = drained(*[fault(row) for row in range(1, 301)])

    assert (2, "", "hero") == (told.span.line, told.row, told.column)
    assert tuple(f"S{row}" for row in range(1, 301)) == told.rows


def test_many_faults_of_one_column_are_not_told_one_by_one() -> None:
    """A folder that is missing is not 300 findings: after twenty comes how many more."""
    told = drained(*[fault(row, f"{row}.png") for row in range(1, 301)])

    assert 21 == len(told)
    assert "280 more rows have such a fault" == told[-1].message
    assert (22, 280) == (told[-1].span.line, len(told[-1].rows))
