"""`plan`, `ls`, `show` and `run` share one verdict on each item, whatever was edited or chosen."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field, replace
from decimal import Decimal
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.api.campaign_plan import dry_run
from pipeline.api.campaign_request import CampaignRequest
from pipeline.api.loaded_campaign import LoadedCampaign, load_campaign
from pipeline.api.project_file import project_of
from pipeline.cli.command_line import invoke
from pipeline.domain import Media, PricedItem
from pipeline.domain.states import MAKES, Status
from pipeline.findings import Finding
from pipeline.ledger.repository import Ledger
from pipeline.run.output_check import RealFiles
from pipeline.run.plan_sync import PlanSummary, sync_plan
from pipeline.run.runner import RunConfig, RunDependencies, run
from pipeline.storage.blobs import Store
from tests.clocks import JumpingClock
from tests.examples import examples
from tests.unit.run.shop import LANE, OFFER, ProbedClips, Provider, Shop

PROVIDERS = ("runware", "inference", "unifically")
SIZES = {"16:9": (1280, 720), "9:16": (720, 1280), "1:1": (960, 960)}
RATIOS = st.sampled_from([None, None, "auto", "16:9", "1:1"])
ENDINGS = st.lists(
    st.sampled_from(["done", "done", "failed_free", "failed", "refused"]), max_size=4
)


@st.composite
def shots(draw: st.DrawFn, name: str) -> dict[str, Any]:
    """Draw a shot from text or a picture, for one or two cells."""
    shot: dict[str, Any] = {
        "id": name,
        "prompt": draw(st.sampled_from(["Rain.", "Snow."])),
        "provider": draw(st.permutations(PROVIDERS).map(lambda names: names[:2])),
    }
    ratio = draw(RATIOS)
    if ratio is not None:
        shot["aspect_ratio"] = ratio
    elif draw(st.booleans()):
        shot["variants"] = {"matrix": {"aspect_ratio": ["16:9", "1:1"]}}
    if draw(st.booleans()):
        shot["references"] = {"images": {"front": {"file": "front.png"}}}
    if draw(st.booleans()):
        shot["pin_provider"] = True
    return shot


STEPS = st.fixed_dictionaries(
    {
        "shots": st.tuples(shots("one"), shots("two")),
        "provider": st.sampled_from(["", "", *PROVIDERS]),
        "endings": ENDINGS,
    }
)


@dataclass
class House:
    """A folder with a manifest that changes, a root, and one shop that is every provider."""

    folder: Path
    clock: JumpingClock = field(default_factory=JumpingClock)

    def __post_init__(self) -> None:
        # Less than any reservation: a charge above it would hold all else.
        self.shop = Shop(self.clock, price=Decimal("0.01"))
        Image.new("RGB", (800, 600), "red").save(self.folder / "front.png")

    @property
    def root(self) -> Path:
        """Return the output root."""
        return self.folder / "root"

    def opened(self, step: Mapping[str, Any]) -> LoadedCampaign:
        """Write the step's manifest, and return it as the commands open it."""
        written = {
            "callsheet": 1,
            "name": "verdicts",
            "shots": list(step["shots"]),
            "policy": {"stop": "off"},
            "budget": {"unpriced": {"assume": "1 USD"}},
        }
        manifest = self.folder / "m.yaml"
        manifest.write_text(json.dumps(written), "utf-8")
        asked = CampaignRequest(
            manifest=manifest,
            project=project_of(manifest),
            provider=step["provider"],
            root=self.root,
        )
        return load_campaign(asked)

    def show(self, address: str, step: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """Return what `show` says of an item; None if the provider asked for cannot make it."""
        words = ["show", str(self.folder / "m.yaml"), address, "--root", str(self.root)]
        words += ["--provider", step["provider"]] if step["provider"] else []
        with redirect_stdout(StringIO()) as told:
            code = invoke([*words, "--format", "json"])
        return json.loads(told.getvalue()) if code == 0 else None

    def run(self, campaign: LoadedCampaign, endings: list[str]) -> list[str]:
        """Admit the campaign and run it; return the addresses that were bought, in order."""
        self.shop.endings.extend(endings)
        before = len(self.shop.tasks)
        with Ledger.open(self.root) as ledger:
            admission = sync_plan(
                self._entries(campaign),
                ledger,
                campaign=campaign.name,
                policy=campaign.manifest.policy,
                files=RealFiles(self.root),
                choice=campaign.purchase_filter(),
            )
            assert admission.ok
            asyncio.run(self._run(campaign, ledger))
        self.shop.endings.clear()
        return [task.body["prompt"] for task in list(self.shop.tasks.values())[before:]]

    async def _run(self, campaign: LoadedCampaign, ledger: Ledger) -> None:
        dependencies = RunDependencies(
            transport=self.shop,
            store=Store(self.root),
            clips=ProbedClips(self._probe),
            clock=self.clock,
            chance=Random(7),  # noqa: S311 - the same jitter in each test
        )
        await run(
            ledger,
            RunConfig(campaign=campaign.name, policy=campaign.manifest.policy),
            providers={name: Provider(replace(OFFER, provider=name)) for name in PROVIDERS},
            lanes={name: replace(LANE, provider=name, submit_per_s=1000.0) for name in PROVIDERS},
            dependencies=dependencies,
        )

    def _entries(self, campaign: LoadedCampaign) -> Iterator[PricedItem | Finding]:
        """Yield the plan with requests that the shop understands."""
        for entry in campaign.entries(self.folder / "assets"):
            if isinstance(entry, Finding):
                yield entry
                continue
            item = entry.item
            body = {"id": "client:id", "prompt": item.address, "ratio": item.settings.aspect_ratio}
            request = {"method": "POST", "path": "/v1", "host": "api", "headers": {}, "body": body}
            yield replace(entry, request=request)

    def _probe(self, path: Path) -> Media:
        task = self.shop.tasks[path.read_bytes()[12:].decode()]
        width, height = SIZES.get(task.body["ratio"], SIZES["1:1"])
        return Media(
            media_type="video",
            source=str(path),
            local=True,
            digest="",
            format="mp4",
            bytes=path.stat().st_size,
            width=width,
            height=height,
            seconds=5.0,
            fps=24.0,
        )


def counted(admission: PlanSummary) -> Counter[tuple[str, str]]:
    """Return what a plan counts, by shot and status."""
    found: Counter[tuple[str, str]] = Counter()
    for line in admission.lines:
        found[line.shot, line.status] += line.items
    return found


@examples(6, 60)
def test_what_plan_ls_and_show_say_is_what_run_buys(examples: int) -> None:
    """A list shows the plan's statuses, and exactly what they say is to make is bought."""
    settings(deadline=None, max_examples=examples)(_what_is_said_is_bought)()


@given(st.lists(STEPS, min_size=2, max_size=4))
def _what_is_said_is_bought(steps: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder))
        for step in steps:
            campaign = house.opened(step)
            with dry_run(campaign) as (admission, ledger):
                if not admission.ok:
                    continue
                listed = list(ledger.records(campaign.name, selected=True))
            # One of them is enough: it costs more than all the rest.
            shown = {record.address: house.show(record.address, step) for record in listed[-1:]}
            bought = house.run(campaign, step["endings"])

            assert counted(admission) == Counter((each.shot, each.status) for each in listed)
            statuses = {each.address: each.status for each in listed}
            assert all(told["status"] == statuses[name] for name, told in shown.items() if told)
            makes = [each.address for each in listed if each.status in MAKES]
            assert admission.to_make.items == len(makes)
            assert set(makes) == set(bought)
            assert all(bought.count(address) <= 2 for address in bought)


