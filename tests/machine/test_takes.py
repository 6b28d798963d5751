"""Takes: what was decided of them, what that buys, and what two people's files come to."""

from __future__ import annotations

import asyncio
import csv
import hashlib
import json
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import permutations
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from pipeline.api.campaign_request import CampaignRequest
from pipeline.api.decision_file import DecisionIndex
from pipeline.api.loaded_campaign import load_campaign
from pipeline.api.project import Project
from pipeline.api.project_file import project_of
from pipeline.api.review_server import campaign_page
from pipeline.domain import Media
from pipeline.domain.review import TakeDecision, Verdict
from pipeline.errors import InvalidInput
from pipeline.ledger.repository import Ledger
from pipeline.media.video import probe_with_poster
from pipeline.storage.blobs import Store
from pipeline.storage.fs import STATE_FOLDER
from tests.machine.campaign import ITEMS, MANIFEST, TABLE, Campaign
from tests.machine.conftest import Callsheet
from tests.postgresql import PostgresqlServer
from tests.sandboxes import Sandbox
from tests.unit.media.clips import write_clip

ANN, BEN = ("--who", "ann"), ("--who", "ben")


def decisions_of(campaign: Campaign) -> Path:
    """Return where a campaign's decisions are."""
    return campaign.folder / "cups.decisions.yaml"


def decide(callsheet: Callsheet, campaign: Campaign, *words: str) -> str:
    """Decide on a take by the command line; return what it printed."""
    command, address, *more = words
    place = (str(campaign.folder / "cups.yaml"), "--root", str(campaign.root))
    code, printed = callsheet(command, *place, address, *more)
    assert 0 == code, printed
    return printed


def git_in(folder: Path, *words: str) -> int:
    """Call Git in a folder; return its exit code."""
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    command = ("git", *identity, "-c", "init.defaultBranch=main", *words)
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode


def reviewed(callsheet: Callsheet, campaign: Campaign, review: str) -> list[str]:
    """Return the addresses that `review:` selects."""
    code, printed = callsheet(*campaign.words("ls", "--select", f"review:{review}"))
    if code:
        assert "fits this selection" in printed
        return []
    return [line.split()[0] for line in printed.splitlines()[1:]]


