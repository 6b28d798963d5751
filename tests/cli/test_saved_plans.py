"""A saved plan is run as it was read, or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pipeline.api import loaded_campaign
from pipeline.api.price_list import price_list
from pipeline.cli.command_line import invoke
from pipeline.domain.states import Exit
from pipeline.plan.pricing import Rates
from pipeline.schemas import schema
from tests.cli import edits
from tests.sandboxes import Sandbox

KEY = "key-of-the-saved-plan"
Callsheet = Callable[..., Exit]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a campaign of six clips that is planned, and not made."""
    edits.write_shop(tmp_path / "shop")
    monkeypatch.chdir(tmp_path / "shop")
    monkeypatch.setenv("RUNWARE_API_KEY", KEY)
    assert Exit.OK == invoke(["plan", "shop.yaml", "--out", "plan.json"])
    return tmp_path / "shop"


@pytest.fixture
def apply(sandbox: Sandbox) -> Callsheet:
    """Return what applies the plan at the sandbox."""

    def act(*more: str) -> Exit:
        url = f"--base-url=runware={sandbox.base_urls['runware']}"
        return invoke(["apply", "plan.json", "--yes", url, *more])

    return act


def prompts(sandbox: Sandbox) -> list[str]:
    """Return what was bought, by its prompt."""
    return sorted(task["prompt"] for task in sandbox.tasks("runware", KEY))


