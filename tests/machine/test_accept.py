"""`accept:` on a command line: rounds, decisions between them, caps, and what is told."""

from __future__ import annotations

import json
import re

import pytest

from pipeline.domain.states import Exit
from tests.machine.campaign import MANIFEST, TABLE, Campaign
from tests.machine.conftest import Callsheet
from tests.sandboxes import Sandbox

LOOP = MANIFEST.replace("tables:", "accept: {ACCEPT}\ntables:", 1)


class Loop:
    """A campaign with a loop of takes, and what is said of it."""

    def __init__(self, campaign: Campaign, callsheet: Callsheet, sandbox: Sandbox) -> None:
        self.campaign, self.callsheet, self.sandbox = campaign, callsheet, sandbox

    def write(self, accept: str, text: str = LOOP, table: str = TABLE) -> None:
        """Write the manifest with these words after `accept:`, and its table."""
        (self.campaign.folder / "cups.yaml").write_text(text.replace("{ACCEPT}", accept), "utf-8")
        (self.campaign.folder / "cups.csv").write_text(table, "utf-8")

    def run(self, *more: str) -> tuple[int, int, str]:
        """Run it; return the exit code, how many clips were ordered, and what was printed."""
        before = len(self.sandbox.tasks("runware"))
        code, printed = self.callsheet(*self.campaign.words("run", *more))
        return code, len(self.sandbox.tasks("runware")) - before, printed

    def say(self, verdict: str, address: str, *more: str) -> None:
        """Decide on a take, or ask for one more."""
        code, printed = self.callsheet(*self.campaign.words(verdict), address, *more)
        assert 0 == code, printed

    def call(self, command: str, *more: str) -> tuple[int, str]:
        """Call another command on the campaign."""
        return self.callsheet(*self.campaign.words(command, *more))


@pytest.fixture
def loop(campaign: Campaign, callsheet: Callsheet, sandbox: Sandbox) -> Loop:
    """Return a campaign with a loop, nothing of it made."""
    return Loop(campaign, callsheet, sandbox)


def test_two_rounds_to_approval(loop: Loop) -> None:
    """One take each, decisions, two more where it was rejected, and the end once all is approved.

    Without decisions nothing is bought, however often it is run.
    """
    loop.write("{rounds: [1, 2], takes: 4, spend: 3.00 USD}")

    code, bought, printed = loop.run()
    assert (Exit.WAITING, 2) == (code, bought), printed
    assert "2 places wait for you: 2 clips to approve or reject" in printed
    code, bought, printed = loop.run()
    assert (Exit.WAITING, 0) == (code, bought), printed
    assert "2 places wait for you" in printed
    assert Exit.WAITING == loop.call("status")[0]
    loop.say("approve", "still[A]#1")
    loop.say("reject", "still[B]#1", "--reason", "blurred")
    code, printed = loop.call("plan")
    assert "places: 1 open, 1 approved\n" in printed, printed
    assert "\n4 items, 2 to make, 2 ready; 0.84 USD\n" in printed
    assert (
        "this round: 2 takes; left to the caps of these places after it: 1 take, at most 0.42 USD"
        in printed
    )

    code, bought, printed = loop.run()
    assert (Exit.WAITING, 2) == (code, bought), printed
    assert "1 place waits for you: 2 clips" in printed
    loop.say("later", "still[B]#2")
    loop.say("reject", "still[B]#3", "--reason", "colour")
    assert (Exit.WAITING, 0) == loop.run()[:2]
    loop.say("approve", "still[B]#2")

    code, bought, printed = loop.run()
    assert (Exit.OK, 0) == (code, bought), printed
    code, printed = loop.call("status")
    assert Exit.OK == code, printed
    listed = re.findall(r"^still\S+", loop.call("ls")[1], re.MULTILINE)
    assert ["still[A]#1", "still[B]#1", "still[B]#2", "still[B]#3"] == listed
    for command in ("show", "why"):
        assert Exit.OK == loop.call(command, "still[B]#3")[0]


