"""`diff` of lock files, plans, manifests, and what they were at a revision of Git."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.cli.command_line import invoke
from pipeline.plan.lock.lock_text import write_lock
from tests.unit.plan.locks import locked

MANIFEST = """\
callsheet: 1
name: cups
tables: {cups: {file: cups.csv, key: sku, as: cup}}
defaults: {duration: 5, aspect_ratio: "9:16"}
shots:
  - {id: still, for: cups, prompt: "{{ cup.name }} stands on a table, no text."}
"""
Diff = Callable[..., tuple[int, str]]


@pytest.fixture
def diff(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Diff:
    """Return a function that compares in the folder of a campaign: exit code, and what it said."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    Path("cups.yaml").write_text(MANIFEST, "utf-8")
    Path("cups.csv").write_text("sku,name\nA,Alba\nB,Brera\n", "utf-8")

    def call(*words: str) -> tuple[int, str]:
        code = invoke(["diff", *words])
        printed = capsys.readouterr()
        return int(code), printed.out + printed.err

    return call


def _git(*words: str) -> None:
    settings = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *settings, *words], check=True, capture_output=True)


@pytest.fixture
def repository(diff: Diff) -> Diff:
    """Return the same in a repository, in which the campaign was committed as it is."""
    _git("init", "--quiet", "--initial-branch", "main")
    _git("add", ".")
    _git("commit", "--quiet", "--message", "June")
    return diff


def test_two_lock_files_differ_by_items_and_parts(diff: Diff) -> None:
    """What is new, changed and why, removed, and what all that is in money."""
    before, edited = locked("still[A]"), locked("still[A]", prompt="b")
    Path("june.lock.yaml").write_text(
        write_lock({each.address: each for each in (before, locked("still[B]"))}), "utf-8"
    )
    Path("august.lock.yaml").write_text(
        write_lock({each.address: each for each in (edited, locked("still[C]"))}), "utf-8"
    )

    code, said = diff("june.lock.yaml", "august.lock.yaml")

    assert 0 == code
    assert said == (
        "new      still[C]#1  0.42 USD\n"
        "changed  still[A]#1  prompt  0.42 USD\n"
        "removed  still[B]#1  0.42 USD\n"
        "1 item new, 1 changed, 1 removed, 0 the same\n"
        "new and changed together: 0.84 USD\n"
    )


def test_a_manifest_differs_from_what_it_was(repository: Diff) -> None:
    """A revision alone is that of the other file: its table and pictures are those of then."""
    Path("cups.csv").write_text("sku,name\nA,Alba\nB,Bormio\nC,Cadore\n", "utf-8")

    code, said = repository("HEAD", "cups.yaml")

    assert 0 == code, said
    assert "new      still[C]#1  0.42 USD\n" in said
    assert "changed  still[B]#1  prompt  0.42 USD\n" in said
    assert "1 item new, 1 changed, 0 removed, 1 the same\n" in said


@pytest.mark.parametrize("before", ["main:cups.yaml", "HEAD:./cups.yaml", "main"])
def test_a_cosmetic_edit_is_no_difference(before: str, repository: Diff) -> None:
    """A comment, or a value written as its default, changes no key."""
    Path("cups.yaml").write_text(f"# a comment\n{MANIFEST}", "utf-8")

    code, said = repository(before, "cups.yaml")

    assert (0, "0 items new, 0 changed, 0 removed, 2 the same\n") == (code, said)


def test_a_lock_file_of_a_revision_is_read(repository: Diff) -> None:
    """Nothing but the file itself is looked at."""
    lock = Path("cups.lock.yaml")
    lock.write_text(write_lock({"still[A]#1": locked("still[A]")}), "utf-8")
    _git("add", ".")
    _git("commit", "--quiet", "--message", "locked")
    lock.write_text(write_lock({}), "utf-8")

    code, said = repository("HEAD", "cups.lock.yaml")

    assert (0, True) == (code, "removed  still[A]#1  0.42 USD\n" in said), said


def test_a_saved_plan_is_compared_by_its_items(diff: Diff) -> None:
    """It is JSON with address, key and price of each item."""
    clip = locked("still[A]")
    Path("cups.lock.yaml").write_text(write_lock({clip.address: clip}), "utf-8")
    items = [
        {"address": "still[A]#1", "key": clip.key, "price_usd": 0.42},
        {"address": "still[B]#1", "key": "ab" * 32, "price_usd": None},
    ]
    Path("plan.json").write_text(json.dumps({"items": items}), "utf-8")

    code, said = diff("cups.lock.yaml", "plan.json")

    assert 0 == code, said
    assert "new      still[B]#1  price unknown\n" in said
    assert "1 item new, 0 changed, 0 removed, 1 the same\n" in said
    assert "new and changed together: 0.00 USD, and 1 of unknown price\n" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nowhere.lock.yaml", "cups.yaml"), "is no file, and nowhere.lock.yaml no revision"),
        (("HEAD:other.yaml", "cups.yaml"), "there is no other.yaml at the revision HEAD"),
        (("HEAD", "main"), "HEAD: of which file? Write HEAD:PATH"),
        (("--output=x", "cups.yaml"), "No such option"),
    ],
)
def test_what_cannot_be_compared_is_a_mistake(
    words: tuple[str, str], said: str, repository: Diff
) -> None:
    """Exit 3, and what to write."""
    code, told = repository(*words)

    assert (3, True) == (code, said in told), told


def test_a_plan_that_is_none_is_a_mistake(diff: Diff) -> None:
    """Whatever JSON it is."""
    Path("plan.json").write_text("[]", "utf-8")

    code, said = diff("plan.json", "cups.yaml")

    assert (3, True) == (code, "plan.json is no saved plan" in said), said