def test_an_approved_take_stays_until_it_is_reopened(
    finished: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """An edit buys the other item again, and tells the approved one as stale until `reopen`."""
    assert ["still[A]#1", "still[B]#1"] == reviewed(callsheet, finished, "waiting")
    decide(callsheet, finished, "approve", "still[A]#1", *ANN)
    decide(callsheet, finished, "reject", "still[B]#1", "--reason", "colour", *BEN)
    assert ["still[A]#1"] == reviewed(callsheet, finished, "approved")
    assert ["still[B]#1"] == reviewed(callsheet, finished, "rejected")
    before = {str(clip): clip.read_bytes() for clip in finished.clips}
    table = finished.folder / "cups.csv"
    table.write_text(TABLE.replace("Alba", "Aura").replace("Brera", "Bora"), "utf-8")

    assert 0 == callsheet(*finished.words())[0]

    assert 1 == len(sandbox.tasks("runware"))
    after = {str(clip): clip.read_bytes() for clip in finished.clips}
    assert 1 == len(before.items() & after.items())
    assert ["still[A]#1"] == reviewed(callsheet, finished, "stale")
    code, printed = callsheet(*finished.words("why", "still[A]#1"))
    assert 0 == code
    assert "until `callsheet reopen`" in printed
    assert "Alba" in printed
    assert "Aura" in printed
    decide(callsheet, finished, "reopen", "still[A]#1")
    assert not reviewed(callsheet, finished, "stale")
    assert 0 == callsheet(*finished.words())[0]
    assert 2 == len(sandbox.tasks("runware"))


def test_an_approved_take_stays_where_its_row_is_named_otherwise(
    campaign: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """The clip satisfies the row of another name, stays approved there, and is kept by an edit.

    So does one at a row that shares it, where nobody said a word of that row.
    """
    assert 0 == callsheet(*campaign.words())[0]
    decide(callsheet, campaign, "approve", "still[A]#1", *ANN)
    table = campaign.folder / "cups.csv"
    table.write_text(TABLE.replace("A,Alba", "X,Alba\nY,Alba"), "utf-8")
    assert 0 == callsheet(*campaign.words())[0]
    assert ["still[X]#1", "still[Y]#1"] == reviewed(callsheet, campaign, "approved")
    table.write_text(TABLE.replace("A,Alba", "X,Aura\nY,Aula"), "utf-8")

    assert 0 == callsheet(*campaign.words())[0]

    assert 2 == len(sandbox.tasks("runware"))
    assert ["still[X]#1", "still[Y]#1"] == reviewed(callsheet, campaign, "stale")
    decide(callsheet, campaign, "reopen", "still[X]#1")
    assert not reviewed(callsheet, campaign, "stale")
    assert 0 == callsheet(*campaign.words())[0]
    assert 4 == len(sandbox.tasks("runware"))


def test_what_was_rejected_buys_nothing_and_a_reroll_buys_one(
    finished: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """Asking for one more where one exists buys one, at one place; asking again buys none."""
    decide(callsheet, finished, "reject", "still[A]#1", "--reason", "blurred")
    assert 0 == callsheet(*finished.words())[0]
    assert not sandbox.tasks("runware")

    decide(callsheet, finished, "reroll", "still[A]#1")
    assert 0 == callsheet(*finished.words())[0]
    assert 0 == callsheet(*finished.words())[0]

    assert 1 == len(sandbox.tasks("runware"))
    assert ["still[A]#2", "still[B]#1"] == reviewed(callsheet, finished, "waiting")


def test_a_failed_edit_is_told_with_what_it_may_have_cost(
    campaign: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """And the clip of before satisfies its item again, once the edit is taken back."""
    assert 0 == callsheet(*campaign.words())[0]
    table = campaign.folder / "cups.csv"
    table.write_text(TABLE.replace("Alba", "Aura"), "utf-8")
    sandbox.play("refused")
    assert 10 == callsheet(*campaign.words())[0]

    code, said = callsheet(*campaign.words("why", "still[A]#1"))

    assert (0, True) == (code, "for 0.00 USD, 0.42 USD open\n" in said), said
    table.write_text(TABLE, "utf-8")
    assert 0 == callsheet(*campaign.words())[0]
    decide(callsheet, campaign, "approve", "still[A]#1")
    table.write_text(TABLE.replace("Alba", "Aura"), "utf-8")
    assert 0 == callsheet(*campaign.words("run", "--retry", "refused"))[0]
    assert 3 == len(sandbox.tasks("runware"))


def test_a_decision_of_another_clip_is_history(
    finished: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """What was approved elsewhere, and is not here, keeps nothing and decides nothing."""
    decide(callsheet, finished, "approve", "still[A]#1")
    file = decisions_of(finished)
    line = file.read_text("utf-8").splitlines()[1]
    sha256 = line.partition('"sha256": "')[2][:64]
    file.write_text(file.read_text("utf-8").replace(sha256, "0" * 64), "utf-8")
    table = finished.folder / "cups.csv"
    table.write_text(TABLE.replace("Alba", "Aura"), "utf-8")

    assert not reviewed(callsheet, finished, "approved")
    assert 0 == callsheet(*finished.words())[0]
    assert 1 == len(sandbox.tasks("runware"))


def test_many_takes_are_decided_together_or_not_at_all(
    finished: Campaign, callsheet: Callsheet
) -> None:
    """An address without a clip leaves the others undecided; each such address is told."""
    wrong = ("still[A]#1", "still[B]#1", "still[C]#1", "still[A]#9")

    code, said = callsheet(*finished.words("approve", *wrong))

    assert (3, 2) == (code, said.count("there is no clip at still")), said
    assert not decisions_of(finished).exists()
    assert "still[B]#1: approved" in decide(callsheet, finished, "approve", *wrong[:2], *ANN)
    assert ["still[A]#1", "still[B]#1"] == reviewed(callsheet, finished, "approved")


def test_saying_the_same_again_writes_nothing(finished: Campaign, callsheet: Callsheet) -> None:
    """Unless somebody else says it, or a note comes to it."""
    decide(callsheet, finished, "approve", "still[A]#1", *ANN)
    before = decisions_of(finished).stat()

    assert "approved" in decide(callsheet, finished, "approve", "still[A]#1", *ANN)

    after = decisions_of(finished).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    for words in (BEN, (*BEN, "--note", "all right")):
        decide(callsheet, finished, "approve", "still[A]#1", *words)
    assert 3 == decisions_of(finished).read_text("utf-8").count('"verdict": "approved"')


def another_machine(campaign: Campaign, folder: Path) -> Campaign:
    """Return the campaign as a colleague has it out of Git: no store, and no ledger."""
    folder.mkdir()
    for file in campaign.folder.glob("cups.*"):
        shutil.copy(file, folder)
    return Campaign(folder, campaign.address)


def copy_store(source: Campaign, target: Campaign) -> None:
    """Copy the clips of one root to another."""
    store = Path(".callsheet", "store")
    shutil.copytree(source.root / store, target.root / store, dirs_exist_ok=True)


@pytest.mark.parametrize("way", ["store pulled", "bought again"])
def test_an_approved_take_that_is_elsewhere_is_not_made_anew(
    way: str, finished: Campaign, tmp_path: Path, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """On another machine, after an edit: exit 12 until its clip is here, or is given up."""
    decide(callsheet, finished, "approve", "still[A]#1")
    there = another_machine(finished, tmp_path / "there")
    (there.folder / "cups.csv").write_text(TABLE.replace("Alba", "Aura"), "utf-8")

    for words in (there.words(), there.words("plan")):
        code, said = callsheet(*words)
        assert (12, True) == (code, "still[A]#1  paid" in said), said
        assert "--buy-again 0.84" in said
    assert not sandbox.tasks("runware")

    if way == "store pulled":
        copy_store(finished, there)
        assert 0 == callsheet(*there.words())[0]
        assert ["still[A]#1"] == reviewed(callsheet, there, "stale")
        assert (
            "was  what is not written down here" in callsheet(*there.words("why", "still[A]#1"))[1]
        )
        assert not sandbox.tasks("runware")
        return
    code, said = callsheet(*there.words("run", "--buy-again", "0.84"))
    assert 0 == code, said
    sent = [str(task) for task in sandbox.tasks("runware")]
    assert (2, 1) == (len(sent), sum("Aura" in each for each in sent))
    code, said = callsheet(*there.words())
    assert (0, True) == (code, "no request was sent" in said), said
    assert not reviewed(callsheet, there, "stale")
    assert [] == there.damage()


def test_two_peoples_files_merge_and_a_conflict_is_named(
    finished: Campaign, callsheet: Callsheet
) -> None:
    """After `git merge` with a conflict `lock merge` has both sides; a new word settles it."""
    folder, file = finished.folder, decisions_of(finished)
    git = partial(git_in, folder)
    git("init")
    git("add", "cups.yaml", "cups.csv", "cups.lock.yaml")
    git("commit", "-m", "begun")
    git("switch", "-c", "ben")
    decide(callsheet, finished, "reject", "still[A]#1", "--reason", "crop", *BEN)
    decide(callsheet, finished, "approve", "still[B]#1", *BEN)
    git("add", file.name)
    git("commit", "-m", "ben")
    git("switch", "main")
    decide(callsheet, finished, "approve", "still[A]#1", *ANN)
    git("add", file.name)
    git("commit", "-m", "ann")
    assert 0 != git("merge", "ben")
    assert 3 == callsheet(*finished.words("ls"))[0]

    code, printed = callsheet("lock", "merge", str(folder / "cups.yaml"))

    assert 0 == code, printed
    assert "decided differently by two people, and waiting: still[A]#1" in printed
    assert ["still[A]#1"] == reviewed(callsheet, finished, "waiting")
    assert ["still[B]#1"] == reviewed(callsheet, finished, "approved")
    decide(callsheet, finished, "approve", "still[A]#1", *BEN)
    assert ["still[A]#1", "still[B]#1"] == reviewed(callsheet, finished, "approved")


def test_two_branches_that_bought_the_same_keep_what_each_approved(
    campaign: Campaign, tmp_path: Path, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """After `git merge` and `lock merge`: a line for each clip, and nothing is bought again.

    Also after an edit, for what either of them approved: the clip that is another take now too.
    """
    ours, theirs = partial(git_in, campaign.folder), partial(git_in, tmp_path / "ben")
    ours("init")
    ours("add", "cups.yaml", "cups.csv")
    ours("commit", "-m", "begun")
    ours("clone", ".", str(tmp_path / "ben"))
    ben = Campaign(tmp_path / "ben", campaign.address)
    for each, git, who in ((campaign, ours, ANN), (ben, theirs, BEN)):
        assert 0 == callsheet(*each.words())[0]
        decide(callsheet, each, "approve", "still[A]#1", *who)
        git("add", "cups.lock.yaml", "cups.decisions.yaml")
        assert 0 == git("commit", "-m", "made")
    assert 4 == len(sandbox.tasks("runware"))
    clips = {digest(clip) for each in (campaign, ben) for clip in each.clips}
    assert 0 == ours("fetch", str(ben.folder), "HEAD")
    assert 0 != ours("merge", "FETCH_HEAD")

    merged, said = callsheet("lock", *campaign.words("merge"))

    assert (0, 2) == (merged, said.count("the next take now: still[")), said
    assert "decisions on 1 place\n" in said
    locked = (campaign.folder / "cups.lock.yaml").read_text("utf-8")
    assert [1] * 4 == [locked.count(f'"sha256": "{sha256}"') for sha256 in clips]
    copy_store(ben, campaign)
    assert 0 == callsheet(*campaign.words())[0]
    (campaign.folder / "cups.yaml").write_text(f"{MANIFEST}overrides: {{takes: 2}}\n", "utf-8")
    (campaign.folder / "cups.csv").write_text(TABLE.replace("Alba", "Aura"), "utf-8")
    code, said = callsheet(*campaign.words())
    assert 0 == code, said
    assert 4 == len(sandbox.tasks("runware"))
    assert clips == {digest(clip) for clip in campaign.clips}
    assert ["still[A]#1", "still[A]#2"] == reviewed(callsheet, campaign, "stale")
    assert [] == campaign.damage()
    decide(callsheet, campaign, "reopen", "still[A]#2")
    assert ["still[A]#1"] == reviewed(callsheet, campaign, "stale")


def digest(clip: Path) -> str:
    """Return the SHA-256 of a file."""
    return hashlib.sha256(clip.read_bytes()).hexdigest()


def test_of_two_approved_clips_of_a_take_the_last_is_kept() -> None:
    """Whichever line came first; of one second, by what is the same on every machine."""
    day = datetime(2026, 6, 3, tzinfo=UTC)
    early, late, same = (
        TakeDecision(
            take=1, key=each * 64, sha256=each * 64, verdict=Verdict.APPROVED, who="ann", at=at
        )
        for each, at in (("a", day), ("b", day + timedelta(seconds=1)), ("c", day))
    )
    by_id = sorted((early, same), key=lambda each: each.id, reverse=True)

    for order in permutations((early, late, same)):
        approved = DecisionIndex({"still[A]": order}).approved_clips()
        assert {"still[A]#1": [each.clip for each in (late, *by_id)]} == approved


def test_a_clip_that_was_made_elsewhere_becomes_a_take(
    finished: Campaign, tmp_path: Path, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """Held against the spec, booked at what it has cost, laid out by the next run, never bought."""
    cut, wrong = tmp_path / "cut.mp4", tmp_path / "wrong.mp4"
    first = next(clip for clip in finished.clips if "A" in clip.parts)
    # The same film in another file: players pass over a box named `free`.
    cut.write_bytes(first.read_bytes() + b"\0\0\0\x08free")
    write_clip(wrong, size=(160, 96), seconds=0.5)
    (tmp_path / "rows.csv").write_text("sku,name\nA,Alba\n", "utf-8")
    text = "rows.csv is not taken in as still[A]#2: it does not play: it is a text file"

    def take_in(file: Path, *more: str) -> tuple[int, str]:
        words = finished.words("import", str(file), "still[A]#2", *more)
        return callsheet(*words)

    refused = finished.words("import", str(cut), "still[A]#1")
    for code, told in (callsheet(*refused), take_in(cut)):
        assert (3, True) == (code, "callsheet reroll" in told or "no item" in told), told
    decide(callsheet, finished, "reroll", "still[A]#1")
    faults = {"wrong.mp4": "not a ratio of", "none.mp4": "cannot be read", "rows.csv": text}
    for name, fault in faults.items():
        code, told = take_in(tmp_path / name)
        assert (3, True) == (code, fault in told), told
    code, told = take_in(first)
    assert (3, True) == (code, "the clip of another item" in told), told

    code, told = take_in(cut, "--cost", "3.50")

    assert (0, True) == (code, "3.50 USD" in told), told
    assert 0 == callsheet(*finished.words())[0]
    assert not sandbox.tasks("runware")
    assert digest(cut) in {digest(clip) for clip in finished.clips}
    ledger = Ledger.reader(finished.root)
    assert ledger is not None
    with ledger:
        assert Decimal("4.34") == ledger.committed_usd("cups")
    assert '"price_usd": "3.5"' in (finished.folder / "cups.lock.yaml").read_text("utf-8")
    assert ["still[A]#1", "still[A]#2", "still[B]#1"] == reviewed(callsheet, finished, "waiting")
    assert [] == finished.damage()


def test_a_run_that_takes_up_an_item_meanwhile_keeps_it(
    finished: Campaign,
    tmp_path: Path,
    postgresql_server: PostgresqlServer,
    callsheet: Callsheet,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A file is looked into while another process makes the item: the file is refused, no more."""
    campaign = Campaign.new(tmp_path / "other", finished.address)
    url = postgresql_server.database()
    assert 0 == callsheet(*campaign.words("run", "--ledger", url, "--select", "still[B]"))[0]
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(finished.clips[0].read_bytes() + b"\0\0\0\x08free")

    def look(file: Path, poster: Path) -> Media:
        done = campaign.run("--ledger", url)
        assert 0 == done.returncode, done.stdout + done.stderr
        return probe_with_poster(file, poster)

    monkeypatch.setattr("pipeline.api.clip_adoption.probe_with_poster", look)
    words = campaign.words("import", str(cut), "still[A]#1", "--ledger", url)
    code, said = callsheet(*words)

    assert (3, True) == (code, "another process took up its item" in said), said
    code, said = callsheet(*campaign.words("run", "--ledger", url))
    assert (0, True) == (code, "nothing to do" in said), said
    assert 2 == len(list(Store(campaign.root).clips()))


def test_a_library_decides_and_takes_in_a_file(finished: Campaign, tmp_path: Path) -> None:
    """`Campaign.decide` writes what the command writes; `merge_decisions` adds a colleague's."""
    campaign = Project(root=finished.root).open(finished.folder / "cups.yaml")
    (decision,) = campaign.decide("still[A]#1", "approved", note="all right", who="ann")
    theirs = tmp_path / "ben.decisions.yaml"
    theirs.write_text(decisions_of(finished).read_text("utf-8").replace("ann", "ben"), "utf-8")

    merged = campaign.merge_decisions(theirs)

    assert (1, 1, ()) == (merged.places, merged.added, merged.conflicts)
    assert "all right" == decision.note
    assert {"still[A]#1"} == campaign.decisions().approved_clips().keys()
    with pytest.raises(InvalidInput) as invalid:
        campaign.decide("still[C]#1", "approved")
    assert "no clip at still[C]#1" in invalid.value.findings[0].message


def show_approved(campaign: Campaign) -> None:
    """Let only approved takes be laid out."""
    (campaign.folder / "cups.yaml").write_text(f"{MANIFEST}output: {{show: approved}}\n", "utf-8")


def report_rows(campaign: Campaign) -> list[dict[str, str]]:
    """Return the lines of the report's table."""
    text = (campaign.root / "cups" / "report" / "report.csv").read_text("utf-8-sig")
    return list(csv.DictReader(text.splitlines()))


def run_and_verify(callsheet: Callsheet, campaign: Campaign) -> str:
    """Run, and verify that every byte is there; return what the run printed."""
    code, said = callsheet(*campaign.words())
    assert 0 == code, said
    verified, found = callsheet(*campaign.words("verify"))
    assert (0, []) == (verified, campaign.damage()), found
    return said


async def serve(campaign: Campaign, *paths: str) -> list[httpx.Response]:
    """Return what the review page's server answers, the page first."""
    manifest = campaign.folder / "cups.yaml"
    request = CampaignRequest(manifest=manifest, project=project_of(manifest), root=campaign.root)
    app = Starlette(routes=campaign_page(load_campaign(request)).routes("t"))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://here/t/") as client:
        return [await client.get(path) for path in ("report/", *paths)]


def test_only_approved_takes_are_laid_out(
    campaign: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """The others are in the store, where the report plays them; a reopened one leaves its path."""
    show_approved(campaign)
    run_and_verify(callsheet, campaign)
    assert [] == campaign.clips
    bought = len(sandbox.tasks("runware"))
    report = campaign.root / "cups" / "report"
    rows = report_rows(campaign)
    assert [True, True] == [(report / row["file"]).is_file() for row in rows]
    assert ".callsheet/store/" in (report / "index.html").read_text("utf-8")
    _, said = callsheet(*campaign.words("ls", "--format", "json"))
    listed = [json.loads(line) for line in said.splitlines()]
    assert [(True, True)] * ITEMS == [
        (each["there"], Path(each["path"]).is_file()) for each in listed
    ]

    stored = Path(rows[0]["path"])
    paths = [f"{STATE_FOLDER}/{name}" for name in (stored.name, "ledger.db")]
    page, clip, other = asyncio.run(serve(campaign, *paths))
    assert (True, 404) == (paths[0] in page.text, other.status_code)
    assert hashlib.sha256(clip.content).hexdigest() == stored.stem

    assert "the next run lays out" in decide(callsheet, campaign, "approve", "still[A]#1")
    assert "1 to restore from the store" in callsheet(*campaign.words("plan"))[1]
    run_and_verify(callsheet, campaign)
    (shown,) = campaign.clips
    assert "A" in shown.parts
    rows = report_rows(campaign)
    assert [True, False] == [row["path"].startswith("still/") for row in rows]

    # It stays while other work is asked for, and leaves once that is not so and it is reopened.
    table = campaign.folder / "cups.csv"
    table.write_text(TABLE.replace("Alba", "Aura"), "utf-8")
    run_and_verify(callsheet, campaign)
    assert [shown] == campaign.clips
    table.write_text(TABLE, "utf-8")
    decide(callsheet, campaign, "reopen", "still[A]#1")
    assert "1 to take out of the output folder" in callsheet(*campaign.words("plan"))[1]
    run_and_verify(callsheet, campaign)
    assert [] == campaign.clips
    assert "take out" not in callsheet(*campaign.words("plan"))[1]

    # A run that died once the file was gone, and had not written that.
    decide(callsheet, campaign, "approve", "still[A]#1")
    run_and_verify(callsheet, campaign)
    decide(callsheet, campaign, "reject", "still[A]#1", "--reason", "colour")
    shown.unlink()
    run_and_verify(callsheet, campaign)
    assert [] == campaign.clips
    assert bought == len(sandbox.tasks("runware"))


def test_what_was_laid_out_leaves_only_as_it_was_put_there(
    finished: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """A clip that somebody saved over stays; a damaged store is whole before its copy goes."""
    show_approved(finished)
    first, second = finished.clips
    first.write_bytes(b"cut anew")
    sha256 = digest(second)
    stored = Store(finished.root).path(sha256, "mp4")
    stored.unlink()

    code, said = callsheet(*finished.words())

    assert (first, True) == (*finished.clips, code == 0 or "damaged" in said), said
    assert b"cut anew" == first.read_bytes()
    assert sha256 == digest(stored)
    assert not sandbox.tasks("runware")
