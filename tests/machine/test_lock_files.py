"""The lock file as a second memory: another machine, another branch, and a lost ledger.

What the sandbox billed is the judge: what the lock file holds is not bought again.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from pipeline.domain.lock import LockedClip
from pipeline.ledger.repository import Ledger
from pipeline.plan.lock.lock_changes import merge_locks
from pipeline.plan.lock.lock_text import read_lock, write_lock
from tests.machine.campaign import ITEMS, MANIFEST, TABLE, Campaign, environment
from tests.machine.conftest import Callsheet
from tests.sandboxes import Sandbox, plain

PRICE = Decimal("0.42")


def lock_of(campaign: Campaign) -> Path:
    """Return where a campaign's lock file is."""
    return campaign.folder / "cups.lock.yaml"


def lines(campaign: Campaign) -> Mapping[str, LockedClip]:
    """Return what a campaign's lock file holds."""
    return read_lock(lock_of(campaign).read_text("utf-8"), "cups.lock.yaml")


def clone(campaign: Campaign, folder: Path) -> Campaign:
    """Return the campaign as a colleague has it out of Git: manifest, table and lock file."""
    folder.mkdir()
    for name in ("cups.yaml", "cups.csv", "cups.lock.yaml"):
        shutil.copy(campaign.folder / name, folder / name)
    return Campaign(folder, campaign.address)


def fetch_store(source: Campaign, target: Campaign) -> None:
    """Copy the clips of one machine's store to another's, and nothing else."""
    shutil.copytree(
        source.root / ".callsheet" / "store",
        target.root / ".callsheet" / "store",
        dirs_exist_ok=True,
    )


def digests(campaign: Campaign) -> dict[str, str]:
    """Return the SHA-256 of each clip at its output path."""
    return {
        str(clip.relative_to(campaign.root)): hashlib.sha256(clip.read_bytes()).hexdigest()
        for clip in campaign.clips
    }


def money(campaign: Campaign) -> tuple[Decimal, Decimal]:
    """Return what counts against the limit, and how much of it was paid elsewhere."""
    ledger = Ledger.reader(campaign.root)
    assert ledger is not None
    with ledger:
        return ledger.committed_usd("cups"), ledger.elsewhere_usd("cups")


def locked_words(campaign: Campaign) -> list[str]:
    """Return the words of `run --locked`, with no key, no limit and no provider's address."""
    return ["run", str(campaign.folder / "cups.yaml"), "--root", str(campaign.root), "--locked"]


@pytest.fixture
def machine_b(finished: Campaign, tmp_path: Path) -> Campaign:
    """Return the finished campaign on a second machine, out of Git."""
    return clone(finished, tmp_path / "machine-b")


def test_a_run_writes_what_it_made(finished: Campaign) -> None:
    """A sorted line per item: key, parts, who made it, the clip's digest, its price and source."""
    found = lines(finished)

    assert ["still[A]#1", "still[B]#1"] == list(found)
    assert sorted(digests(finished).values()) == sorted(clip.sha256 for clip in found.values())
    for clip in found.values():
        assert ("runware", "kling-o1", PRICE) == (clip.provider, clip.model, clip.price_usd)
        assert clip.task
        assert {"prompt", "take", "settings.duration"} <= clip.parts.keys()


def test_a_run_touches_only_the_lines_it_was_asked_for(
    campaign: Campaign, callsheet: Callsheet
) -> None:
    """A selection adds its own item; a finished campaign leaves the file as it is."""
    one = campaign.words("run", "--select", "still[A]#1")
    assert 0 == callsheet(*one)[0]
    assert ["still[A]#1"] == list(lines(campaign))
    assert 0 == callsheet(*campaign.words())[0]
    before = lock_of(campaign).stat()

    assert 0 == callsheet(*campaign.words())[0]

    assert ["still[A]#1", "still[B]#1"] == list(lines(campaign))
    after = lock_of(campaign).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


@pytest.mark.parametrize("lost", ["a line", "all"])
def test_a_lock_file_that_lost_lines_gets_them_back(
    finished: Campaign, callsheet: Callsheet, lost: str
) -> None:
    """What the last run wrote is remembered by its text: another one is written anew."""
    assert 0 == callsheet(*finished.words())[0]
    before = lock_of(finished).read_bytes()
    whole = before.decode()
    lock_of(finished).write_text("" if lost == "all" else whole[: whole.rindex('"still')], "utf-8")

    code, said = callsheet(*finished.words())

    assert (0, True) == (code, "no request was sent" in said), said
    assert before == lock_of(finished).read_bytes()


