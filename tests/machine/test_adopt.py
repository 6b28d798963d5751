"""`store adopt`: what lies there and was paid for is taken in, and is not bought again."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import pytest

from pipeline.ledger.repository import Ledger
from tests.crash.kit import campaign_run
from tests.crash.points import DIED
from tests.machine.campaign import ITEMS, Campaign, environment
from tests.machine.conftest import Callsheet
from tests.processes import process
from tests.sandboxes import Sandbox
from tests.unit.media.clips import write_clip

PRICE = Decimal("0.42")
"""What a clip of the campaign is estimated at."""


@pytest.fixture
def finished(finished: Campaign) -> Campaign:
    """Return the finished campaign without its lock file: nobody remembers what was paid."""
    (finished.folder / "cups.lock.yaml").unlink()
    return finished


def _adopt(campaign: Campaign, *more: str) -> list[str]:
    words = ["store", "adopt", str(campaign.folder / "cups.yaml"), *more]
    return [*words, "--root", str(campaign.root)]


def _lose_ledger(campaign: Campaign) -> None:
    for path in campaign.root.glob(".callsheet/ledger.db*"):
        path.unlink()


def _lose_folder(campaign: Campaign) -> None:
    shutil.rmtree(campaign.root / ".callsheet")


def _committed_usd(campaign: Campaign) -> Decimal:
    ledger = Ledger.reader(campaign.root)
    assert ledger is not None
    with ledger:
        return ledger.committed_usd("cups")


def _sources(campaign: Campaign) -> list[str]:
    ledger = Ledger.reader(campaign.root)
    assert ledger is not None
    with ledger:
        return [record.charge_source for record in ledger.records("cups")]


def _store(campaign: Campaign) -> list[Path]:
    return sorted((campaign.root / ".callsheet" / "store").glob("*/*"))


def _assert_nothing_left_to_do(
    campaign: Campaign, callsheet: Callsheet, sandbox: Sandbox, *, known: Sequence[str] = ()
) -> None:
    """The next run is a no-op, the ledger holds together, and the provider was asked nothing.

    `known` is what `ledger check` says all the same.
    """
    code, said = callsheet(*campaign.words())
    assert (0, True) == (code, "nothing to do: 2 items are there; no request was sent" in said), (
        said
    )
    assert list(known) == campaign.damage()
    assert not sandbox.tasks("runware")


@pytest.mark.parametrize("lose", [_lose_ledger, _lose_folder])
def test_clips_at_their_output_paths_are_not_bought_again(
    lose: Callable[[Campaign], None], finished: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """Without their ledger, or all of `.callsheet`, they are adopted; the next run buys nothing."""
    before = [clip.read_bytes() for clip in finished.clips]
    lose(finished)

    code, said = callsheet(*_adopt(finished))

    assert 0 == code, said
    assert "2 items adopted, booked as paid earlier at the estimate of 0.84 USD" in said
    assert "the next run: 2 items, 0 to make, 2 ready" in said
    assert before == [clip.read_bytes() for clip in finished.clips]
    assert ITEMS * PRICE == _committed_usd(finished)
    assert ["paid earlier"] * ITEMS == _sources(finished)
    _assert_nothing_left_to_do(finished, callsheet, sandbox)


def test_the_status_says_what_of_the_charges_is_an_estimate(
    finished: Campaign, callsheet: Callsheet
) -> None:
    """Beside the sum stands how much of it nobody was told: that of the clips that were adopted."""
    code, said = callsheet(*finished.words("status"))
    assert (0, False) == (code, "adopted" in said), said
    _lose_ledger(finished)
    assert 0 == callsheet(*_adopt(finished))[0]

    code, said = callsheet(*finished.words("status"))

    assert 0 == code, said
    note = (
        "0.84 USD of what was charged is the estimate of 2 adopted clips, paid earlier: what was"
        " really paid is not known"
    )
    assert note in " ".join(said.split()), said


def test_what_was_paid_earlier_counts_against_the_limit(
    finished: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """A lost ledger is no fresh budget: a clip that does not fit beside the estimates is held."""
    _lose_ledger(finished)
    assert 0 == callsheet(*_adopt(finished))[0]
    (finished.folder / "cups.csv").write_text("sku,name\nA,Alba\nB,Brera\nC,Cervo\n", "utf-8")

    code, said = callsheet(*finished.words("run", "--set", "budget.limit=1.20 USD"))

    assert 11 == code, said
    assert not sandbox.tasks("runware")


def test_adopting_twice_books_once(finished: Campaign, callsheet: Callsheet) -> None:
    """The second time there is nothing to adopt."""
    _lose_ledger(finished)
    assert 0 == callsheet(*_adopt(finished))[0]

    code, said = callsheet(*_adopt(finished))

    assert (0, True) == (code, "nothing was adopted" in said)
    assert ITEMS * PRICE == _committed_usd(finished)


def test_a_clip_of_the_store_is_listed_and_named(
    finished: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """Ledger and outputs lost: the store's clips are told, and each is taken for an item."""
    clips = {path: path.read_bytes() for path in finished.clips}
    first, second = (hashlib.sha256(content).hexdigest() for content in clips.values())
    shutil.rmtree(finished.root / "cups")
    _lose_ledger(finished)

    code, listed = callsheet(*_adopt(finished))
    assert 0 == code, listed
    for digest in (first, second):
        assert f"in the store, of no purchase: {digest}  " in listed
    assert "5 s, 720×1280" in listed
    named = (f"{first[:10]}=still[A]", f"{second}=still[B]#1")
    code, said = callsheet(*_adopt(finished, *named))

    assert 0 == code, said
    assert "2 to restore" in callsheet(*finished.words("plan"))[1]
    assert 0 == callsheet(*finished.words())[0]
    assert clips == {path: path.read_bytes() for path in finished.clips}
    # The counter went with the outputs: nothing says how much the lost ledger knew.
    lost = "lost: whatever the ledger knew that left this behind: README, store"
    _assert_nothing_left_to_do(finished, callsheet, sandbox, known=[lost])