def test_a_place_is_stuck_at_its_takes(loop: Loop) -> None:
    """It is told with what was rejected and why, and that is a failure; a higher cap goes on."""
    loop.write("{rounds: [1], takes: 2}", table="sku,name\nA,Alba\n")
    for take in (1, 2):
        assert (Exit.WAITING, 1) == loop.run()[:2]
        loop.say("reject", f"still[A]#{take}", "--reason", "blurred", "--note", f"no {take}")

    code, bought, printed = loop.run()

    assert (Exit.FAILURES, 0) == (code, bought), printed
    told = re.search(r"^stuck: still\[A\] after 2 takes: (.*)$", printed, re.MULTILINE)
    assert told, printed
    assert "(blurred: no 1); #2 rejected by" in told[1]
    assert Exit.FAILURES == loop.call("status")[0]
    loop.write("{rounds: [1], takes: 3}", table="sku,name\nA,Alba\n")
    assert (Exit.WAITING, 1) == loop.run()[:2]


def test_a_place_is_stuck_at_its_money(loop: Loop) -> None:
    """One take costs 0.42: of 1.00 two are bought, and never a third, whoever asks for it."""
    loop.write("{rounds: [3], spend: 1.00 USD}", table="sku,name\nA,Alba\n")

    assert (Exit.WAITING, 2) == loop.run()[:2]
    for take in (1, 2):
        loop.say("reject", f"still[A]#{take}", "--reason", "blurred")
    code, bought, printed = loop.run()
    assert (Exit.FAILURES, 0) == (code, bought), printed
    assert "stuck: still[A]: 0.84 of 1.00 USD are spent" in printed
    loop.say("reroll", "still[A]#1")
    assert (Exit.FAILURES, 0) == loop.run()[:2]


def test_what_is_off_spec_is_replaced_in_its_round(loop: Loop, sandbox: Sandbox) -> None:
    """In the same run and inside the cap, and it is no failure of a place that has another clip.

    One that comes off spec as often as the cap allows is stuck; a person may approve it all the
    same.
    """
    loop.write("{rounds: [1], takes: 3}")
    sandbox.play("wrong-seconds", prompt="Alba")
    sandbox.play("wrong-seconds", prompt="Brera", times=3)

    code, bought, printed = loop.run()

    assert (Exit.FAILURES, 5) == (code, bought), printed
    assert "1 place waits for you: 1 clip " in printed
    assert "stuck: still[B] after 3 takes: #1 off spec; #2 off spec; #3 off spec" in printed
    loop.say("approve", "still[B]#2")
    assert (Exit.WAITING, 0) == loop.run()[:2]
    loop.say("approve", "still[A]#2")
    code, bought, printed = loop.run()
    assert (Exit.OK, 0) == (code, bought), printed
    assert Exit.OK == loop.call("status")[0]


def test_a_replacement_beyond_the_agreed_sum_is_held(loop: Loop, sandbox: Sandbox) -> None:
    """Who agreed to a sum agreed to no more: the next run buys what is left of the round."""
    loop.write("{rounds: [1], takes: 3}", table="sku,name\nA,Alba\n")
    sandbox.play("wrong-seconds", prompt="Alba")

    code, bought, printed = loop.run("--max-cost", "0.42")

    assert (Exit.HELD, 1) == (code, bought), printed
    assert "held runware still[A]#2 cause=per_run" in printed
    assert Exit.HELD == loop.call("status")[0]
    assert (Exit.WAITING, 1) == loop.run("--max-cost", "0.42")[:2]