def test_a_saved_plan_applies_exactly(
    shop: Path, apply: Callsheet, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """What it buys is bought, once, for its sum; applied again it is stale, for all is there."""
    plan = json.loads((shop / "plan.json").read_text("utf-8"))
    assert (6, {"buys"}) == (len(plan["items"]), {item["class"] for item in plan["items"]})

    assert Exit.OK == apply()

    billed = sum(Decimal(str(task["usd"])) for task in sandbox.tasks("runware", KEY))
    assert (6, Decimal(plan["to_make"]["expected_usd"])) == (len(prompts(sandbox)), billed)
    laid_out = shop / "outputs/shop"
    clips = {path.relative_to(laid_out).as_posix() for path in laid_out.rglob("*.mp4")}
    assert clips == {item["path"] for item in plan["items"]}
    capsys.readouterr()
    assert Exit.STALE == apply()
    assert 'tag[A]#1: what is done: "buys" → "nothing"' in capsys.readouterr().err
    assert 6 == len(prompts(sandbox))


def test_what_does_not_matter_makes_no_plan_stale(
    shop: Path, apply: Callsheet, sandbox: Sandbox
) -> None:
    """A comment, another order of rows, a cell that no prompt reads: it applies."""
    edits.swap("shots:\n", "# for the client\nshots:\n")(shop)
    edits.write(
        "cups.csv",
        "sku,name,price,stock,photo\nB,Brera,15,0,photos/B.jpg\nA,Alba,12,0,photos/A.jpg\n",
    )(shop)

    assert Exit.OK == apply()
    assert 6 == len(prompts(sandbox))


STALE: dict[str, tuple[edits.Act, tuple[str, ...]]] = {
    "manifest": (
        edits.swap("turns slowly", "turns quickly"),
        ("spin[A]#1: prompt: ", "slowly", "quickly", "(shop.yaml:17)", "spin[B]#1"),
    ),
    "setting": (
        edits.swap("  - id: open\n", "  - id: open\n    duration: 10\n"),
        ("open[calm]#1: settings.duration: 5 → 10  (shop.yaml:19)", "expected price"),
    ),
    "table": (
        edits.swap("12,7", "13,7", "cups.csv"),
        ("tag[A]#1: prompt cup.price: ", "for 12", "for 13", "(cups.csv:2, column price)"),
    ),
    "row added": (
        edits.swap("B,Brera", "C,Como,19,2,photos/C.jpg\nB,Brera", "cups.csv"),
        ('spin[C]#1: what is done: "nothing" → "buys"', "tag[C]#1"),
    ),
    "row removed": (
        edits.swap("B,Brera,15,9,photos/B.jpg\n", "", "cups.csv"),
        ('spin[B]#1: what is done: "buys" → "nothing"', "tag[B]#1"),
    ),
    "reference": (
        edits.retouch_photo,
        (
            "spin[A]#1: references image 1 (front): A.jpg",
            "(cups.csv:2, column photo)",
            "open[bold]",
        ),
    ),
    "path": (
        edits.lay_out_at(""),
        ('spin[A]#1: path: "spin/A/t1.mp4" → "A.mp4"',),
    ),
    "provider": (
        edits.swap("[runware]", "[inference, runware]"),
        ('tag[A]#1: provider: "runware" → "inference"',),
    ),
    "purchases": (
        edits.swap("shots:\n", "policy: {purchases: 3}\nshots:\n"),
        ("changed: policy.purchases: 2 → 3",),
    ),
    "limit": (
        edits.swap("40 USD", "30 USD"),
        ('budget.limit in USD: "40.00" → "30.00"',),
    ),
}


@pytest.mark.parametrize("what", STALE)
def test_a_plan_that_does_not_hold_says_why(
    what: str, shop: Path, apply: Callsheet, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 14, each difference with old, new and place; nothing is sent, and no item is written."""
    act, words = STALE[what]
    act(shop)

    assert Exit.STALE == apply()

    told = capsys.readouterr().err
    assert [] == [word for word in words if word not in told], told
    assert [] == prompts(sandbox)


def test_a_rate_that_changed_makes_a_plan_stale(
    shop: Path,
    apply: Callsheet,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A newer version of Callsheet may know other prices."""
    del shop
    known = price_list()

    def dearer() -> Rates:
        twice: dict[Any, Any] = {
            work: replace(rate, usd=rate.usd and rate.usd * 2, high_usd=None)
            for work, rate in known.by_work.items()
        }
        return replace(known, by_work=twice)

    monkeypatch.setattr(loaded_campaign, "price_list", dearer)

    assert Exit.STALE == apply()

    assert "tag[A]#1: " in (told := capsys.readouterr().err)
    assert 'expected price: "' in told
    assert [] == prompts(sandbox)


def test_a_ledger_that_moved_on_makes_a_plan_stale(
    shop: Path, apply: Callsheet, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was made meanwhile is named; --still-valid runs the rest, and nothing twice."""
    del shop
    url = f"--base-url=runware={sandbox.base_urls['runware']}"
    assert Exit.OK == invoke(["run", "shop.yaml", "--yes", "--select", "shot:tag", url])
    capsys.readouterr()

    assert Exit.STALE == apply()

    told = capsys.readouterr().err
    assert 2 == told.count('what is done: "buys" → "nothing"')
    assert 2 == len(prompts(sandbox))
    assert Exit.OK == apply("--still-valid")
    assert 6 == len(prompts(sandbox))
    assert [1, 1] == [
        prompts(sandbox).count(f"{name} for {price} euro in spring light, no text.")
        for name, price in (("Alba", 12), ("Brera", 15))
    ]


def test_what_a_person_reads_has_no_names_of_the_file(
    shop: Path, apply: Callsheet, sandbox: Sandbox, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is done and what may be spent are told in words, and by the manifest's own keys."""
    url = f"--base-url=runware={sandbox.base_urls['runware']}"
    assert Exit.OK == invoke(["run", "shop.yaml", "--yes", url])
    assert Exit.OK == invoke(["plan", "shop.yaml", "--out", "plan.json"])
    edits.both(edits.swap("turns slowly", "turns quickly"), edits.swap("40 USD", "3 USD"))(shop)
    capsys.readouterr()

    assert Exit.STALE == apply()

    told = capsys.readouterr().err
    assert 'spin[A]#1: what is done: "nothing" → "buys again"' in told
    assert "what the budget has no room for, in USD: " in told
    assert [] == [word for word in ("buys_again", "over_usd", "limit_usd") if word in told]


def test_still_valid_leaves_out_what_changed(
    shop: Path, apply: Callsheet, sandbox: Sandbox
) -> None:
    """The item that is another work now is not bought, neither as it was nor as it is."""
    edits.swap("12,7", "13,7", "cups.csv")(shop)

    apply("--still-valid")

    assert 5 == len(prompts(sandbox))
    assert [] == [text for text in prompts(sandbox) if "Alba" in text]


def test_a_plan_of_a_part_applies_to_that_part(
    shop: Path, apply: Callsheet, sandbox: Sandbox
) -> None:
    """Selection and --set are the plan's: what lies outside may change, and is not bought."""
    words = ["--select", "shot:tag", "--set", "vars.season=autumn", "-o", "plan.json"]
    assert Exit.OK == invoke(["plan", "shop.yaml", *words])
    edits.swap("turns slowly", "turns quickly")(shop)

    assert Exit.OK == apply()

    assert 2 == len(prompts(sandbox))
    assert all("autumn" in text for text in prompts(sandbox))


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"callsheet_plan": 2, "items": []}', "callsheet: 1\n"]
)
def test_what_is_no_plan_is_refused(
    text: str, shop: Path, apply: Callsheet, capsys: pytest.CaptureFixture[str]
) -> None:
    """Any other file is a finding, exit 3."""
    (shop / "plan.json").write_text(text, "utf-8")

    assert Exit.INVALID == apply()
    assert "plan.json is no saved plan" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (".", ". is a folder"),
        ("photos", "photos is a folder"),
        ("shop.yaml", "shop.yaml is there, and is no saved plan"),
        ("cups.csv", "cups.csv is there, and is no saved plan"),
        ("photos/A.jpg", "A.jpg is there, and is no saved plan"),
        ("pipe", "pipe is there, and is no saved plan"),
        ("nowhere/plan.json", "plan.json cannot be written: No such file"),
    ],
)
def test_a_plan_takes_the_place_of_a_plan_alone(
    shop: Path, file: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A slip behind --out costs no manifest, no table, no photo and no device."""
    os.mkfifo(shop / "pipe")
    before = {path: path.read_bytes() for path in shop.rglob("*") if path.is_file()}

    assert Exit.INVALID == invoke(["plan", "shop.yaml", "--out", file])

    assert message in capsys.readouterr().err
    assert before == {path: path.read_bytes() for path in shop.rglob("*") if path.is_file()}
    assert (shop / "pipe").is_fifo()
    assert Exit.OK == invoke(["plan", "shop.yaml", "--out", "plan.json"])


def test_a_plan_is_what_its_schema_says(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--format json` prints what `--out` writes; every word is in the schema, and no API key."""
    capsys.readouterr()
    assert Exit.OK == invoke(["plan", "shop.yaml", "--format", "json"])
    printed = capsys.readouterr().out

    assert printed == (shop / "plan.json").read_text("utf-8")
    jsonschema.validate(json.loads(printed), schema("plan"))
    assert KEY not in printed
    assert str(shop) not in printed


def test_a_plan_with_errors_is_told_and_not_saved(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As JSON it has its findings and no items; exit 3, and no file."""
    edits.swap("photos/A.jpg", "photos/X.jpg", "cups.csv")(shop)
    capsys.readouterr()

    assert Exit.INVALID == invoke(["plan", "shop.yaml", "--format", "json", "-o", "other.json"])

    plan = json.loads(capsys.readouterr().out)
    jsonschema.validate(plan, schema("plan"))
    assert (False, [], ["missing-file"]) == (
        plan["ok"],
        plan["items"],
        [each["slug"] for each in plan["findings"]],
    )
    assert not (shop / "other.json").exists()


def test_detailed_exit_code_says_whether_there_is_work(
    shop: Path, apply: Callsheet, capsys: pytest.CaptureFixture[str]
) -> None:
    """2 before, 0 after, 2 again once a clip is asked for that is not there."""
    plan = ["plan", "shop.yaml", "--detailed-exitcode", "--format", "json"]
    assert Exit.WORK == invoke(plan)
    assert Exit.OK == apply()

    assert Exit.OK == invoke(plan)

    edits.swap("12,7", "13,7", "cups.csv")(shop)
    assert Exit.WORK == invoke(plan)
    capsys.readouterr()