def test_a_file_of_yours_that_blocks_a_run_is_adopted(
    made_once: Campaign, campaign: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """`foreign-file` names the command; after it the run buys what is missing."""
    (clip, _) = made_once.clips
    place = campaign.root / clip.relative_to(made_once.root)
    place.parent.mkdir(parents=True)
    shutil.copyfile(clip, place)
    code, said = callsheet(*campaign.words())
    assert 3 == code
    assert "`callsheet store adopt` takes it in without buying it" in said.replace("\n", " ")

    code, said = callsheet(*_adopt(campaign))
    assert 0 == code, said
    assert "1 to make" in said
    code, said = callsheet(*campaign.words())

    assert 0 == code, said
    assert 1 == len(sandbox.tasks("runware"))
    assert clip.read_bytes() == place.read_bytes()


def _text(path: Path) -> None:
    path.write_bytes(b"not one of ours")


def _wide(path: Path) -> None:
    write_clip(path, size=(1280, 720), seconds=5, fps=4)


def _short(path: Path) -> None:
    write_clip(path, size=(720, 1280), seconds=2, fps=4)


def _cut(path: Path) -> None:
    write_clip(path, size=(720, 1280), seconds=5, fps=4)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _folder(path: Path) -> None:
    path.mkdir()


def _symlink(path: Path) -> None:
    write_clip(path.with_name("elsewhere.mp4"), size=(720, 1280), seconds=5, fps=4)
    path.symlink_to(path.with_name("elsewhere.mp4"))


MISFITS: Mapping[str, tuple[Callable[[Path], None], str]] = {
    "text": (_text, "it does not play"),
    "another ratio": (_wide, "1280×720, not a ratio of"),
    "too short": (_short, "2 s, not 5 s"),
    "cut": (_cut, "it does not play"),
    "a folder": (_folder, "it is no regular file"),
    "a symbolic link": (_symlink, "it is no regular file"),
}


@pytest.mark.parametrize("name", MISFITS)
def test_what_is_not_what_the_item_wants_is_left(
    name: str, campaign: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """Exit 10 and why; it stays where it is, nothing is booked, and it blocks the run as before."""
    place = campaign.root / "cups" / "still" / "A" / "t1.mp4"
    place.parent.mkdir(parents=True)
    make, why = MISFITS[name]
    make(place)
    before = sorted(place.parent.iterdir())

    code, said = callsheet(*_adopt(campaign))

    assert 10 == code, said
    assert f"left: {place}, for still[A]#1: " in said
    assert why in said
    assert before == sorted(place.parent.iterdir())
    assert Decimal(0) == _committed_usd(campaign)
    assert [] == _store(campaign)
    assert 3 == callsheet(*campaign.words())[0]
    assert not sandbox.tasks("runware")


def test_one_file_is_one_item_s_clip(
    finished: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """A clip that was copied to another item's path is not that item's: it is left, and told."""
    first, second = finished.clips
    _lose_ledger(finished)
    second.unlink()
    shutil.copyfile(first, second)

    code, said = callsheet(*_adopt(finished))

    assert 10 == code, said
    assert "it is the same file as the clip of still[A]#1" in said
    assert PRICE == _committed_usd(finished)
    assert not sandbox.tasks("runware")


def test_an_older_clip_of_ours_is_not_the_new_item_s(
    finished: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """A prompt that changed wants a new clip: what lies there has its purchase already."""
    (finished.folder / "cups.csv").write_text("sku,name\nA,Adda\nB,Brera\n", "utf-8")

    code, said = callsheet(*_adopt(finished))

    assert (0, True) == (code, "nothing was adopted" in said), said
    assert 0 == callsheet(*finished.words())[0]
    assert 1 == len(sandbox.tasks("runware"))


def test_what_is_in_doubt_is_told_and_not_touched(
    made_once: Campaign, campaign: Campaign, callsheet: Callsheet
) -> None:
    """It may be a task at the provider: a file at its path does not settle that."""
    words = [str(campaign.folder / "cups.yaml"), str(campaign.root)]
    words += ["--base-url", f"runware={campaign.address}", "--point", "before the commit of accept"]
    assert DIED == process(campaign_run, words, environment())
    clip = made_once.clips[0]
    place = campaign.root / clip.relative_to(made_once.root)
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(clip, place)
    before = _committed_usd(campaign)

    code, said = callsheet(*_adopt(campaign))

    assert 10 == code, said
    assert "its item is in doubt: settle it first, with `callsheet reconcile`" in said
    assert before == _committed_usd(campaign)


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("still[A]", "takes SHA=ADDRESS, not 'still[A]'"),
        ("=still[A]", "takes SHA=ADDRESS"),
        ("{sha}=", "takes SHA=ADDRESS"),
        ("ffff=still[A]", "no clip of the store that no purchase knows begins with ffff"),
        ("{sha}=still[Z]", "no item of the plan has the address still[Z]"),
    ],
)
def test_a_clip_or_an_item_that_is_not_there_is_a_fault_of_the_command(
    word: str, told: str, finished: Campaign, callsheet: Callsheet
) -> None:
    """Exit 3 before anything is taken in, also what lies at an output path."""
    _lose_ledger(finished)
    sha256 = _store(finished)[0].stem

    code, said = callsheet(*_adopt(finished, word.replace("{sha}", sha256)))

    assert 3 == code, said
    assert told in said
    assert Decimal(0) == _committed_usd(finished)


def test_a_clip_of_the_store_must_be_what_its_item_wants(
    campaign: Campaign, callsheet: Callsheet, tmp_path: Path
) -> None:
    """A clip of another length is no item's for being named."""
    clip = tmp_path / "short.mp4"
    _short(clip)
    digest = hashlib.sha256(clip.read_bytes()).hexdigest()
    place = campaign.root / ".callsheet" / "store" / digest[:2] / f"{digest}.mp4"
    place.parent.mkdir(parents=True)
    shutil.copyfile(clip, place)

    code, said = callsheet(*_adopt(campaign, f"{digest[:8]}=still[A]"))

    assert 10 == code, said
    assert "2 s, not 5 s" in said
    assert Decimal(0) == _committed_usd(campaign)
