"""Each rule has one home: what can be found by its pattern stands there, and nowhere else.

Where a second home is left it is listed, so that the list can only become shorter. The sandbox is
apart: it shares no code, and knows the providers' rules from their pages. docs/architecture.md has
the same table in words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import pytest

from tests.architecture.source import PACKAGE, REPOSITORY, modules


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule, how its code is recognised, and the modules of the package where that stands."""

    name: str
    pattern: str
    home: str
    left: tuple[str, ...] = ()
    """Second homes that remain; a test fails when one of them is gone and still listed."""


RULES = (
    Rule(
        name="a free failure is bought again",
        pattern=r"\.c\.free == 1|tries(\(\))? < \S*purchases",
        home="ledger/jobs.py",
        left=("run/collect.py",),
    ),
    Rule(
        name="how long to wait, and how often to try",
        pattern=r"\bbackoff\(|\b_TRIES\b",
        home="run/retry.py",
        left=("run/fetch.py", "run/job.py", "run/manual.py"),
    ),
    Rule(
        name="Retry-After is read",
        pattern=r"(?i)[\"']retry-after[\"']",
        home="providers/base.py",
    ),
    Rule(
        name="sets of states",
        pattern=r"[\"']off_spec[\"']|frozenset\(\s*\{\s*State\.",
        home="domain/states.py",
        left=("ledger/migrations.py",),
    ),
    Rule(
        name="exit codes",
        pattern=r"class Exit\(|def exit_code_for\(|\bexit\(\d|\bExit\(\d",
        home="domain/states.py",
    ),
    Rule(
        name="fields that `extra` may not set",
        pattern=r"\boffer\.reserved\b",
        home="domain/offer_rules.py",
    ),
    Rule(
        name="options of a provider",
        pattern=r"\.option_values\b",
        home="domain/offer_rules.py",
    ),
    Rule(
        name="hosts of a provider's own",
        pattern=r"\.hosts_allowed\b",
        home="domain/offer_rules.py",
    ),
    Rule(
        name="the length of a prompt",
        pattern=r"[<>]=? \w+\.prompt_(?:min|max)\b",
        home="domain/offer_rules.py",
    ),
    Rule(
        name="names of budget scopes",
        pattern=r"[\"'](?:campaign|run|row|item):(?!/)",
        home="ledger/budgets.py",
        left=("ledger/migrations.py",),
    ),
    Rule(
        name="what is this machine",
        pattern=r"\.is_loopback\b(?!\()|[\"']localhost[\"']",
        home="web_addresses.py",
    ),
    Rule(
        name="what a file is by its bytes",
        pattern=r"\\x89PNG|== b\"ftyp\"",
        home="file_content.py",
    ),
    Rule(
        name="the SHA-256 of a file",
        pattern=r"\bfile_digest\(",
        home="file_content.py",
    ),
    Rule(
        name="money as text",
        pattern=r"\.\d?f\}(?: USD)|:\.\{max\(2",
        home="domain/money.py",
    ),
    Rule(
        name="the nearest name",
        pattern=r"\bget_close_matches\(",
        home="findings.py",
    ),
    Rule(
        name="a ratio within two percent",
        pattern=r"= 0\.02\b|/ ratio - 1\)|\* height / width - 1\)",
        home="domain/clip_spec.py",
    ),
    Rule(
        name="what is said where --yes has no limit",
        pattern=r"--yes needs a limit",
        home="api/campaign_request.py",
    ),
)
SOURCES = {
    module.relative_to(PACKAGE).as_posix(): module.read_text("utf-8")
    for module in modules()
    if "sandbox" not in module.relative_to(PACKAGE).parts[:1]
}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_has_one_home(rule: Rule) -> None:
    """A rule's pattern matches its home, and else only where it is known to remain."""
    found = {name for name, text in SOURCES.items() if re.search(rule.pattern, text)}

    assert {rule.home, *rule.left} == found


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_the_page_names_the_home(rule: Rule) -> None:
    """docs/architecture.md says where each rule lives, and where a second home remains."""
    page = (REPOSITORY / "docs" / "architecture.md").read_text("utf-8")

    assert [] == [module for module in (rule.home, *rule.left) if f"`{module}`" not in page]
