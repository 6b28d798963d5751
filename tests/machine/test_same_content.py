"""One file for several tasks: the provider mixed them up, and a person hears of it."""

from __future__ import annotations

import json

from tests.machine.campaign import Campaign
from tests.machine.conftest import Callsheet
from tests.sandboxes import Sandbox

THREE = "sku,name\nA,Alba\nB,Brera\nC,Cervo\n"


def _items(campaign: Campaign) -> list[dict[str, str]]:
    report = campaign.root / "cups" / "report" / "report.json"
    found: list[dict[str, str]] = json.loads(report.read_text("utf-8"))["items"]
    return found


def test_one_link_for_three_tasks_is_off_spec(
    campaign: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """The first keeps the clip, with a warning; the others are off spec, and say whose it is."""
    (campaign.folder / "cups.csv").write_text(THREE, "utf-8")
    sandbox.play("same-link", times="always")

    code, said = callsheet(*campaign.words())

    assert 10 == code, said
    items = _items(campaign)
    assert ["done", "off_spec", "off_spec"] == sorted(item["state"] for item in items)
    (first,) = (item for item in items if item["state"] == "done")
    assert "the very same file was received for still[" in first["message"]
    for other in (item for item in items if item["state"] == "off_spec"):
        assert "off_spec" == other["cause"]
        assert (
            f"it is the very same file that was received for {first['address']},"
            " which asks for something else" == other["message"]
        )
    warning = (
        "warning: one and the same file was received for still[A]#1, still[B]#1, still[C]#1:"
        " look at each of them"
    )
    assert warning in said
    assert "same_content" in said
    code, told = callsheet(*campaign.words("status"))
    assert (10, True) == (code, warning in told)
    assert 3 == len(sandbox.tasks("runware"))
    assert 10 == callsheet(*campaign.words())[0]
    assert 3 == len(sandbox.tasks("runware"))


def test_one_file_for_two_takes_is_a_warning(
    campaign: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """They ask for the same, so what came may be right for each; that it is one file is told."""
    manifest = campaign.folder / "cups.yaml"
    manifest.write_text(
        manifest.read_text("utf-8").replace("    duration: 5\n", "    duration: 5\n    takes: 2\n"),
        "utf-8",
    )
    (campaign.folder / "cups.csv").write_text("sku,name\nA,Alba\n", "utf-8")
    sandbox.play("same-link", times="always")

    code, said = callsheet(*campaign.words())

    assert 0 == code, said
    warning = "warning: one and the same file was received for still[A]#1, still[A]#2: look at each"
    assert warning in said
    assert ["done", "done"] == [item["state"] for item in _items(campaign)]
    assert any("of which it is another take" in item["message"] for item in _items(campaign))
    code, told = callsheet(*campaign.words("status"))
    assert (0, True) == (code, warning in told)


def test_a_new_prompt_that_brings_the_old_file_is_off_spec(
    campaign: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """The item is the same, what it asks for is not: its old clip is no new one."""
    (campaign.folder / "cups.csv").write_text("sku,name\nA,Alba\n", "utf-8")
    sandbox.play("same-link", times="always")
    assert 0 == callsheet(*campaign.words())[0]
    (campaign.folder / "cups.csv").write_text("sku,name\nA,Adda\n", "utf-8")

    code, said = callsheet(*campaign.words())

    assert 10 == code, said
    (item,) = _items(campaign)
    assert "off_spec" == item["state"]
    assert "which asks for something else" in item["message"]


def test_clips_of_their_own_are_no_warning(finished: Campaign, callsheet: Callsheet) -> None:
    """A usual campaign hears nothing of it."""
    code, said = callsheet(*finished.words("status"))

    assert (0, False) == (code, "one and the same file" in said)