def test_a_price_that_is_known_later_comes_into_the_lock_file(
    finished: Campaign, callsheet: Callsheet
) -> None:
    """Nothing is to be made, and yet what is finished is told otherwise than it was written."""
    assert 0 == callsheet(*finished.words())[0]
    with closing(sqlite3.connect(finished.root / ".callsheet" / "ledger.db")) as ledger:
        ledger.execute(
            "UPDATE purchases SET charged_microusd = 410000 WHERE address = 'still[A]#1'"
        )
        ledger.commit()

    assert 0 == callsheet(*finished.words())[0]

    assert Decimal("0.41") == lines(finished)["still[A]#1"].price_usd


def test_a_rehearsal_s_lock_file_lives_in_its_root(
    campaign: Campaign, callsheet: Callsheet
) -> None:
    """Nothing of a rehearsal is beside the manifest."""
    words = ["run", *campaign.words()[1:4], "--rehearse", "--quiet"]
    words += ["--scenario", str(plain(campaign.folder))]

    assert 0 == callsheet(*words)[0]

    assert not lock_of(campaign).exists()
    assert (campaign.root / "rehearsal" / "cups" / "cups.lock.yaml").is_file()


def test_a_profile_has_a_lock_file_of_its_own(campaign: Campaign, callsheet: Callsheet) -> None:
    """It is named by the profile, as its decisions are."""
    manifest = campaign.folder / "cups.yaml"
    manifest.write_text(
        f"{MANIFEST}profiles: {{draft: {{overrides: {{duration: 10}}}}}}\n", "utf-8"
    )

    assert 0 == callsheet(*campaign.words("run", "--profile", "draft"))[0]

    assert not lock_of(campaign).exists()
    assert (campaign.folder / "cups.draft.lock.yaml").is_file()


