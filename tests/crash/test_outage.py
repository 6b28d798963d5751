"""An hour of gateway errors: the brake stops the lane; all is made in the end, nothing twice."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline.api.campaign_request import CampaignRequest, RunSettings, SpendLimit
from pipeline.api.campaign_run import Run
from pipeline.api.loaded_campaign import load_campaign
from pipeline.api.project_file import project_of
from pipeline.cli.command_line import invoke
from pipeline.clock import RealClock
from pipeline.domain import Feature, Kind
from pipeline.domain.states import State
from pipeline.ledger.repository import Ledger
from pipeline.providers import OFFERS
from pipeline.run.manual import list_sent
from pipeline.run.outcome import Outcome
from tests.conftest import FIGURE
from tests.crash.kit import addressed
from tests.sandboxes import PLAIN, Sandbox

Tell = Callable[[str, object], None]
KEY = "a-key-of-the-outage-drill"
NAME = "outage"
WARM = 10
"""Items that are made before the outage begins: their price is known by then."""
SHARE = 0.7
HOUR_S, EIGHT_MINUTES_S = 3600.0, 480.0
RUNS_MEANWHILE = 3
"""How often somebody runs the campaign during an hour's outage."""
SLOW = 5.0
"""How fast time goes where a doubt cannot be settled: an intent is not to grow old (30 s) because
this machine is busy."""
_MANIFEST = """\
callsheet: 1
name: outage
tables: {{numbers: {{file: numbers.csv, key: number, as: line}}}}
bundles: {{opening: {{frames: {{first: box.png}}}}}}
shots:
  - id: wall
    for: numbers
    provider: {provider}
    mode: pro
    duration: 5
{ways}
    prompt: "The number <{{{{ line.number }}}}> on a wall, no text."
policy: {{stop: {{same_cause: {same_cause}}}}}
budget: {{limit: 100000 USD, unpriced: {{assume: 1.00 USD}}}}
"""
_TEXT = '    aspect_ratio: "9:16"'
_FRAME = "    use: [opening]\n    aspect_ratio: auto"


class QuickClock(RealClock):
    """The real wall clock, whose timers run some times as fast: a provider's own clock is real."""

    def __init__(self, factor: float) -> None:
        self._factor = factor
        self._began = time.monotonic()
        self._ahead_s = 0.0

    def monotonic(self) -> float:
        """Return the quick seconds that have passed."""
        return (time.monotonic() - self._began) * self._factor + self._ahead_s

    def advance(self, seconds: float) -> None:
        """Let so many quick seconds pass at once, while nothing runs."""
        self._ahead_s += seconds

    async def sleep(self, seconds: float) -> None:
        """Return when so many quick seconds have passed."""
        await asyncio.sleep(max(0.0, seconds) / self._factor)


