"""The campaign over a shop's export: its own table, and a real shop's where that is at hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.cli.command_line import invoke
from tests.manifests.planning import both, planned

ROOT = Path(__file__).resolve().parents[2]
CAMPAIGN = ROOT / "manifests/shop-export/campaign.yaml"
APPAREL = ROOT.parent / "shared/data/shopify-apparel.csv"
OVER_APPAREL = (f"tables.products.file={APPAREL}", "tables.products.limit=3")


def test_the_campaign_is_eighteen_clips(tmp_path: Path) -> None:
    """Seventeen lines are six products, the dearest first, each with its own number of photos."""
    found = planned(CAMPAIGN, tmp_path)

    assert [] == found.told
    assert 18 == len(found.entries)
    assert [
        "alive[anke-loden-coat]#1",
        "alive[jonte-fisherman-sweater]#1",
        "alive[brekke-cord-trousers]#1",
        "alive[sol-linen-shirt]#1",
        "alive[kaj-canvas-tote]#1",
        "alive[mina-merino-beanie]#1",
    ] == found.addresses[12:]
    looks = (f"look[{entry.item.row_key},dusk]#1" for entry in found.entries[12:])
    assert [3, 2, 1, 2, 2, 3] == [len(found.sources[address]) for address in looks]


def test_html_quotes_and_line_breaks_become_plain_words(tmp_path: Path) -> None:
    """What a model is told has no tags, no entities, and no colour where there is no colour."""
    prompts = planned(CAMPAIGN, tmp_path).prompts

    assert (
        "Product film of one piece, the Anke Loden Coat, exactly as in the product photo (image 1);"
        " its other sides as in the product photo (image 2) and the product photo (image 3)."
        " Green loden coat, front (forest). Green loden coat, back (forest). Collar and horn button"
        ' (midnight). Pocket, "set at an angle". The shop says "A long, straight coat of boiled'
        " wool, windproof & warm without a lining. Horn buttons under a hidden placket Deep patch"
        ' pockets, set at an angle" It lies on washed oak by a window, the camera glides past it.'
        " Cool morning light from the left, shallow depth of field, no people, no text."
    ) == prompts["look[anke-loden-coat,morning]#1"]
    assert (
        "Product film of one piece, the Brekke Cord Trousers, exactly as in the product photo"
        ' (image 1). Tobacco brown cord trousers. The shop says "Wide-wale corduroy, cut high and'
        ' straight. Two pleats, turn-ups, side adjusters: no belt needed." It lies on washed oak by'
        " a window, the camera glides past it. Warm light of a low sun, long shadows, shallow depth"
        " of field, no people, no text."
    ) == prompts["look[brekke-cord-trousers,dusk]#1"]


apparel = pytest.mark.skipif(not APPAREL.is_file(), reason="the real export is not at hand")


@apparel
def test_a_real_export_needs_no_other_manifest(tmp_path: Path) -> None:
    """The same manifest plans a real shop's export: 22 lines, 20 products, the dearest three."""
    found = planned(CAMPAIGN, tmp_path, OVER_APPAREL)

    assert [] == found.told
    assert 9 == len(found.entries)
    assert ["classic-leather-jacket", "led-high-tops", "yellow-wool-jumper"] == sorted(
        {entry.item.row_key for entry in found.entries}
    )
    assert (0, 0) == both(CAMPAIGN, tmp_path, OVER_APPAREL)
    whole = planned(CAMPAIGN, tmp_path, (OVER_APPAREL[0], "tables.products.limit=1000"))
    assert [] == whole.told
    assert 3 * 20 == len(whole.entries)


@apparel
def test_a_real_export_is_rehearsed(tmp_path: Path) -> None:
    """The same manifest runs over it, from the table to playable clips."""
    sets = [
        word for each in (*OVER_APPAREL[:1], "tables.products.limit=1") for word in ("--set", each)
    ]

    code = invoke(["run", str(CAMPAIGN), "--rehearse", "--root", str(tmp_path), "--quiet", *sets])

    assert 0 == int(code)
    clips = sorted((tmp_path / "rehearsal/shop-export").rglob("*.mp4"))
    assert ["t1.mp4", "dusk_t1.mp4", "morning_t1.mp4"] == [clip.name for clip in clips]
