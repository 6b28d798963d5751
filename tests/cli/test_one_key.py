"""One work has one key, whoever makes it and by whichever rule it was made: it is billed once."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest
from PIL import Image

from pipeline.cli.command_line import invoke
from tests.recordings.earlier_rule import CLIPS, write_campaign
from tests.sandboxes import Sandbox

KEYS = {"RUNWARE_API_KEY": "key-of-runware-here", "INFERENCE_API_KEY": "key-of-inference"}
ROWS = ("a", "b", "c")
MANIFEST = """\
callsheet: 1
name: fallback
tables: {words: {file: words.csv, key: word, as: line}}
shots:
  - id: spin
    for: words
    provider: [runware, inference]
    prompt: "@front with the word {{ line.word }}, no text."
    references: {images: {front: {file: front.png}}}
policy: {stop: off}
budget: {limit: 20 USD, unpriced: {assume: 1 USD}}
"""
FALLBACK = "policy.fallback=same_model"
TURNED = "shots.spin.provider=[inference, runware]"
ORDERS = (
    (),
    ("--set", TURNED),
    ("--provider", "inference"),
    ("--provider", "runware"),
    ("--set", "shots.spin.provider=inference"),
    ("--set", "shots.spin.aspect_ratio=auto"),
)
"""Ways to ask for the same clips: of others, in another order, with the ratio left open."""
ASKED_OTHERWISE = (
    ("--provider", "inference"),
    ("--provider", "runware"),
    ("--provider", "unifically"),
    ("--set", "shots.spin.provider=[inference, runware]"),
    ("--set", "shots.turn.provider=[runware, inference]"),
    # What came out square at Runware is found by its ratio, and so is what was told 16:9.
    ("--set", "shots.spin.provider=inference", "--set", "shots.spin.aspect_ratio=1:1"),
    ("--set", "shots.turn.aspect_ratio=16:9"),
    ("--set", "name=renamed"),
)


@dataclass(frozen=True)
class Callsheet:
    """The command line in this very process; `sandbox` is where its providers are."""

    sandbox: Sandbox
    capsys: pytest.CaptureFixture[str]

    def __call__(self, *words: str) -> tuple[int, str]:
        """Return the exit code, and what was printed."""
        urls = []
        for name in ("runware", "inference") if words[0] == "run" else ():
            told = self.sandbox.addresses[name]
            urls.append(f"--base-url={name}={told['base_url']}")
        code = invoke([*words, *urls])
        told_by_it = self.capsys.readouterr()
        return int(code), told_by_it.out + told_by_it.err


@pytest.fixture
def callsheet(
    sandbox: Sandbox, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callsheet:
    """Return the command line, with keys and a wide terminal."""
    for name, value in {**KEYS, "COLUMNS": "150"}.items():
        monkeypatch.setenv(name, value)
    return Callsheet(sandbox, capsys)


def _billed(sandbox: Sandbox) -> list[str]:
    """Return the words of the prompts of all tasks that were billed, in any order."""
    tasks = [task for name in ("runware", "inference") for task in sandbox.tasks(name)]
    found = [re.search(r"the word (\w+)", task["prompt"]) for task in tasks]
    return sorted(match[1] if match else "" for match in found)


@pytest.fixture
def words(tmp_path: Path) -> tuple[str, ...]:
    """Return the options of a campaign of three clips from one picture, without a written ratio."""
    (tmp_path / "m.yaml").write_text(MANIFEST, "utf-8")
    (tmp_path / "words.csv").write_text("\n".join(("word", *ROWS, "")), "utf-8")
    Image.new("RGB", (800, 600), "red").save(tmp_path / "front.png")
    return (str(tmp_path / "m.yaml"), "--root", str(tmp_path / "root"))


def test_what_the_first_provider_made_is_not_bought_of_the_second(
    callsheet: Callsheet, words: tuple[str, ...]
) -> None:
    """Its credit ends half-way and the rest moves on, in the same run: three clips, three bills."""
    callsheet.sandbox.set(accounts={KEYS["RUNWARE_API_KEY"]: {"balance_usd": 0.9}})

    code, told = callsheet("run", *words, "--yes", "--set", FALLBACK)
    bought = _billed(callsheet.sandbox)
    again = [callsheet("run", *words, "--yes", *more) for more in ORDERS]

    assert 0 == code, told
    assert list(ROWS) == bought == _billed(callsheet.sandbox)
    assert 2 == len(callsheet.sandbox.tasks("runware"))
    assert {(0, "nothing to do: 3 items are there; no request was sent")} == {
        (code, told.splitlines()[-1]) for code, told in again
    }


@pytest.mark.parametrize("more", ORDERS[1:3])
def test_what_one_provider_left_is_made_by_another(
    callsheet: Callsheet, words: tuple[str, ...], more: tuple[str, ...]
) -> None:
    """Held without a fallback, then asked of another: only what is not there is bought."""
    callsheet.sandbox.set(accounts={KEYS["RUNWARE_API_KEY"]: {"balance_usd": 0.9}})
    held, _ = callsheet("run", *words, "--yes")
    callsheet.sandbox.set(accounts={})

    code, told = callsheet("run", *words, "--yes", *more)

    assert (12, 0) == (held, code), told
    assert "3 items, 1 to make, 2 ready; 0.42 USD" in told
    assert list(ROWS) == _billed(callsheet.sandbox)


def test_writing_the_ratio_that_the_clip_has_finds_it(
    callsheet: Callsheet, words: tuple[str, ...]
) -> None:
    """Another ratio than the clip's is other work; taken out again, the first clip is there."""
    options, ratio = (*words, "--set", TURNED), "shots.spin.aspect_ratio="
    assert 0 == callsheet("run", *options, "--yes")[0]

    _, same = callsheet("plan", *options, "--set", f"{ratio}16:9")
    _, other = callsheet("plan", *options, "--set", f"{ratio}9:16")
    ended, _ = callsheet("run", *options, "--set", f"{ratio}16:9", "--yes")
    _, open_again = callsheet("plan", *options)

    assert "3 items, 0 to make, 3 ready" in same
    assert "earlier rule" not in same
    assert "3 items, 3 to make" in other
    assert "changed" in other
    assert 0 == ended
    assert "3 items, 0 to make, 3 ready" in open_again
    assert list(ROWS) == _billed(callsheet.sandbox)