def test_an_approved_clip_off_spec_is_no_failure(loop: Loop, sandbox: Sandbox) -> None:
    """Without a loop it ends its run with 10, and each later one until a person approves it."""
    loop.write("off")
    sandbox.play("wrong-seconds", prompt="Alba")
    assert (Exit.FAILURES, 2) == loop.run()[:2]
    assert (Exit.FAILURES, 0) == loop.run()[:2]
    loop.say("approve", "still[A]#1")

    code, bought, printed = loop.run()

    assert (Exit.OK, 0) == (code, bought), printed
    assert "nothing to do: 2 items are there; " in printed
    assert Exit.OK == loop.call("status")[0]
    loop.write("off", table=TABLE + "C,Cara\n")
    assert (Exit.OK, 1) == loop.run()[:2]
    sandbox.play("wrong-seconds", prompt="Dora")
    loop.write("off", table=TABLE + "D,Dora\n")
    assert (Exit.FAILURES, 1) == loop.run()[:2]
    assert Exit.FAILURES == loop.call("status")[0]


def test_what_failed_for_free_is_bought_again_in_its_round(
    loop: Loop, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under its own number as often as the policy allows, then under the next, in one run."""
    monkeypatch.setenv("APIMART_API_KEY", "a-key-of-the-loop")
    loop.write("{rounds: [1], takes: 3}", LOOP.replace("runware", "apimart"), "sku,name\nA,Alba\n")
    sandbox.play("failed", provider="apimart", times=2)
    url = f"apimart={sandbox.base_urls['apimart']}"

    code, _, printed = loop.run("--base-url", url)

    assert Exit.WAITING == code, printed
    assert 3 == len(sandbox.tasks("apimart"))
    listed = re.findall(r"^still\S+", loop.call("ls")[1], re.MULTILINE)
    assert ["still[A]#1", "still[A]#2"] == listed
    loop.say("approve", "still[A]#2")
    assert Exit.OK == loop.run("--base-url", url)[0]


def test_what_is_refused_is_not_replaced(loop: Loop, sandbox: Sandbox) -> None:
    """Its place is told with what buys it; saying so buys it again, under its own number."""
    loop.write("{rounds: [1, 2], takes: 4}")
    sandbox.play("refused", prompt="Alba")

    code, bought, printed = loop.run()

    assert (Exit.FAILURES, 2) == (code, bought), printed
    assert "halted: still[A]: #1 refused; --retry refused buys it again" in printed
    assert "1 place waits for you" in printed
    assert (Exit.FAILURES, 0) == loop.run()[:2]
    assert (Exit.WAITING, 1) == loop.run("--retry", "refused")[:2]
    listed = re.findall(r"^still\S+", loop.call("ls")[1], re.MULTILINE)
    assert ["still[A]#1", "still[B]#1"] == listed


def test_an_edit_begins_anew_and_the_money_is_for_ever(loop: Loop) -> None:
    """Takes and rounds count under the present prompt, and it says so; `spend` does not forget.

    What was approved stays, buys nothing, and is made anew once it is reopened.
    """
    loop.write("{rounds: [1], takes: 2, spend: 1.00 USD}")
    assert (Exit.WAITING, 2) == loop.run()[:2]
    loop.say("approve", "still[B]#1")
    loop.say("reject", "still[A]#1", "--reason", "blurred")
    edited = LOOP.replace("stands on", "lies on")
    loop.write("{rounds: [1], takes: 2, spend: 1.00 USD}", edited)

    code, printed = loop.call("plan")
    assert "edited: 1 place begins anew" in printed, printed
    assert "places: 1 open, 1 approved" in printed
    code, bought, printed = loop.run()
    assert (Exit.WAITING, 1) == (code, bought), printed
    loop.say("reject", "still[A]#1", "--reason", "dark")
    code, bought, printed = loop.run()
    assert (Exit.FAILURES, 0) == (code, bought), printed
    assert "0.84 of 1.00 USD are spent" in printed
    loop.say("reopen", "still[B]#1")
    code, bought, printed = loop.run()
    assert (Exit.FAILURES, 1) == (code, bought), printed
    listed = re.findall(r"^still\S+", loop.call("ls")[1], re.MULTILINE)
    assert ["still[A]#1", "still[B]#1"] == listed


def test_a_reroll_adds_one_inside_the_caps(loop: Loop) -> None:
    """Beside the round it was asked in, once; then the next round has its own size."""
    loop.write("{rounds: [1], takes: 3}", table="sku,name\nA,Alba\n")
    assert (Exit.WAITING, 1) == loop.run()[:2]
    loop.say("reroll", "still[A]#1")

    assert (Exit.WAITING, 1) == loop.run()[:2]
    assert (Exit.WAITING, 0) == loop.run()[:2]
    for take in (1, 2):
        loop.say("reject", f"still[A]#{take}", "--reason", "blurred")
    assert (Exit.WAITING, 1) == loop.run()[:2]
    loop.say("reroll", "still[A]#3")
    assert (Exit.WAITING, 0) == loop.run()[:2]
    loop.say("approve", "still[A]#3")
    code, printed = loop.call("reroll", "still[A]#3")
    assert Exit.INVALID == code
    assert "still[A] has what was asked for" in printed


CELLS = """    variants: {matrix: {mood: [calm, bold, wild]}}
    prompt: "{{ cup.name }} stands on a table, {{ variant.mood }}, no text."
"""


def test_one_clip_a_row_is_tried_cell_by_cell(loop: Loop, sandbox: Sandbox) -> None:
    """In written order; the next cell when one is at its cap, and none once the row has a clip."""
    head, _, tail = LOOP.partition("    prompt:")
    text = head + CELLS + tail.partition("\n")[2]
    loop.write("{each: row, rounds: [1], takes: 2}", text)
    assert (Exit.WAITING, 2) == loop.run()[:2]
    loop.say("approve", "still[A,calm]#1")
    for address in ("still[B,calm]#1", "still[B,calm]#2"):
        loop.say("reject", address, "--reason", "blurred")
        assert (Exit.WAITING, 1) == loop.run()[:2]
    assert ["still[A,calm]#1", "still[B,calm]#1", "still[B,calm]#2", "still[B,bold]#1"] == (
        re.findall(r"^still\S+", loop.call("ls")[1], re.MULTILINE)
    )
    loop.say("reject", "still[B,bold]#1", "--reason", "blurred")
    sandbox.play("refused", prompt="Brera")
    # Refused in this cell too: the last one is tried by the same run.
    assert (Exit.WAITING, 2) == loop.run()[:2]
    assert Exit.WAITING == loop.call("status")[0]
    loop.say("approve", "still[B,calm]#2")

    code, bought, printed = loop.run()
    assert (Exit.OK, 0) == (code, bought), printed
    assert Exit.OK == loop.call("status")[0]


def test_a_selection_is_about_its_own_places(loop: Loop) -> None:
    """What is not selected is neither made nor told, and keeps its round for later."""
    loop.write("{rounds: [1], takes: 2}")

    code, bought, printed = loop.run("--select", "row.sku:A")

    assert (Exit.WAITING, 1) == (code, bought), printed
    assert "1 place waits for you: 1 clip" in printed
    loop.say("approve", "still[A]#1")
    assert (Exit.OK, 0) == loop.run("--select", "row.sku:A")[:2]
    assert Exit.OK == loop.call("status", "--select", "row.sku:A")[0]
    assert (Exit.WAITING, 1) == loop.run()[:2]


def test_a_shot_may_have_its_own_loop_and_a_profile_none(loop: Loop) -> None:
    """What a shot says is laid over the manifest's; a profile without it makes `takes` again."""
    more = """  - id: fixed
    accept: off
    takes: 2
    prompt: "A cup stands still."
  - id: own
    accept: {rounds: [2]}
    prompt: "A cup stands there."
profiles: {draft: {accept: off, overrides: {takes: 1}}}
"""
    loop.write("{rounds: [1], takes: 2}", LOOP.replace("policy:", more + "policy:"))

    code, bought, printed = loop.run()
    assert (Exit.WAITING, 6) == (code, bought), printed
    assert "3 places wait for you: 4 clips" in printed
    # The first takes are the same work: what was bought is there, and nothing waits.
    code, bought, printed = loop.run("--profile", "draft")
    assert (Exit.OK, 0) == (code, bought), printed


def test_a_saved_plan_is_one_round_exactly(loop: Loop, sandbox: Sandbox) -> None:
    """What comes off spec waits for the next run; after it, the plan does not hold any more."""
    loop.write("{rounds: [1], takes: 3}")
    sandbox.play("wrong-seconds", prompt="Alba")
    file = loop.campaign.folder / "plan.json"
    assert 0 == loop.call("plan", "--out", str(file))[0]
    header = json.loads(file.read_text("utf-8"))
    assert {
        "states": {"open": 2},
        "waiting_clips": 0,
        "buys": 2,
        "begun_anew": 0,
        "takes_left": 4,
        "left_usd": "1.68",
    } == header["places"]
    apply = ("apply", str(file), "--yes", "--base-url", f"runware={loop.campaign.address}")

    code, printed = loop.callsheet(*apply)

    assert Exit.WAITING == code, printed
    assert 2 == len(sandbox.tasks("runware"))
    assert "1 place open: the next run makes more takes there" in printed
    assert Exit.STALE == loop.callsheet(*apply)[0]
    assert (Exit.WAITING, 1) == loop.run()[:2]


def test_a_locked_run_wants_what_the_lock_file_has(loop: Loop) -> None:
    """All takes of it, rejected ones too, and no place besides; nothing is bought."""
    loop.write("{rounds: [2], takes: 3}")
    assert (Exit.WAITING, 4) == loop.run()[:2]
    for take in (1, 2):
        loop.say("reject", f"still[A]#{take}", "--reason", "blurred")
    loop.write("{rounds: [2], takes: 3}", table=TABLE + "C,Cara\n")

    code, bought, printed = loop.run("--locked")

    assert (Exit.OK, 0) == (code, bought), printed
    assert (Exit.WAITING, 3) == loop.run()[:2]


def test_a_locked_run_judges_no_place(loop: Loop, sandbox: Sandbox) -> None:
    """A take off spec, replaced or not, is there as the lock file says: that is all it asks."""
    loop.write("{rounds: [1], takes: 1}")
    sandbox.play("wrong-seconds", prompt="Alba")
    assert (Exit.FAILURES, 2) == loop.run()[:2]

    code, bought, printed = loop.run("--locked")

    assert (Exit.OK, 0) == (code, bought), printed
    (loop.campaign.clips[0]).unlink()
    code, bought, printed = loop.run("--locked")
    assert (Exit.OK, 0) == (code, bought), printed


def test_the_first_round_is_what_providers_are_compared_by(loop: Loop) -> None:
    """`plan --compare` reads neither ledger nor decisions, and says so."""
    loop.write("{rounds: [2, 1], takes: 3}")
    assert (Exit.WAITING, 4) == loop.run()[:2]

    code, printed = loop.call("plan", "--compare")

    assert Exit.OK == code
    assert "Runware: all 4 items" in printed
    assert "the first round is counted" in printed
    loop.write("off")
    assert "the first round is counted" not in loop.call("plan", "--compare")[1]


def test_the_hook_of_waiting_is_told_how_many(loop: Loop) -> None:
    """A run that ends with clips to decide on calls `waiting`, with the number of places."""
    loop.write("{rounds: [2], takes: 3}")
    told = loop.campaign.folder / "told"
    script = 'echo "$CALLSHEET_EVENT $CALLSHEET_WAITING" > told; echo "$CALLSHEET_SUMMARY" >> told'
    words = ["sh", "-c", script]
    (loop.campaign.folder / "callsheet.toml").write_text(
        f"[on]\nwaiting = {json.dumps(words)}\n", "utf-8"
    )

    assert Exit.WAITING == loop.run()[0]

    event, summary = told.read_text("utf-8").splitlines()
    assert "waiting 2" == event
    assert "cups: 4 of 4 clips done, 2 places waiting for a decision; " in summary
