"""The campaign of every kind, rehearsed through each provider as a person would."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipeline.media.video import probe
from pipeline.providers import OFFERS
from tests.architecture.source import REPOSITORY
from tests.processes import run_callsheet
from tests.sandboxes import plain

CAMPAIGN = REPOSITORY / "manifests" / "every-mode" / "campaign.yaml"
SHOTS = {
    "text",
    "first-frame",
    "frames",
    "references",
    "references-free",
    "guide",
    "edit",
    "fast-edit",
}
LEFT_OUT = {
    "apimart": {"first-frame", "frames", "references-free", "fast-edit"},
    "evolink": {"text", "references", "references-free", "guide"},
    "inference": {"references-free", "fast-edit"},
    "runware": {"references", "guide"},
    "unifically": {"references-free", "guide", "fast-edit"},
}
SHAPES = {"text": 9 / 16, "first-frame": 16 / 9, "frames": 16 / 9, "references": 1.0}
PRO = 1080


@pytest.mark.parametrize("provider", list(OFFERS))
def test_it_makes_what_it_can_and_names_the_rest_first(provider: str, tmp_path: Path) -> None:
    """Every item it can express is made in spec; the others are listed with who could make them."""
    words = ["run", str(CAMPAIGN), "--rehearse", "--provider", provider, "--root", str(tmp_path)]
    ran = run_callsheet([*words, "--scenario", str(plain(tmp_path))], {"COLUMNS": "120"})

    assert 0 == ran.returncode, ran.stdout + ran.stderr
    folder = tmp_path / "rehearsal" / "every-mode"
    items = json.loads((folder / "report" / "report.json").read_text("utf-8"))["items"]
    made = {item["shot"]: item for item in items if item["state"] == "done"}
    assert SHOTS - LEFT_OUT[provider] == made.keys()
    assert {provider} == {item["provider"] for item in made.values()}
    for shot, item in made.items():
        clip = probe(folder / item["path"])
        assert clip.seconds == pytest.approx(6 if shot == "fast-edit" else 5, abs=0.3)
        if shot in SHAPES:
            assert PRO <= min(clip.width, clip.height)
            assert SHAPES[shot] == pytest.approx(clip.width / clip.height, rel=0.02)
    before_anything = ran.stdout.partition("items")[0]
    assert len(LEFT_OUT[provider]) == before_anything.count("left out of this run")
    assert len(LEFT_OUT[provider]) == before_anything.count(" could")
