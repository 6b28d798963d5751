"""A ledger that lost what was bought: the next run says so, and buys nothing that nobody agreed to.

Each loss happens at three moments of a run, and what the sandbox billed is the judge.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path

import pytest

from pipeline.ledger.backup import back_up
from pipeline.ledger.counter_file import read_counter
from pipeline.ledger.intent_counter import COUNTER
from pipeline.ledger.repository import Ledger
from tests.crash.kit import campaign_run
from tests.crash.points import DIED
from tests.machine.campaign import ITEMS, TRACE, Campaign, environment
from tests.machine.conftest import Callsheet
from tests.pairs import pairs
from tests.processes import process
from tests.sandboxes import Sandbox, plain

PRICE = Decimal("0.42")
NOTHING_KNOWN = "ledger.db: it is gone or empty, but there was one"
MOMENTS: Mapping[str, tuple[str, str]] = {
    "in flight": ("sent", "2"),
    "some landed": ("linked", "1"),
    "clean end": ("", "1"),
}
Loss = Callable[[Campaign, Path], object]


@pytest.fixture
def finished(finished: Campaign) -> Campaign:
    """Return the finished campaign without its lock file, which remembers what a ledger loses.

    With one, a loss is none where the store is there (test_lock_files).
    """
    (finished.folder / "cups.lock.yaml").unlink()
    return finished


def _wal(campaign: Campaign) -> Path:
    return campaign.ledger.with_name("ledger.db-wal")


def _lose_ledger(campaign: Campaign, _: Path) -> None:
    campaign.ledger.unlink()


def _lose_wal(campaign: Campaign, _: Path) -> None:
    _wal(campaign).unlink()


def _cut_wal(campaign: Campaign, _: Path) -> None:
    os.truncate(_wal(campaign), _wal(campaign).stat().st_size // 2)


def _empty_ledger(campaign: Campaign, _: Path) -> None:
    os.truncate(campaign.ledger, 0)


def _lose_folder(campaign: Campaign, _: Path) -> None:
    shutil.rmtree(campaign.ledger.parent)


def _put_older(campaign: Campaign, older: Path) -> None:
    _wal(campaign).unlink(missing_ok=True)
    shutil.copyfile(older, campaign.ledger)


LOSSES: Mapping[str, Loss] = {
    "ledger gone, wal left": _lose_ledger,
    "wal gone": _lose_wal,
    "wal cut": _cut_wal,
    "ledger emptied": _empty_ledger,
    "folder gone, outputs left": _lose_folder,
    "older backup": _put_older,
}
SETTLED = "commit of settle"
"""The one on disk: what it comes to is tried before in private ledgers, which commit nothing."""
OF_THE_WAL = {"wal gone", "wal cut"}
"""After a clean end there is no -wal that could be lost."""
CASES = pairs(
    LOSSES, MOMENTS, lambda loss, moment: not (loss in OF_THE_WAL and moment == "clean end")
)


def _make(campaign: Campaign, moment: str) -> Path:
    """Run up to a moment; return a backup of the ledger as it was before anything was bought."""
    with Ledger.open(campaign.root):
        pass
    older = campaign.folder / "older.db"
    assert back_up(campaign.root, older)
    name, nth = MOMENTS[moment]
    words = [str(campaign.folder / "cups.yaml"), str(campaign.root), "--quiet"]
    words += ["--base-url", f"runware={campaign.address}", "--bomb", name, nth]
    ended = process(campaign_run, words, environment())
    assert (-signal.SIGKILL if name else 0) == ended
    (campaign.folder / "cups.lock.yaml").unlink(missing_ok=True)
    return older


def _sum(said: str) -> str:
    found = re.search(r"--buy-again ([0-9.]+)\n", said)
    assert found, said
    return found[1]


@pytest.mark.parametrize(("loss", "moment"), CASES)
def test_a_loss_is_told_and_a_fresh_backup_mends_it(
    loss: str,
    moment: str,
    campaign: Campaign,
    sandbox: Sandbox,
    callsheet: Callsheet,
    tmp_path: Path,
) -> None:
    """Exit 12, what is lost and the ways on; after `ledger restore` nothing is paid twice."""
    older, fresh = _make(campaign, moment), tmp_path / "fresh.db"
    assert back_up(campaign.root, fresh)
    billed = sandbox.tasks("runware")
    others = shutil.ignore_patterns("ledger.db*", "lock")
    shutil.copytree(campaign.ledger.parent, tmp_path / "others", ignore=others)
    LOSSES[loss](campaign, older)

    code, said = callsheet(*campaign.words())

    assert 12 == code, said
    found = re.search(r"lost what it knew of cups:\n  (\d) purchases? of cups that ", said)
    assert found, said
    lost = int(found[1])
    # What is cut off a -wal may be one of the two: each was written when it was staged.
    assert lost in ({1, ITEMS} if loss == "wal cut" else {ITEMS})
    root = f"--root {campaign.root}"
    assert f"callsheet ledger restore FILE {root}" in said
    assert f"callsheet store adopt {campaign.folder}/cups.yaml {root}" in said
    assert PRICE * lost == Decimal(_sum(said))
    assert TRACE not in said
    for verb, ends in {"plan": 12, "status": 12}.items():
        code, told = callsheet(*campaign.words(verb))
        assert (ends, True) == (code, "has lost what it knew of cups:" in told), told
    code, told = callsheet("ledger", "check", "--root", str(campaign.root))
    assert (15, True) == (code, f"lost: {lost} purchase" in told or NOTHING_KNOWN in told)
    assert billed == sandbox.tasks("runware")

    code, said = callsheet("ledger", "restore", str(fresh), "--root", str(campaign.root))
    assert (0, True) == (code, f"is {fresh} now" in said), said
    if loss == "folder gone, outputs left":
        # The store is in no backup of the ledger.
        shutil.copytree(tmp_path / "others", campaign.ledger.parent, dirs_exist_ok=True)
    code, said = callsheet(*campaign.words())
    assert 0 == code, said
    assert [] == campaign.damage()
    assert ITEMS == len(sandbox.tasks("runware")) == len(campaign.clips)


@pytest.mark.parametrize(("loss", "moment"), CASES)
def test_what_is_lost_is_bought_again_for_the_sum_that_was_shown(
    loss: str, moment: str, campaign: Campaign, sandbox: Sandbox, callsheet: Callsheet
) -> None:
    """Another sum is refused and the right one shown; after the right one all is there."""
    LOSSES[loss](campaign, _make(campaign, moment))
    billed = len(sandbox.tasks("runware"))
    if loss == "folder gone, outputs left":
        for clip in campaign.clips:
            clip.rename(campaign.folder / clip.name)

    code, said = callsheet(*campaign.words("run", "--buy-again", "0.83"))
    total = _sum(said)
    assert (12, True) == (code, f"--buy-again 0.83 is not the sum: it is {total}" in said), said
    assert billed == len(sandbox.tasks("runware"))
    bought = int(Decimal(total) / PRICE)
    words = campaign.words("run", "--buy-again", total)
    code, said = callsheet(*(word for word in words if word != "--yes"))
    assert 0 == code, said

    assert billed + bought == len(sandbox.tasks("runware"))
    code, said = callsheet(*campaign.words())
    assert (0, True) == (code, "no request was sent" in said), said
    assert [] == campaign.damage()
    assert billed + bought == len(sandbox.tasks("runware"))
    assert ITEMS + bought == read_counter(campaign.root / "cups" / COUNTER)


def test_clips_of_somebody_else_stand_in_the_way_before_the_loss_is_settled(
    finished: Campaign, sandbox: Sandbox, callsheet: Callsheet
) -> None:
    """With the folder gone, the clips at their paths are nobody's: 3 when agreed, then 12."""
    _lose_folder(finished, finished.folder)

    agreed, said = callsheet(*finished.words("run", "--buy-again", "0.84"))
    again, told = callsheet(*finished.words())

    assert (3, True) == (agreed, "foreign-file" in said)
    assert (12, "0.84") == (again, _sum(told))
    assert [] == sandbox.tasks("runware")


