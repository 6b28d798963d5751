"""Every trap of the providers has a test that exists, or a reason why it cannot be reached."""

from __future__ import annotations

import re

from tests.architecture.source import REPOSITORY

PAGE = REPOSITORY / "docs" / "providers.md"
TRAPS = 36


def test_every_trap_is_answered_for() -> None:
    """Each of the 36 has a line, and what it names is there: tests, adapters, scenarios, cases."""
    lines = re.findall(r"^\| (\d+) \| .* \| (.*) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    sources = "\n".join(
        path.read_text("utf-8") for path in sorted((REPOSITORY / "tests").rglob("*.py"))
    )
    known = set(re.findall(r"(?:def|class) (\w+)", sources))
    known |= {path.name for path in (REPOSITORY / "tests" / "cli" / "cases").iterdir()}
    fields = {"numberResults", "includeCost", "refer_type", "auto"}

    assert [str(number) for number in range(1, TRAPS + 1)] == [number for number, _ in lines]
    for number, answer in lines:
        named = re.findall(r"`([\w-]+)`", answer)
        assert named or "not reachable" in answer, number
        assert [] == [name for name in named if name not in known | fields], number
