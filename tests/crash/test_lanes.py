"""Three accounts of one provider make what one makes, in a third of the time."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from pipeline.api.campaign_request import CampaignRequest, RunSettings, SpendLimit
from pipeline.api.campaign_run import Run
from pipeline.api.loaded_campaign import load_campaign
from pipeline.api.project_file import project_of
from pipeline.domain.states import State
from pipeline.run.outcome import Outcome
from tests.conftest import FIGURE
from tests.crash.kit import addressed
from tests.sandboxes import Sandbox

Tell = Callable[[str, object], None]
TAKES_S = 6.0
AT_ONCE = 2
LEAST_RATIO = 2.7
KEYS: Mapping[str, str] = {
    "RUNWARE_API_KEY": "a-key-of-the-lanes-drill",
    "RUNWARE_API_KEY_B": "b-key-of-the-lanes-drill",
    "RUNWARE_API_KEY_C": "c-key-of-the-lanes-drill",
}
_MANIFEST = """\
callsheet: 1
name: lanes
tables: {{numbers: {{file: numbers.csv, key: number, as: line}}}}
shots:
  - id: wall
    for: numbers
    provider: runware
    duration: 5
    aspect_ratio: "9:16"
    prompt: "{name} shows the number {{{{ line.number }}}} on a wall, no text."
providers: {{runware: {{concurrency: {at_once}}}}}
budget: {{limit: 1000 USD}}
"""


def _make(folder: Path, sandbox: Sandbox, variables: Sequence[str], items: int) -> float:
    """Make a campaign with these keys; return how long it took once its price was known."""
    folder.mkdir(parents=True)
    manifest = folder / "lanes.yaml"
    manifest.write_text(_MANIFEST.format(name=folder.name, at_once=AT_ONCE), "utf-8")
    numbers = "".join(f"{number:03}\n" for number in range(items + 1))
    (folder / "numbers.csv").write_text(f"number\n{numbers}", "utf-8")

    def run(first: int | None) -> Outcome:
        request = CampaignRequest(
            manifest=manifest,
            project=project_of(manifest),
            root=folder / "root",
            base_urls=tuple(addressed(sandbox, ["runware"])[1::2]),
            first=first,
        )
        settings = RunSettings(
            spending=SpendLimit(yes=True), variables={name: KEYS[name] for name in variables}
        )

        async def work() -> Outcome:
            async with Run(load_campaign(request), settings) as handle:
                return await handle.wait()

        return asyncio.run(work())

    assert 0 == run(1).exit_code
    began = time.monotonic()
    outcome = run(None)
    took_s = time.monotonic() - began
    assert 0 == outcome.exit_code
    assert items + 1 == outcome.count(State.DONE)
    return took_s


@pytest.mark.drill
@pytest.mark.timeout(1800)
def test_three_lanes_make_2_7_times_as_much_as_one(tmp_path: Path, record_property: Tell) -> None:
    """120 clips of 6 s, two at once with each key: by the ratio, so that any machine can tell."""
    scenario = {"render": "plain", "timing": {"accept_s": 0, "run_s": TAKES_S}}
    with Sandbox(tmp_path / "sandbox", scenario) as sandbox:
        one_s = _make(tmp_path / "one", sandbox, [*KEYS][:1], 120)
        three_s = _make(tmp_path / "three", sandbox, [*KEYS], 120)
        by_key = Counter({key: len(sandbox.tasks("runware", key)) for key in KEYS.values()})

    shares = ", ".join(str(number) for number in sorted(by_key.values()))
    record_property(
        FIGURE,
        f"lanes: 120 clips in {one_s:.1f} s with one key, in {three_s:.1f} s with three:"
        f" {one_s / three_s:.2f} times; tasks by key, both campaigns: {shares}",
    )
    assert one_s / three_s >= LEAST_RATIO
    # A third each, beside what the first campaign made with the first key.
    assert 30 <= min(by_key.values())


@pytest.mark.drill
@pytest.mark.timeout(600)
def test_three_lanes_make_the_same_campaign_once(tmp_path: Path) -> None:
    """Nothing is made by two accounts: one task an item, whoever made it."""
    scenario = {"render": "plain", "timing": {"accept_s": 0, "run_s": 0.2}}
    with Sandbox(tmp_path / "sandbox", scenario) as sandbox:
        _make(tmp_path / "three", sandbox, [*KEYS], 120)
        prompts = Counter(task["prompt"] for task in sandbox.tasks("runware"))

    assert 121 == len(prompts)
    assert {1} == set(prompts.values())
