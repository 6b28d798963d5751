"""An edit costs what its clip's length comes to, as the provider measures it."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from tests.processes import run_callsheet
from tests.sandboxes import Sandbox
from tests.unit.media.clips import write_clip

KEY = "a-key-of-this-test"
MANIFEST = """\
callsheet: 1
name: edits
bundles:
  street: {video: {file: street.mp4, role: edit}}
shots:
  - id: snow
    provider: runware
    use: [street]
    takes: 2
    prompt: "Let it snow."
budget: {limit: 20 USD}
"""
FILM_RATE = Fraction(30_000, 1001)
LENGTH_S = float(181 / FILM_RATE)


def test_a_clip_whose_length_is_no_round_number_is_no_overcharge(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    """The provider counts more digits of its length than anybody shows; the run goes on."""
    (tmp_path / "m.yaml").write_text(MANIFEST, "utf-8")
    write_clip(
        tmp_path / "street.mp4", size=(1280, 720), fps=FILM_RATE, seconds=LENGTH_S, black_s=9
    )

    url = f"--base-url=runware={sandbox.base_urls['runware']}"
    variables = {"RUNWARE_API_KEY": KEY, "COLUMNS": "200"}
    ran = run_callsheet(["run", "m.yaml", "--yes", url], variables, folder=tmp_path)

    assert 0 == ran.returncode, ran.stdout + ran.stderr
    report = json.loads((tmp_path / "outputs/edits/report/report.json").read_text("utf-8"))
    tasks = sandbox.tasks("runware", KEY)
    assert 2 == len(tasks)
    charged = [Decimal(str(item["charged_usd"])) for item in report["items"]]
    rounded = round(LENGTH_S, 3)
    assert all(sum_usd > Decimal("0.126") * Decimal(str(rounded)) for sum_usd in charged), charged
    assert sum(Decimal(str(task["usd"])) for task in tasks) == sum(charged)