@pytest.fixture
def earlier(tmp_path: Path) -> tuple[Path, tuple[str, ...]]:
    """Return root and options of a campaign that was made by code with recipe 1."""
    manifest, root = write_campaign(tmp_path)
    return root, (str(manifest), "--root", str(root))


def test_what_an_earlier_rule_made_is_not_bought_again(
    callsheet: Callsheet, earlier: tuple[Path, tuple[str, ...]]
) -> None:
    """Its clips are put back where they belong, nothing is sent, and the plan says why."""
    root, words = earlier
    rule = "made by an earlier rule: 6 items; their clips satisfy them as they are"

    _, planned = callsheet("plan", *words)
    runs = [callsheet("run", *words, "--yes") for _ in range(2)]
    checked, told = callsheet("ledger", "check", "--root", str(root))

    assert "7 items, 0 to make, 6 ready, 6 to restore from the store" in planned
    assert rule in planned
    assert all(rule in told for _, told in runs)
    assert [10, 10] == [code for code, _ in runs]
    assert [] == _billed(callsheet.sandbox)
    assert CLIPS == len(list((root / "earlier").rglob("*.mp4")))
    assert 0 == checked, told


def test_an_earlier_clip_satisfies_whoever_is_asked(
    callsheet: Callsheet, earlier: tuple[Path, tuple[str, ...]]
) -> None:
    """Each provider took something else for a ratio that nobody wrote: all of it is known."""
    _, words = earlier

    told = {
        more: [callsheet(command, *words, *more)[1] for command in ("plan", "ls")]
        for more in ASKED_OTHERWISE
    }

    assert list(ASKED_OTHERWISE) == [
        more for more, (plan, _) in told.items() if "7 items, 0 to make, 6 ready" in plan
    ]
    assert {6} == {listed.count("reused (earlier rule)") for _, listed in told.values()}