def test_an_agreement_without_a_loss_is_refused(
    finished: Campaign, sandbox: Sandbox, callsheet: Callsheet
) -> None:
    """There is nothing to agree to: exit 12, and nothing is sent."""
    code, said = callsheet(*finished.words("run", "--buy-again", "0.84"))

    assert (12, True) == (code, "leave --buy-again out" in said)
    assert [] == sandbox.tasks("runware")


def test_a_loss_stays_open_for_those_who_did_not_agree(
    finished: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """What one campaign agreed to does not settle another's loss in the same root."""
    other = finished.folder / "cups.yaml"
    text = other.read_text("utf-8")
    others = text.replace("name: cups", "name: mugs").replace("on a table", "on a shelf")
    (finished.folder / "mugs.yaml").write_text(others, "utf-8")
    finished.ledger.unlink()
    code, said = callsheet(*finished.words("run", "--buy-again", "0.84"))
    assert 0 == code, said

    mugs = [word.replace("cups.yaml", "mugs.yaml") for word in finished.words()]
    code, said = callsheet(*mugs)

    assert (12, True) == (code, "whatever the ledger knew that left this behind: README" in said)
    assert ITEMS == len(sandbox.tasks("runware"))


def test_a_root_of_an_earlier_version_gets_its_counter(
    finished: Campaign, callsheet: Callsheet
) -> None:
    """A counter that is not there is no loss; nor is a campaign's folder that was deleted."""
    shutil.rmtree(finished.root / "cups")

    code, said = callsheet(*finished.words())

    assert (0, True) == (code, "2 to restore from the store" in said), said
    assert ITEMS == read_counter(finished.root / "cups" / COUNTER)


DAMAGED = [
    b"",
    b"00000000000000000003 ",
    b"\0\xff{",
    b'{"intents": -3}',
    b'{"intents": 99999999999999999999999}',
]


@pytest.mark.parametrize("content", DAMAGED)
def test_a_counter_that_cannot_be_read_stops_what_would_buy(
    content: bytes, campaign: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """It may have counted more than the ledger knows: a person agrees first, then it is renewed."""
    counter = campaign.root / "cups" / COUNTER
    assert 0 == callsheet(*campaign.words("run", "--select", "still[A]#1"))[0]
    counter.write_bytes(content)

    made, nothing = callsheet(*campaign.words("run", "--select", "still[A]#1"))
    code, said = callsheet(*campaign.words())

    assert (0, True) == (made, "no request was sent" in nothing), nothing
    assert (12, True) == (code, f"{counter} counted, which cannot be read" in said), said
    assert (1, content) == (len(sandbox.tasks("runware")), counter.read_bytes())
    assert 15 == callsheet("ledger", "check", "--root", str(campaign.root))[0]
    assert 0 == callsheet(*campaign.words("run", "--buy-again", _sum(said)))[0]
    assert (ITEMS, ITEMS) == (len(sandbox.tasks("runware")), read_counter(counter))
    assert (0, []) == (callsheet(*campaign.words())[0], campaign.damage())


def test_agreed_to_for_one_item_a_loss_stays_open_for_the_other(
    finished: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """A sum buys what it was shown for: the next run asks again before it buys the rest."""
    finished.ledger.unlink()
    refused = callsheet(*finished.words("run", "--select", "still[A]#1"))[1]
    one = re.findall("buy it again for .* USD:  callsheet (.*)", refused)
    assert (0, 1) == (callsheet(*shlex.split(*one), "--yes")[0], len(sandbox.tasks("runware")))

    code, said = callsheet(*finished.words())

    assert (12, str(PRICE), 1) == (code, _sum(said), len(sandbox.tasks("runware"))), said
    code, said = callsheet(*finished.words("run", "--buy-again", str(PRICE)))
    assert (0, ITEMS) == (code, len(sandbox.tasks("runware"))), said
    code, said = callsheet(*finished.words())
    assert (0, True) == (code, "no request was sent" in said), said
    assert [] == finished.damage()
    assert ITEMS + ITEMS == read_counter(finished.root / "cups" / COUNTER)


def test_agreed_to_for_one_item_the_other_one_s_clip_is_still_taken(
    finished: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """`store adopt` takes what lies at its output path, and says what stays lost."""
    finished.ledger.unlink()
    one = finished.words("run", "--select", "still[A]#1", "--buy-again", str(PRICE))
    assert (0, 1) == (callsheet(*one)[0], len(sandbox.tasks("runware")))

    code, said = callsheet("store", *finished.words("adopt"))

    assert (0, True) == (code, "adopted: still[B]#1" in said), said
    assert "the next run: 2 items, 0 to make" in said
    assert "1 purchase of cups that" in said
    assert 1 == len(sandbox.tasks("runware"))


def test_what_a_person_went_on_without_can_still_be_adopted(
    finished: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """One campaign's agreement takes no paid clip from another one in the same root."""
    mugs = finished.folder / "mugs.yaml"
    text = (finished.folder / "cups.yaml").read_text("utf-8")
    mugs.write_text(text.replace("name: cups", "name: mugs").replace("a table", "a shelf"), "utf-8")
    words = [word.replace("cups.yaml", "mugs.yaml") for word in finished.words()]
    assert (0, ITEMS) == (callsheet(*words)[0], len(sandbox.tasks("runware")))
    mugs.with_name("mugs.lock.yaml").unlink()
    finished.ledger.unlink()
    code, said = callsheet(*finished.words("run", "--buy-again", str(PRICE * ITEMS)))
    assert (0, 2 * ITEMS) == (code, len(sandbox.tasks("runware"))), said

    code, said = callsheet("store", "adopt", str(mugs), "--root", str(finished.root))

    assert (0, True) == (code, f"{ITEMS} items adopted" in said), said
    code, said = callsheet(*words)
    assert (0, True) == (code, "no request was sent" in said), said
    assert 2 * ITEMS == len(sandbox.tasks("runware"))


@pytest.mark.parametrize("verb", ["ls", "show", "report"])
def test_who_lists_knows_of_the_loss(verb: str, finished: Campaign, callsheet: Callsheet) -> None:
    """Whatever is asked, it is exit 12, never that nothing was run."""
    finished.ledger.unlink()

    code, said = callsheet(*finished.words(verb))

    assert (12, True) == (code, "callsheet store adopt" in said), said


def test_a_rehearsal_s_ledger_is_not_restored_in_a_real_root(
    finished: Campaign, callsheet: Callsheet
) -> None:
    """The root would be unusable: it stays as it is."""
    before = finished.ledger.read_bytes()
    words = [finished.words()[1], "--root", str(finished.root), "--rehearse", "--quiet"]
    words += ["--scenario", str(plain(finished.folder))]
    assert 0 == callsheet("run", *words)[0]
    play = finished.root / "rehearsal" / ".callsheet" / "ledger.db"

    code, said = callsheet("ledger", "restore", str(play), "--root", str(finished.root))

    assert (12, True) == (code, "is the ledger of a rehearsal root" in said), said
    assert before == finished.ledger.read_bytes()


def test_a_clip_that_no_purchase_knows_stops_the_run(
    finished: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """It was paid for, and is named; after an agreement it is set aside, and kept."""
    stray = finished.ledger.parent / "store" / "ab" / f"{'ab' * 32}.mp4"
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"a clip")

    code, said = callsheet(*finished.words())
    assert (12, True, "0.00") == (code, str(stray) in said, _sum(said)), said
    code, told = callsheet("ledger", "check", "--root", str(finished.root))
    assert (15, True) == (code, str(stray) in told)
    code, said = callsheet(*finished.words("run", "--buy-again", "0"))
    assert (0, True) == (code, "no request was sent" in said), said

    assert (0, []) == (callsheet(*finished.words())[0], finished.damage())
    assert b"a clip" == stray.read_bytes()
    assert [] == sandbox.tasks("runware")


@pytest.mark.parametrize("moment", ["in flight", "some landed"])
def test_who_reads_leaves_the_files_as_they_are(
    moment: str, campaign: Campaign, callsheet: Callsheet, tmp_path: Path
) -> None:
    """After a crash, plan, status, check and backup change neither the ledger nor its -wal."""
    _make(campaign, moment)
    before = {path: path.read_bytes() for path in (campaign.ledger, _wal(campaign))}

    for words in (
        campaign.words("plan"),
        campaign.words("status"),
        ["ledger", "check", "--root", str(campaign.root)],
        ["ledger", "backup", str(tmp_path / "copy.db"), "--root", str(campaign.root)],
    ):
        callsheet(*words)
        assert before == {path: path.read_bytes() for path in before}, words


def test_who_reads_makes_no_wal(finished: Campaign, callsheet: Callsheet) -> None:
    """After a clean end the ledger is one whole file, and stays one."""
    before = sorted(finished.ledger.parent.glob("ledger.db*"))
    assert [finished.ledger] == before

    for words in (finished.words("plan"), finished.words("status")):
        assert 0 == callsheet(*words)[0]

    assert before == sorted(finished.ledger.parent.glob("ledger.db*"))


def test_a_ledger_copied_by_itself_after_a_run_is_whole(
    finished: Campaign, callsheet: Callsheet, tmp_path: Path
) -> None:
    """Also while somebody else reads it: what was written is in the one file."""
    with Ledger.open(finished.root):
        reader = Ledger.reader(finished.root)
    assert reader is not None
    with reader:
        shutil.copyfile(finished.ledger, tmp_path / "alone.db")

    finished.ledger.unlink()
    restore = ("ledger", "restore", str(tmp_path / "alone.db"), "--root", str(finished.root))
    assert 0 == callsheet(*restore)[0]
    assert [] == finished.damage()


def test_a_restored_ledger_leaves_the_replaced_one_with_its_wal(
    campaign: Campaign, callsheet: Callsheet
) -> None:
    """Nothing is played onto another ledger, and the replaced one can be restored in its turn."""
    older = _make(campaign, "some landed")
    wal = _wal(campaign).read_bytes()

    assert 0 == callsheet("ledger", "restore", str(older), "--root", str(campaign.root))[0]

    assert not _wal(campaign).exists()
    (kept,) = campaign.ledger.parent.glob("ledger.db.*Z")
    assert wal == kept.with_name(f"{kept.name}-wal").read_bytes()
    assert 12 == callsheet(*campaign.words())[0]
    assert 0 == callsheet("ledger", "restore", str(kept), "--root", str(campaign.root))[0]
    code, said = callsheet(*campaign.words())
    assert (0, ITEMS) == (code, len(campaign.clips)), said


@pytest.mark.parametrize("content", [b"", b"a note, and no ledger " * 99])
def test_what_is_no_ledger_is_not_restored(
    content: bytes, finished: Campaign, callsheet: Callsheet, tmp_path: Path
) -> None:
    """The ledger that is there stays as it is."""
    good, note = finished.ledger.read_bytes(), tmp_path / "note.db"
    note.write_bytes(content)

    code, said = callsheet("ledger", "restore", str(note), "--root", str(finished.root))

    assert (12, True) == (code, f"not restored: {note}: " in said), said
    assert good == finished.ledger.read_bytes()
    assert [finished.ledger] == sorted(finished.ledger.parent.glob("*ledger.db*"))


def test_a_ledger_at_work_is_not_replaced(
    finished: Campaign, callsheet: Callsheet, tmp_path: Path
) -> None:
    """While a process holds the root, restoring is refused."""
    copy = tmp_path / "copy.db"
    assert back_up(finished.root, copy)
    with Ledger.open(finished.root):
        code, said = callsheet("ledger", "restore", str(copy), "--root", str(finished.root))

    assert (12, True) == (code, "is in use by process" in said)


@pytest.mark.parametrize(
    ("point", "counted"),
    [
        ("before the commit of intend", 0),
        ("before the replace to the outputs/*", 0),
        ("after the replace to the outputs/*", 1),
        ("after the commit of intend", 1),
        ("after the replace to store/*.mp4", 1),
        ("before the commit of land to done", 1),
    ],
)
def test_the_counter_is_never_ahead_of_the_ledger(
    point: str, counted: int, campaign: Campaign, sandbox: Sandbox
) -> None:
    """Ended before or after it is written, the next run sees no loss, and pays once."""
    (campaign.folder / "cups.csv").write_text("sku,name\nA,Alba\n", "utf-8")
    words = [str(campaign.folder / "cups.yaml"), str(campaign.root)]
    words += ["--base-url", f"runware={campaign.address}"]

    assert DIED == process(campaign_run, [*words, "--point", point], environment())
    assert counted == read_counter(campaign.root / "cups" / COUNTER)
    assert not sandbox.tasks("runware") or counted
    assert 0 == process(campaign_run, words, environment())

    assert 1 == len(sandbox.tasks("runware")) == len(campaign.clips)
    assert 1 == read_counter(campaign.root / "cups" / COUNTER)


@pytest.mark.parametrize(
    "point",
    [f"before the {SETTLED}", f"after the {SETTLED}", "before the commit of intend"],
)
def test_ended_after_the_agreement_nothing_is_bought_that_was_not_agreed_to(
    point: str, finished: Campaign, sandbox: Sandbox, callsheet: Callsheet
) -> None:
    """Before the agreement is on disk the loss is open; from then on the run goes on as agreed."""
    finished.ledger.unlink()
    words = [str(finished.folder / "cups.yaml"), str(finished.root)]
    words += ["--base-url", f"runware={finished.address}", "--buy-again", "0.84"]

    assert DIED == process(campaign_run, [*words, "--point", point], environment())
    assert [] == sandbox.tasks("runware")
    code, said = callsheet(*finished.words())

    settled = point != f"before the {SETTLED}"
    assert (0 if settled else 12) == code, said
    assert (ITEMS if settled else 0) == len(sandbox.tasks("runware"))