def test_another_machine_rebuilds_from_lock_file_and_store(
    finished: Campaign, machine_b: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """Same SHA-256 of every clip, no request, no key, 0 USD; the lock file stays to the byte."""
    fetch_store(finished, machine_b)
    before = lock_of(machine_b).read_bytes()

    code, said = callsheet(*locked_words(machine_b))

    assert 0 == code, said
    assert [] == sandbox.tasks("runware")
    assert digests(finished) == digests(machine_b)
    assert before == lock_of(machine_b).read_bytes()
    assert [] == machine_b.damage()
    assert (PRICE * ITEMS, PRICE * ITEMS) == money(machine_b)
    again, said = callsheet(*machine_b.words())
    assert (0, True) == (again, "no request was sent" in said), said
    for each in (finished, machine_b):
        code, said = callsheet(*each.words("verify"))
        assert (0, True) == (code, "each is what was received" in said), said


def test_a_plan_on_another_machine_writes_nothing_and_knows_what_is_there(
    finished: Campaign, machine_b: Campaign, callsheet: Callsheet
) -> None:
    """Nothing is to be made, and what was paid elsewhere is told."""
    fetch_store(finished, machine_b)

    code, said = callsheet(*machine_b.words("plan"))

    assert 0 == code, said
    assert "2 items, 0 to make, 2 ready, 2 to restore from the store" in said
    assert "paid elsewhere: 0.84 USD, as cups.lock.yaml says" in said
    assert not (machine_b.root / ".callsheet" / "ledger.db").exists()


def test_what_is_not_here_is_not_bought(
    finished: Campaign, machine_b: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """Exit 12: paid when and for how much; the clips or the sum that is shown are the ways on."""
    paid = lines(finished)["still[A]#1"].paid_at
    for words in (machine_b.words(), locked_words(machine_b), machine_b.words("plan")):
        code, said = callsheet(*words)
        assert 12 == code, said
        assert f"still[A]#1  paid {paid:%Y-%m-%d}, 0.42 USD at runware" in said
        assert "--buy-again 0.84" in said
    for verb in ("ls", "plan"):
        assert 12 == callsheet(*machine_b.words(verb))[0]
    code, said = callsheet(*machine_b.words("run", "--buy-again", "0.83"))
    assert (12, True) == (code, "--buy-again 0.83 is not the sum: it is 0.84" in said), said
    assert [] == sandbox.tasks("runware")

    code, said = callsheet(*machine_b.words("run", "--buy-again", "0.84"))

    assert 0 == code, said
    assert ITEMS == len(sandbox.tasks("runware"))
    assert sorted(digests(machine_b).values()) == sorted(
        clip.sha256 for clip in lines(machine_b).values()
    )
    assert (PRICE * ITEMS * 2, PRICE * ITEMS) == money(machine_b)
    assert [] == machine_b.damage()
    assert (0, ITEMS) == (callsheet(*machine_b.words())[0], len(sandbox.tasks("runware")))


def test_a_first_run_that_is_refused_leaves_no_ledger(
    finished: Campaign, machine_b: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """Nobody agreed: what was paid elsewhere is booked in no root that was named by a slip."""
    del finished
    for words in (machine_b.words(), machine_b.words("run", "--buy-again", "0.83")):
        assert 12 == callsheet(*words)[0]
        assert not (machine_b.root / ".callsheet" / "ledger.db").exists()

    assert 3 == callsheet("status", *locked_words(machine_b)[1:4])[0]
    assert [] == sandbox.tasks("runware")


def test_what_comes_later_is_restored(
    finished: Campaign, machine_b: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """After a run that was refused, the clips are fetched, and the next run lays them out."""
    assert 12 == callsheet(*machine_b.words())[0]
    fetch_store(finished, machine_b)

    code, said = callsheet(*machine_b.words())

    assert 0 == code, said
    assert digests(finished) == digests(machine_b)
    assert ([], []) == (sandbox.tasks("runware"), machine_b.damage())


def test_a_new_item_is_bought_beside_what_was_paid_elsewhere(
    finished: Campaign, machine_b: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """It is another machine's campaign that goes on: nothing looks lost, and the limit is one."""
    fetch_store(finished, machine_b)
    (machine_b.folder / "cups.csv").write_text(f"{TABLE}C,Cadore\n", "utf-8")

    code, said = callsheet(*machine_b.words())

    assert 0 == code, said
    assert 1 == len(sandbox.tasks("runware"))
    assert ["still[A]#1", "still[B]#1", "still[C]#1"] == list(lines(machine_b))
    assert lines(finished) == {a: c for a, c in lines(machine_b).items() if a != "still[C]#1"}
    assert (PRICE * 3, PRICE * 2) == money(machine_b)


def test_what_was_paid_elsewhere_counts_against_the_limit(
    finished: Campaign, machine_b: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """A limit is the campaign's, not a machine's: what does not fit is held, exit 11."""
    fetch_store(finished, machine_b)
    manifest = machine_b.folder / "cups.yaml"
    manifest.write_text(MANIFEST.replace("limit: 20 USD", "limit: 1.20 USD"), "utf-8")
    (machine_b.folder / "cups.csv").write_text(f"{TABLE}C,Cadore\n", "utf-8")

    code, said = callsheet(*machine_b.words())

    assert 11 == code, said
    assert "budget.limit: 0.36 USD are left of 1.20 USD" in said
    assert [] == sandbox.tasks("runware")


EDITS: Mapping[str, Callable[[str], str]] = {
    "another prompt": lambda text: text.replace("on a table", "on a shelf"),
    "another length": lambda text: text.replace("duration: 5", "duration: 10"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_locked_refuses_what_the_lock_file_has_otherwise(
    edit: str, finished: Campaign, machine_b: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """Exit 12, with the part that differs; nothing is laid out and nothing sent."""
    fetch_store(finished, machine_b)
    manifest = machine_b.folder / "cups.yaml"
    manifest.write_text(EDITS[edit](manifest.read_text("utf-8")), "utf-8")

    code, said = callsheet(*locked_words(machine_b))

    part = "prompt" if edit == "another prompt" else "settings.duration"
    assert (12, True) == (code, f"still[A]#1 was bought with another {part}" in said), said
    assert ([], []) == (machine_b.clips, sandbox.tasks("runware"))


def test_locked_refuses_what_is_not_in_the_lock_file(
    finished: Campaign, machine_b: Campaign, callsheet: Callsheet
) -> None:
    """A row that was added since is named; a selection of the others is made."""
    fetch_store(finished, machine_b)
    (machine_b.folder / "cups.csv").write_text(f"{TABLE}C,Cadore\n", "utf-8")

    code, said = callsheet(*locked_words(machine_b))
    some, _ = callsheet(*locked_words(machine_b), "--exclude", "still[C]#1")

    assert (12, True) == (code, "still[C]#1 is not in it" in said), said
    assert (0, ITEMS) == (some, len(machine_b.clips))


def test_locked_wants_a_lock_file(campaign: Campaign, callsheet: Callsheet) -> None:
    """Without one there is nothing to want: exit 12."""
    code, said = callsheet(*locked_words(campaign))

    assert (12, True) == (code, "there is no clip in" in said), said


def test_locked_and_buying_again_are_two_things(finished: Campaign, callsheet: Callsheet) -> None:
    """Who says both is asked what is meant."""
    code, said = callsheet(*locked_words(finished), "--buy-again", "0.84")

    assert (3, True) == (code, "--locked buys nothing" in said), said


def test_a_flipped_byte_is_found_by_name(
    finished: Campaign, machine_b: Campaign, callsheet: Callsheet
) -> None:
    """In the store that was fetched, before anything is laid out: exit 15."""
    fetch_store(finished, machine_b)
    clip = lines(finished)["still[A]#1"]
    stored = next((machine_b.root / ".callsheet" / "store").rglob(f"{clip.sha256}.mp4"))
    _flip(stored)

    code, said = callsheet(*locked_words(machine_b))
    verified, told = callsheet(*machine_b.words("verify"))

    assert (15, True) == (code, str(stored) in said), said
    assert (15, True) == (verified, "still[A]#1: its clip" in told), told
    assert "it has the same size, and other bytes" in told


def _flip(file: Path) -> None:
    """Change one byte of a file, which keeps its size and times."""
    before = file.stat()
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.chmod(0o644)
    file.write_bytes(content)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_a_lost_ledger_stops_nothing_where_lock_file_and_store_are_there(
    finished: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """The clips stay; but what was in flight nobody knows, so that a purchase is asked about."""
    finished.ledger.unlink()

    code, said = callsheet(*finished.words())

    assert (0, True) == (code, "no request was sent" in said), said
    assert "2 purchases of cups that" in said
    assert (PRICE * ITEMS, PRICE * ITEMS) == money(finished)
    (finished.folder / "cups.csv").write_text(f"{TABLE}C,Cadore\n", "utf-8")
    code, said = callsheet(*finished.words())
    assert (12, True) == (code, "--buy-again 0.42" in said), said
    assert [] == sandbox.tasks("runware")
    code, said = callsheet(*finished.words("run", "--buy-again", "0.42"))
    assert (0, 1) == (code, len(sandbox.tasks("runware"))), said


def test_an_adopted_clip_that_the_lock_file_knows_is_counted_once(
    finished: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """At what was paid for it, not at an estimate beside that; the file stays to the byte."""
    before = lock_of(finished).read_bytes()
    shutil.rmtree(finished.root / ".callsheet")

    code, said = callsheet("store", *finished.words("adopt"))

    assert (0, True) == (code, "2 items adopted" in said), said
    assert (PRICE * ITEMS, PRICE * ITEMS) == money(finished)
    code, said = callsheet(*finished.words())
    assert (0, True) == (code, "no request was sent" in said), said
    assert [] == sandbox.tasks("runware")
    assert before == lock_of(finished).read_bytes()
    # What was in flight when the folder was deleted nobody knows.
    assert [True] == ["2 purchases of cups" in line for line in finished.damage()]


def test_deleted_outputs_are_not_bought_again(
    finished: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """They look disposable: the lock file says what they cost."""
    shutil.rmtree(finished.root)

    code, said = callsheet(*finished.words())

    assert (12, True) == (code, "--buy-again 0.84" in said), said
    assert [] == sandbox.tasks("runware")


def test_two_branches_that_bought_the_same_have_both_clips(
    campaign: Campaign, tmp_path: Path, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """After `git merge` and `lock merge`: the older keeps the address, the other is the next take.

    On both machines nothing is bought again, and asking for two takes lays out both.
    """
    other = Campaign.new(tmp_path / "other", campaign.address)
    for each in (campaign, other):
        assert 0 == callsheet(*each.words())[0]
    assert 2 * ITEMS == len(sandbox.tasks("runware"))
    ours, theirs = (lock_of(each).read_text("utf-8") for each in (campaign, other))
    conflict = f"<<<<<<< HEAD\n{ours}=======\n{theirs}>>>>>>> other\n"
    lock_of(campaign).write_text(conflict, "utf-8")
    refused, told = callsheet(*campaign.words())
    assert (3, True) == (refused, "two branches have met here" in told), told

    merged, said = callsheet("lock", *campaign.words("merge"))

    assert (0, True) == (merged, f"{2 * ITEMS} items" in said), said
    shutil.copy(lock_of(campaign), lock_of(other))
    fetch_store(campaign, other)
    fetch_store(other, campaign)
    first = {clip.sha256 for a, clip in lines(campaign).items() if a.endswith("#1")}
    both = {clip.sha256 for clip in lines(campaign).values()}
    before = lock_of(campaign).read_bytes()
    for each in (campaign, other):
        code, said = callsheet(*each.words())
        assert 0 == code, said
        assert first == set(digests(each).values())
        code, said = callsheet(*each.words("run", "--set", "overrides.takes=2"))
        assert 0 == code, said
        assert both == set(digests(each).values())
        assert before == lock_of(each).read_bytes()
        assert [] == each.damage()
        assert PRICE * 2 * ITEMS == money(each)[0]
    assert 2 * ITEMS == len(sandbox.tasks("runware"))
    third = clone(campaign, tmp_path / "third")
    fetch_store(campaign, third)
    code, said = callsheet(*locked_words(third))
    assert 0 == code, said
    assert both == set(digests(third).values())


def test_two_lock_files_are_merged_into_ours(
    finished: Campaign, tmp_path: Path, callsheet: Callsheet
) -> None:
    """As Git's merge driver calls it: theirs stays as it is."""
    theirs = tmp_path / "theirs.lock.yaml"
    later = {
        address: replace(clip, sha256=hashlib.sha256(address.encode()).hexdigest(), task="later")
        for address, clip in lines(finished).items()
    }
    theirs.write_text(write_lock(later), "utf-8")

    code, said = callsheet("lock", "merge", str(lock_of(finished)), str(theirs))

    assert (0, True) == (code, "the next take now: still[A]#2" in said), said
    merged = merge_locks(later, lines(finished))
    assert (merged, write_lock(later)) == (lines(finished), theirs.read_text("utf-8"))


def test_pruning_moves_orphans_to_another_file(finished: Campaign, callsheet: Callsheet) -> None:
    """Their lines are in `cups.lock.old`; the others stay, and so do all clips."""
    orphan = lines(finished)["still[B]#1"]
    (finished.folder / "cups.csv").write_text("sku,name\nA,Alba\n", "utf-8")

    code, said = callsheet("lock", *finished.words("prune"))
    again, _ = callsheet("lock", *finished.words("prune"))

    assert (0, 0, True) == (code, again, "taken out: still[B]#1" in said), said
    assert ["still[A]#1"] == list(lines(finished))
    old = (finished.folder / "cups.lock.old").read_text("utf-8")
    assert {"still[B]#1": orphan} == read_lock(old, "cups.lock.old")


def test_an_interrupted_run_writes_what_it_has_made(campaign: Campaign, sandbox: Sandbox) -> None:
    """What is at the provider comes with the next run."""
    sandbox.play("stuck", prompt="Brera")
    with subprocess.Popen(
        [sys.executable, "-m", "pipeline", *campaign.words()],
        env={**os.environ, **environment()},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        for awaited in (r"shown.*still\[A\]#1", "stopping: what is in flight is collected"):
            assert any(re.search(awaited, line) for line in process.stdout)
            process.terminate()
        process.stdout.read()

    assert process.returncode in {130, 143}
    assert ["still[A]#1"] == list(lines(campaign))


@pytest.mark.parametrize(
    "variables",
    [
        {"LC_ALL": "C", "TZ": "Pacific/Kiritimati", "PYTHONHASHSEED": "1"},
        {"LC_ALL": "C.UTF-8", "TZ": "America/New_York", "PYTHONHASHSEED": "77"},
    ],
)
def test_a_lock_file_is_the_same_to_the_byte_on_any_machine(
    variables: Mapping[str, str], finished: Campaign
) -> None:
    """Written anew from the same ledger, whatever locale, time zone and hash seed."""
    before = lock_of(finished).read_bytes()
    lock_of(finished).unlink()

    done = finished.run(variables=variables)

    assert 0 == done.returncode, done.stdout + done.stderr
    assert before == lock_of(finished).read_bytes()