@examples(8, 100)
def test_whoever_is_asked_nothing_unpinned_is_bought_twice(examples: int) -> None:
    """Made once, it is there, however the providers are turned round or one is chosen."""
    settings(deadline=None, max_examples=examples)(_nothing_unpinned_is_bought_twice)()


@given(STEPS, st.lists(STEPS.map(lambda step: step["provider"]), min_size=1, max_size=3))
def _nothing_unpinned_is_bought_twice(step: dict[str, Any], asked: list[str]) -> None:
    plain = [{**shot, "pin_provider": False} for shot in step["shots"]]
    turned = [{**shot, "provider": shot["provider"][::-1]} for shot in plain]
    with tempfile.TemporaryDirectory() as folder:
        house = House(Path(folder))
        campaign = house.opened({**step, "shots": plain, "provider": ""})
        with dry_run(campaign) as (admission, _):
            if not admission.ok:
                return
        house.run(campaign, [])
        for provider in asked:
            campaign = house.opened({**step, "shots": turned, "provider": provider})
            with dry_run(campaign) as (admission, _):
                again = admission.to_make.items if admission.ok else 0
                there = admission.count(Status.REUSED, Status.OFF_SPEC, Status.SHARED)

            assert 0 == again
            assert not admission.ok or admission.items == there