def test_show_says_which_key_satisfies_an_item(
    callsheet: Callsheet, earlier: tuple[Path, tuple[str, ...]]
) -> None:
    """The parts are those of the item's own key; the key of the clip stands beside it."""
    root, (manifest, *options) = earlier
    known = _value(root, "SELECT key FROM items WHERE address = 'spin[a]#1'")

    _, told = callsheet("show", manifest, "spin[a]", *options, "--format", "json")
    _, text = callsheet("show", manifest, "spin[a]", *options)

    shown = json.loads(told)
    assert known == shown["satisfied_by"]["key"] != shown["key"]
    assert "settings.aspect_ratio" not in shown["key_parts"]
    assert "reused" == shown["status"]
    assert f"satisfied by the key\n    {known}\n        an earlier rule made this key" in text


def test_a_newer_library_buys_no_fitted_frame_again(
    callsheet: Callsheet, earlier: tuple[Path, tuple[str, ...]]
) -> None:
    """Its bytes differ, its source and what was done to it do not; kept once, it stays kept."""
    root, words = earlier
    assert 10 == callsheet("run", *words, "--yes")[0]
    (note,) = (root / ".callsheet" / "assets").glob("*.json")
    known = json.loads(note.read_text("utf-8"))
    other = note.parent / ("0" * 64)
    with Image.open(note.parent / known["digest"]) as made:
        made.save(other, "PNG", compress_level=0)
    note.write_text(json.dumps({**known, "digest": other.name, "bytes": other.stat().st_size}))

    _, planned = callsheet("plan", *words)

    assert "7 items, 0 to make, 6 ready" in planned


def test_what_an_earlier_rule_sent_is_collected(
    callsheet: Callsheet, earlier: tuple[Path, tuple[str, ...]]
) -> None:
    """A task in flight when the rule changed is fetched under its key, not bought under another."""
    root, words = earlier
    key = _value(root, "SELECT key FROM items WHERE address = 'spin[a]#1'")
    shutil.rmtree(root)
    callsheet.sandbox.play("slow", prompt="word a", seconds=3600)
    run = ("run", *words, "--yes", "--select", "spin[a]", "--set")
    assert 13 == callsheet(*run, "policy.deadline=2s")[0]
    _rekey(root, key)
    turned = ("--set", "shots.spin.provider=[inference, runware]")

    _, listed = callsheet("ls", *words, *turned, "--select", "spin[a]")
    waiting, _ = callsheet(*run, "policy.deadline=2s", *turned)
    callsheet.sandbox.advance(3600)
    ended, told = callsheet(*run, "policy.deadline=60s", *turned)

    assert "overdue" in listed
    assert (13, 0) == (waiting, ended), told
    assert ["a"] == _billed(callsheet.sandbox)
    assert key == _value(root, "SELECT key FROM jobs WHERE state = 'done'")


def _value(root: Path, query: str) -> str:
    with closing(sqlite3.connect(root / ".callsheet" / "ledger.db")) as ledger:
        (found,) = ledger.execute(query).fetchone()
    return str(found)


def _rekey(root: Path, key: str) -> None:
    """Give what was bought in a root the key that recipe 1 gave it, as its own code wrote it."""
    with closing(sqlite3.connect(root / ".callsheet" / "ledger.db")) as ledger:
        (bought,) = ledger.execute("SELECT key FROM purchases").fetchone()
        ledger.execute("UPDATE items SET key = ?, own_key = '' WHERE key = ?", (key, bought))
        ledger.execute("UPDATE jobs SET key = ? WHERE key = ?", (key, bought))
        ledger.execute("UPDATE purchases SET key = ?", (key,))
        ledger.commit()
