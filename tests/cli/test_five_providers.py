"""One campaign over all five providers at once, by an axis: lanes, costs and units apart."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

from pipeline.providers import OFFERS
from tests.processes import run_callsheet
from tests.sandboxes import plain

ROWS = 2
MANIFEST = """\
callsheet: 1
name: five
tables: {looks: {file: looks.csv, key: look, as: look}}
bundles:
  street: {video: {file: "https://media.example.com/street.mp4", role: edit, seconds: 5}}
shots:
  - id: restyle
    for: looks
    use: [street]
    mode: pro
    prompt: "Turn the street in @video into {{ look.words }}, no text."
    variants:
      matrix: {provider: [apimart, evolink, inference, runware, unifically]}
providers:
  evolink: {concurrency: 1}
  unifically: {concurrency: 1}
budget: {limit: 30 USD, unpriced: {assume: 1.50 USD}}
"""


def test_costs_are_split_by_provider(tmp_path: Path) -> None:
    """Each provider has its own lane; estimate, reserved, charged and its own units are apart."""
    (tmp_path / "five.yaml").write_text(MANIFEST, "utf-8")
    (tmp_path / "looks.csv").write_text("look,words\na,a canal\nb,a forest path\n", "utf-8")

    words = ["run", str(tmp_path / "five.yaml"), "--rehearse", "--root", str(tmp_path / "root")]
    ran = run_callsheet([*words, "--scenario", str(plain(tmp_path))], {"COLUMNS": "120"})

    assert 0 == ran.returncode, ran.stdout + ran.stderr
    text = (tmp_path / "root/rehearsal/five/report/report.json").read_text("utf-8")
    report = json.loads(text, parse_float=Decimal)
    shares = {share["name"]: share for share in report["by_provider"]}
    assert set(OFFERS) == shares.keys()
    for name, share in shares.items():
        money = share["money"]
        assert (ROWS, ROWS) == (share["items"], share["done"]), name
        assert money["charged_usd"] > 0
        assert money["estimate_usd"] > 0
        assert 0 == money["reserved_usd"] == money["possible_usd"]
    told = {name: share["native"] for name, share in shares.items() if share["native"]}
    assert {"apimart", "evolink"} == told.keys()
    # Ten times the dollars, by APIMart's page; EvoLink tells credits and no dollars.
    charged = shares["apimart"]["money"]["charged_usd"]
    assert {"credit": 10 * charged} == told["apimart"]
    assert {"credit": ROWS * 5 * 12} == told["evolink"]
    sources = {item["provider"]: item["charge_source"] for item in report["items"]}
    assert "estimated" == sources["evolink"] == sources["inference"]
    assert "reported" == sources["apimart"] == sources["runware"] == sources["unifically"]
