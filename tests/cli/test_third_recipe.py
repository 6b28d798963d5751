"""A rule of keys that is still to come: it takes over what was bought, and buys nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import Project
from pipeline.cli.command_line import invoke
from pipeline.domain.states import Exit
from pipeline.plan import keys
from tests.cli import edits
from tests.recordings.earlier_rule import write_campaign
from tests.sandboxes import Sandbox

KEY = "key-of-the-third-recipe"
NOWHERE = "--base-url=runware=http://127.0.0.1:9"


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> Path:
    """Return the folder of a campaign that the rule of today made; from now on it is recipe 3."""
    edits.write_shop(tmp_path / "shop")
    monkeypatch.chdir(tmp_path / "shop")
    monkeypatch.setenv("RUNWARE_API_KEY", KEY)
    url = f"--base-url=runware={sandbox.base_urls['runware']}"
    assert Exit.OK == invoke(["run", "shop.yaml", "--yes", url])
    before = {item.key for item in Project().open("shop.yaml").plan().iter_changes()}
    monkeypatch.setattr(keys, "RECIPE", 3)
    campaign = Project().open("shop.yaml")
    assert not before & {campaign.describe(address)["key"] for address in edits.ALL}
    return tmp_path / "shop"


def test_a_third_recipe_buys_nothing(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All is there, made by an earlier rule: planned, run, and run again, no request is sent."""
    del made
    plan = Project().open("shop.yaml").plan()
    assert (0, {"nothing"}) == (plan.to_make.items, {i.change.value for i in plan.iter_changes()})
    assert {True} == {item.earlier_rule for item in plan.iter_items()}

    for _ in range(2):
        assert Exit.OK == invoke(["run", "shop.yaml", "--yes", NOWHERE])
        told = capsys.readouterr().out
        assert "nothing to do: 6 items are there; no request was sent" in told
        assert "made by an earlier rule: 6 items" in told


@pytest.mark.parametrize("published", [False, True])
def test_under_a_third_recipe_an_edit_makes_what_it_changed(made: Path, *, published: bool) -> None:
    """And `why` names what was edited, not the rule."""
    if published:
        assert Exit.OK == invoke(["run", "shop.yaml", "--yes", NOWHERE])
    edits.swap("12,7", "13,7", "cups.csv")(made)
    campaign = Project().open("shop.yaml")

    again = [item for item in campaign.plan().iter_changes() if item.change == "buys_again"]

    assert ["tag[A]#1"] == [item.address for item in again]
    assert [("prompt", "cup.price")] == [
        (each.part, each.detail) for each in campaign.why("tag[A]#1").changed
    ]


def test_what_an_earlier_version_bought_is_compared_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its purchases wrote no parts down; what its plan kept tells the old prompt."""
    manifest, _ = write_campaign(tmp_path / "earlier")
    monkeypatch.chdir(manifest.parent)
    words = manifest.read_text("utf-8").replace("the word", "this word")
    manifest.write_text(words, "utf-8")

    assert Exit.OK == invoke(["why", "campaign.yaml", "spin[a]#1", "--root", "root"])

    told = capsys.readouterr().out.splitlines()
    assert "spin[a]#1: buys again, 0.42 USD at runware" == told[0]
    assert [
        "    prompt  (campaign.yaml:10)",
        '        was  "@front with the word a, no text."',
        '        is   "@front with this word a, no text."',
    ] == told[2:]
