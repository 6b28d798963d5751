"""`reconcile --select … --resubmit|--abandon`: one agreed word for many doubts."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from pipeline.cli.command_line import invoke
from pipeline.domain import Policy
from pipeline.domain.states import State
from pipeline.errors import Undecidable
from pipeline.ledger.repository import Ledger
from pipeline.run.manual import Decision, decide
from tests.unit.run.campaign import CAMPAIGN, Studio, entry
from tests.unit.run.shop import OFFER, Provider

MANIFEST = f"""\
callsheet: 1
name: {CAMPAIGN}
shots: [{{id: spin, prompt: "It turns."}}]
"""
NAMES = ("a", "b", "c", "d")


@pytest.fixture
async def studio(tmp_path: Path) -> Studio:
    """Return a root where `a`, `b` and `c` are in doubt at 0.56 USD each, and `d` is done.

    Nobody can ask the provider: no adapter is known by its name.
    """
    (tmp_path / "spring.yaml").write_text(MANIFEST, "utf-8")
    offer = replace(OFFER, features=frozenset())
    found = Studio(tmp_path / "root", provider=Provider(offer), policy=Policy(stop=False))
    found.confirm_price()
    found.concurrency = 1
    found.shop.script.extend(["lost"] * 3)
    await found.make(*NAMES)
    assert ["in_doubt", "in_doubt", "in_doubt", "done"] == found.states()
    return found


def _reconcile(studio: Studio, *words: str) -> int:
    manifest = studio.root.parent / "spring.yaml"
    return int(invoke(["reconcile", str(manifest), "--root", str(studio.root), *words]))


@pytest.fixture(autouse=True)
def _nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have no key of the provider: what it knows is not for these tests."""
    why = {"shop": "it has no key here"}
    monkeypatch.setattr("pipeline.cli.commands.reconcile.keyless", lambda *_: why)


async def test_the_sum_must_be_named_and_right(
    studio: Studio, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a person: `--yes` alone names the sum, another sum is 12, the right one decides."""
    words = ("--select", "state:in_doubt", "--resubmit")

    nobody = _reconcile(studio, *words)
    asked = capsys.readouterr()
    unnamed = _reconcile(studio, *words, "--yes")
    named = capsys.readouterr()
    wrong = _reconcile(studio, *words, "--yes", "--worst-case", "0.56")
    told = capsys.readouterr()

    assert (3, 3, 12) == (nobody, unnamed, wrong)
    assert "nobody is there to ask" in asked.err
    assert "3 items in doubt or overdue to be bought again" in asked.out
    assert "--worst-case 1.68" in named.err
    assert "--worst-case 0.56 is not the sum: it is 1.68" in told.out
    assert ["in_doubt", "in_doubt", "in_doubt", "done"] == studio.states()

    code = _reconcile(studio, *words, "--yes", "--worst-case", "1.68")

    assert 0 == code, capsys.readouterr()
    assert ["planned", "planned", "planned", "done"] == studio.states()
    assert [Decimal("0.56")] * 3 == [record.possible_usd for record in studio.records()[:3]]


async def test_what_is_bought_again_is_made_once(studio: Studio) -> None:
    """After one word for all of them the next run makes them, and nothing else."""
    assert 0 == _reconcile(
        studio, *("--select", "state:in_doubt", "--resubmit", "--yes", "--worst-case", "1.68")
    )

    outcome = await studio.run()

    assert 0 == outcome.exit_code
    assert ["done"] * 4 == studio.states()
    assert 4 == len(studio.shop.tasks)


@pytest.mark.parametrize(
    ("typed", "code", "states"),
    [
        ("2 items, 1.12 USD", 13, ["abandoned", "abandoned", "in_doubt", "done"]),
        ("  2  items, 1.12 USD ", 13, ["abandoned", "abandoned", "in_doubt", "done"]),
        ("yes", 12, ["in_doubt", "in_doubt", "in_doubt", "done"]),
        ("2 items", 12, ["in_doubt", "in_doubt", "in_doubt", "done"]),
    ],
)
async def test_a_person_types_how_many_and_how_much(
    typed: str,
    code: int,
    states: list[str],
    studio: Studio,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Only the number and the dollars together agree; what is not selected stays in doubt."""
    asked: list[str] = []

    def answer(question: str) -> str:
        asked.append(question)
        return typed

    monkeypatch.setattr("pipeline.cli.commands.reconcile.person_is_there", lambda: True)
    monkeypatch.setattr("typer.prompt", answer)

    found = _reconcile(studio, "--select", "spin[a] spin[b]", "--abandon")

    assert code == found, capsys.readouterr()
    assert ["Type '2 items, 1.12 USD' to agree"] == asked
    assert states == studio.states()


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--resubmit",), "say --select"),
        (("--select", "shot:spin"), "a selection needs --resubmit or --abandon"),
        (("--select", "shot:spin", "--resubmit", "--abandon"), "cannot both be about"),
        (("--resubmit", "spin[a]", "--yes"), "are about many items"),
    ],
)
async def test_words_that_do_not_go_together_are_3(
    words: tuple[str, ...], why: str, studio: Studio, capsys: pytest.CaptureFixture[str]
) -> None:
    """What nobody can have meant is a fault of the command."""
    assert 3 == _reconcile(studio, *words)
    assert why in capsys.readouterr().err
    assert ["in_doubt", "in_doubt", "in_doubt", "done"] == studio.states()


async def test_with_many_doubts_the_one_word_is_told(
    studio: Studio, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody has to type three hundred commands."""
    assert 13 == _reconcile(studio)
    said = capsys.readouterr().out
    assert "to decide all 3 doubts at once:" in said
    assert "--select state:in_doubt --resubmit" in said


async def test_of_two_tasks_with_one_id_neither_is_written(studio: Studio) -> None:
    """All words of one call are one transaction: before, the first stood and the second not."""
    now = studio.clock.now()
    one_id = [
        Decision(address=f"spin[{name}]", after=State.WAITING, task="t9") for name in ("a", "b")
    ]
    taken = [
        Decision(address="spin[a]", after=State.WAITING, task="t8"),
        Decision(address="spin[b]", after=State.WAITING, task="t1"),
    ]
    twice = [
        Decision(address="spin[a]", after=State.ABANDONED),
        Decision(address="spin[a]", after=State.PLANNED),
    ]
    assert "t1" == studio.records()[3].task

    with Ledger.open(studio.root) as ledger:
        for words, why in (
            (one_id, r"task t9 is named for spin\[a\] and spin\[b\]"),
            (taken, "task t1 belongs to another item"),
            (twice, r"spin\[a\] is decided twice"),
        ):
            with pytest.raises(Undecidable, match=f"{why}.*nothing was changed"):
                decide(ledger, CAMPAIGN, words, now=now)

    assert ["in_doubt", "in_doubt", "in_doubt", "done"] == studio.states()


async def test_a_doubt_of_an_earlier_plan_is_not_selected(studio: Studio) -> None:
    """A selection is of the plan; what left it is decided by its own address."""
    assert studio.admit([entry("b"), entry("d")]).ok

    code = _reconcile(
        studio, "--select", "state:in_doubt", "--abandon", "--yes", "--worst-case", "0.56"
    )

    assert 13 == code
    with Ledger.open(studio.root) as ledger:
        assert ["spin[a]", "spin[c]"] == [job.address for job in ledger.sent_jobs(CAMPAIGN)]