@dataclass(slots=True, kw_only=True)
class Outage:
    """One campaign at one provider whose gateway fails for a while."""

    provider: str
    items: int
    seed: int
    folder: Path
    sandbox: Sandbox
    factor: float = 20.0
    same_cause: int = 5
    runs: int = 0
    decisions: int = 0
    decided: int = 0
    stops: int = 0
    doubts: int = 0
    """The most that were open at the end of a run."""
    clock: QuickClock = field(init=False)

    def __post_init__(self) -> None:
        self.clock = QuickClock(self.factor)
        self.folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (720, 1280), (180, 120, 60)).save(self.folder / "box.png")
        numbers = "".join(f"{number:04}\n" for number in range(self.items))
        (self.folder / "numbers.csv").write_text(f"number\n{numbers}", "utf-8")
        text = Kind.TEXT in OFFERS[self.provider].models["kling-o1"]
        manifest = _MANIFEST.format(
            provider=self.provider,
            ways=_TEXT if text else _FRAME,
            same_cause=self.same_cause,
        )
        self._manifest.write_text(manifest, "utf-8")

    @property
    def _manifest(self) -> Path:
        return self.folder / "outage.yaml"

    @property
    def _before_the_origin(self) -> bool:
        """Tell whether its errors come before the provider: where nobody could find out later."""
        features = OFFERS[self.provider].features
        return not features & {Feature.IDEMPOTENT, Feature.FIND, Feature.LISTING}

    def play(self) -> None:
        """Make a few, let the gateway fail, have a person decide at most once, and make the rest.

        Where the provider knows our ids the outage lasts eight minutes, and the run lives through
        it; elsewhere it lasts an hour, in which the campaign is run again and again.
        """
        self._run(first=WARM)
        names = ["error"] if self._before_the_origin else ["error", "error-after"]
        self.sandbox.set(chaos={"rate": SHARE, "seed": self.seed, "faults": names})
        if Feature.IDEMPOTENT in OFFERS[self.provider].features:
            self._run(until_s=EIGHT_MINUTES_S)
        else:
            for _ in range(RUNS_MEANWHILE):
                self._run()
                self.clock.advance(HOUR_S / RUNS_MEANWHILE)
            self.sandbox.set(chaos=0)
        if self._open_doubts():
            self._decide_once()
        self._run()

    def count(self) -> Mapping[str, int]:
        """Return how often each item was taken, by the number in its prompt."""
        prompts = [task["prompt"] for task in self.sandbox.tasks(self.provider)]
        return Counter(re.findall(r"<(\d+)>", " ".join(prompts)))

    def states(self) -> Mapping[str, int]:
        """Return how many items stand where."""
        with Ledger.open(self.folder / "root") as ledger:
            return Counter(record.state for record in ledger.records(NAME))

    def _run(self, *, first: int | None = None, until_s: float = 0.0) -> None:
        """Run it; `until_s` seconds after its beginning the gateway is well again."""
        request = CampaignRequest(
            manifest=self._manifest,
            project=project_of(self._manifest),
            root=self.folder / "root",
            base_urls=tuple(addressed(self.sandbox, [self.provider])[1::2]),
            first=first,
        )
        settings = RunSettings(
            spending=SpendLimit(yes=True),
            variables={OFFERS[self.provider].key_env: KEY},
            clock=self.clock,
        )

        async def make() -> Outcome:
            async with Run(load_campaign(request), settings) as run:
                if until_s:
                    await self.clock.sleep(until_s)
                    await asyncio.to_thread(self.sandbox.set, chaos=0)
                return await run.wait()

        outcome = asyncio.run(make())
        self.runs += 1
        self.stops += bool(outcome.stopped)
        self.doubts = max(self.doubts, outcome.count(State.IN_DOUBT))

    def _open_doubts(self) -> int:
        return self.states().get("in_doubt", 0)

    def _decide_once(self) -> None:
        """Say one word for all that the provider cannot tell, with the sum as it is shown."""
        words = ["reconcile", str(self._manifest), "--root", str(self.folder / "root")]
        words += addressed(self.sandbox, [self.provider])
        assert invoke(words) in {0, 13}
        self.decided = self._open_doubts()
        if not self.decided:
            return
        with Ledger.open(self.folder / "root") as ledger:
            reserved = sum((each.reserved_usd for each in list_sent(ledger, NAME)), Decimal(0))
        words += ["--select", "state:in_doubt", "--resubmit", "--yes"]
        assert 0 == invoke([*words, "--worst-case", f"{reserved:.4f}"])
        self.decisions += 1


def _hold(outage: Outage, monkeypatch: pytest.MonkeyPatch, tell: Tell) -> None:
    monkeypatch.setenv(OFFERS[outage.provider].key_env, KEY)
    began = time.monotonic()
    outage.play()
    taken: Mapping[str, Any] = outage.count()

    twice = sorted(number for number, times in taken.items() if times > 1)
    tell(
        FIGURE,
        f"outage {outage.provider} seed {outage.seed}: {outage.items} items, {outage.runs} runs,"
        f" {outage.stops} stopped by the brake, {outage.doubts} doubts at the most,"
        f" {outage.decisions} decision of a person for {outage.decided} items;"
        f" {dict(outage.states())}, {len(twice)} paid twice, {time.monotonic() - began:.0f} s",
    )
    assert [] == twice
    assert {"done": outage.items} == outage.states()
    assert outage.items == len(taken)
    assert outage.stops
    assert outage.decisions <= (Feature.IDEMPOTENT not in OFFERS[outage.provider].features)


def _seed() -> int:
    return int(os.environ.get("OUTAGE_SEED") or secrets.randbelow(1_000_000))


@pytest.mark.drill
@pytest.mark.timeout(600)
@pytest.mark.parametrize(("provider", "factor"), [("runware", 60.0), ("unifically", SLOW)])
def test_a_small_outage(
    provider: str,
    factor: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Tell,
) -> None:
    """40 items at a provider that knows our ids, and at one that cannot be asked."""
    with Sandbox(tmp_path / "sandbox", PLAIN) as sandbox:
        outage = Outage(
            provider=provider,
            items=40,
            seed=14,
            folder=tmp_path / "campaign",
            sandbox=sandbox,
            factor=factor,
            same_cause=3,
        )
        _hold(outage, monkeypatch, record_property)


@pytest.mark.drill
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("provider", sorted(OFFERS))
def test_an_hour_of_gateway_errors(
    provider: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record_property: Tell
) -> None:
    """1,000 items, 70 % errors: at most one decision, all made, nothing paid twice."""
    with Sandbox(tmp_path / "sandbox", PLAIN) as sandbox:
        outage = Outage(
            provider=provider,
            items=1000,
            seed=_seed(),
            folder=tmp_path / "campaign",
            sandbox=sandbox,
            factor=20.0 if Feature.IDEMPOTENT in OFFERS[provider].features else SLOW,
            # Where a doubt is settled by sending it again, five in a row may not come to rest.
            same_cause=3 if Feature.IDEMPOTENT in OFFERS[provider].features else 5,
        )
        _hold(outage, monkeypatch, record_property)
