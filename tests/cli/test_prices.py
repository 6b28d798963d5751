"""Odd prices at five providers under several budgets: what may be billed beyond a limit.

A price is odd in what is billed, in what is told of it, or in both. The sandbox's bill is the
judge: where a charge, credits or a balance is told, it is above the limit by no more than the one
purchase that went alone; where nothing is told, plan and report say that the price is unconfirmed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline.api.campaign_plan import sync_campaign
from pipeline.api.campaign_report import begin_tally, finish_report
from pipeline.api.campaign_request import CampaignRequest, RunSettings, SpendLimit
from pipeline.api.campaign_run import Run
from pipeline.api.loaded_campaign import load_campaign
from pipeline.api.places import CampaignReading
from pipeline.api.project_file import project_of
from pipeline.api.provider_access import providers_at_work
from pipeline.api.run_handle import RunScope
from pipeline.ledger.repository import Ledger
from tests.clocks import HastyClock
from tests.sandboxes import Sandbox

LENGTHS = (10, 5, 5, 5)
_KEY = "key-of-the-odd-prices"
_MANIFEST = """\
callsheet: 1
name: odd
tables: {{lines: {{file: lines.csv, key: word, as: line}}}}
shots:
  - id: clip
    for: lines
    provider: {provider}
    mode: {mode}
    prompt: "The word {{{{ line.word }}}}, no text."
{references}
providers: {{{provider}: {{concurrency: 10, submit_rate: 500/s}}}}
budget: {{{limits}, unpriced: {{assume: 1.00 USD}}}}
"""
_FRAME = "    references: {frames: {first: frame.png}}"


@dataclass(frozen=True, kw_only=True)
class Odd:
    """A price as the sandbox bills and tells it."""

    name: str
    pricing: Mapping[str, Any] = field(default_factory=dict)

    def told_by(self, provider: str) -> bool:
        """Tell whether anything that a provider documents shows what was charged."""
        told = self.pricing.get("told", "billed")
        sums = {"evolink": {"billed", "credits"}, "apimart": {"billed", "credits"}, "inference": ()}
        return told in sums.get(provider, {"billed"}) or provider in _HAVE_BALANCE


ODD_PRICES = (
    Odd(name="as estimated"),
    Odd(name="a little above", pricing={"factor": 1.05}),
    Odd(name="half as much again", pricing={"factor": 1.5}),
    Odd(name="nearly five times", pricing={"factor": 4.8}),
    Odd(name="huge", pricing={"factor": 1000}),
    Odd(name="a tenth", pricing={"factor": 0.1}),
    Odd(name="nothing", pricing={"factor": 0}),
    Odd(name="told negative", pricing={"factor": 4.8, "told": -4.8}),
    Odd(name="told as zero", pricing={"factor": 4.8, "told": 0}),
    Odd(name="told as words", pricing={"factor": 4.8, "told": "n/a"}),
    Odd(name="told as absurd", pricing={"factor": 4.8, "told": 1e40}),
    Odd(name="not told", pricing={"factor": 4.8, "told": "nothing"}),
    Odd(name="not told, as estimated", pricing={"told": "nothing"}),
    Odd(name="in credits only", pricing={"factor": 4.8, "told": "credits"}),
    Odd(name="in another unit", pricing={"credit_factor": 10, "told": "credits"}),
    Odd(name="by the clip", pricing={"per_item_usd": 0.83}),
)
BUDGETS: Mapping[str, tuple[str, Decimal]] = {
    "one clip": ("limit: 1.20 USD", Decimal("1.20")),
    "three clips": ("limit: 3.00 USD", Decimal("3.00")),
    "a run": ("per_run: 3.00 USD, limit: 40 USD", Decimal("3.00")),
    "a cap": ("per_item: 9 USD", Decimal("2.50")),
}
PROVIDERS: Mapping[str, tuple[str, str]] = {
    "runware": ("std", ""),
    "evolink": ("pro", _FRAME),
    "apimart": ("std", ""),
    "inference": ("std", ""),
    "unifically": ("std", ""),
}
_HAVE_BALANCE = frozenset({"runware", "evolink", "unifically"})
"""Who can be asked what the account has left; of the others no page says how."""


def _make(
    folder: Path, sandbox: Sandbox, provider: str, odd: Odd, budget: str
) -> tuple[int, list[Decimal], Sequence[str]]:
    """Run a campaign; return its code, what each task was billed, and what is said of prices."""
    mode, references = PROVIDERS[provider]
    limits, cap = BUDGETS[budget]
    text = _MANIFEST.format(provider=provider, mode=mode, references=references, limits=limits)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "odd.yaml").write_text(text, "utf-8")
    lines = "\n".join(f"w{n},{length}" for n, length in enumerate(LENGTHS))
    (folder / "lines.csv").write_text(f"word,_duration\n{lines}\n", "utf-8")
    Image.new("RGB", (720, 1280), (180, 120, 60)).save(folder / "frame.png")
    sandbox.reset()
    sandbox.set(prices={provider: dict(odd.pricing)})
    addresses = sandbox.addresses[provider]
    asked = CampaignRequest(
        manifest=folder / "odd.yaml",
        project=project_of(folder / "odd.yaml"),
        root=folder / "root",
        base_urls=tuple(
            f"{provider}={url}" if host == "base_url" else f"{provider}.upload={url}"
            for host, url in addresses.items()
        ),
    )
    spending = SpendLimit(yes=True, max_cost_usd=cap if budget == "a cap" else None)
    settings = RunSettings(spending=spending, clock=HastyClock())
    campaign = load_campaign(asked)
    with Ledger.open(asked.home) as ledger:
        summary = sync_campaign(campaign, ledger)
        names = providers_at_work(settings, campaign, summary)
        code = asyncio.run(
            _outcome(Run(campaign, settings, RunScope(ledger=ledger, providers=names)))
        )
        report = finish_report(CampaignReading(campaign, ledger), begin_tally(campaign))
    return code, [Decimal(task["usd"]) for task in sandbox.tasks(provider)], report.prices


async def _outcome(run: Run) -> int:
    async with run:
        return (await run.wait()).exit_code


def _judge(folder: Path, sandbox: Sandbox, provider: str, odd: Odd, budget: str) -> None:
    code, billed, prices = _make(folder, sandbox, provider, odd, budget)
    (_, limit_usd), most = BUDGETS[budget], max(billed, default=Decimal(0))
    said = (provider, odd.name, budget, code, billed, prices)

    if odd.told_by(provider):
        assert sum(billed) <= limit_usd + most, said
    else:
        named = [line for line in prices if f" {provider} " in line]
        assert [True] == [line.startswith("price unconfirmed") for line in named], said
    assert code in {0, 11}, said
    assert 0 < len(billed), said


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("odd", ODD_PRICES, ids=lambda odd: odd.name)
def test_an_odd_price_takes_no_more_than_one_purchase_beyond_the_limit(
    odd: Odd, provider: str, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each price at each provider, under one of the budgets; all of them are a drill."""
    monkeypatch.setenv(f"{provider.upper()}_API_KEY", _KEY)
    turn = ODD_PRICES.index(odd) + list(PROVIDERS).index(provider)
    budget = list(BUDGETS)[turn % len(BUDGETS)]

    _judge(tmp_path, sandbox, provider, odd, budget)


@pytest.mark.drill
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_odd_price_under_every_budget(
    provider: str, sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole table of a provider."""
    monkeypatch.setenv(f"{provider.upper()}_API_KEY", _KEY)
    for number, odd in enumerate(ODD_PRICES):
        for budget in BUDGETS:
            _judge(tmp_path / f"{number}-{budget}", sandbox, provider, odd, budget)
