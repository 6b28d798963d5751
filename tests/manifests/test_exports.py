"""Tables as shops, feeds and spreadsheets write them, each through a manifest of its own."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.manifests.planning import both, planned

EXPORTS = Path(__file__).parent / "exports"
SHOPIFY = {
    "turn[deck-chair]#1": (
        'Deck Chair "Föhr", striped as in the photo (image 1), 3 lines. cotton canvas, 139.00,'
        " 129.00 EUR. Beech frame, three positions. Folds flat."
    ),
    "turn[lantern]#1": (
        "Storm Lantern as in the photo (image 1). plain cloth, 64.90, 59.90 EUR."
        " Zinc & glass — burns 20 hours"
    ),
}
WOOCOMMERCE = {
    "table[1210]#1": ("Jug, as in image 1: Holds a litre oven proof Glaze: as fired. 1.20 kg."),
    "table[1204]#1": (
        'Bowl "Ebbe", as in image 1: Stoneware, thrown by hand. Dishwasher safe.'
        " Glaze: Celadon, Tenmoku."
    ),
}
MERCHANT = {
    "ad[0042-L]#1": (
        "Rain Cape, 2-in-1 by Regenlust as in image 1, and another view (image 2)."
        ' Signal yellow. Packs into its own pocket, 19" wide; seams are taped.'
    ),
    "ad[0077]#1": (
        "Umbrella Stand by Regenlust as in image 1. As photographed. Zinc. Drains by itself."
    ),
}
EXCEL = {
    "werkbank[00124]#1": (
        "Werkbank Ahorn (00124), 1299.00 Euro, ab 2026-03-01. 180 mal 62.5 mal 86."
        " Zange links\noder rechts"
    ),
    "werkbank[00123]#1": (
        "Hobel „Größe 4“ (00123), 79.90 Euro. 24.5 mal 6.1. Für Hartholz; mit Ersatzeisen"
    ),
    "werkbank[10001]#1": "Öl, 250 ml (10001), 12 Euro, ab 2026-12-31. Ohne Maße. Für Ölwechsel",
}


@pytest.mark.parametrize(
    ("name", "prompts"),
    [
        ("shopify", SHOPIFY),
        ("woocommerce", WOOCOMMERCE),
        ("merchant", MERCHANT),
        ("excel", EXCEL),
    ],
)
def test_an_export_is_read_as_it_is(name: str, prompts: dict[str, str], tmp_path: Path) -> None:
    """All columns of the platform, its blanks, lists and quotes; every prompt to the letter."""
    manifest = EXPORTS / name / "campaign.yaml"

    found = planned(manifest, tmp_path)

    assert [] == found.told
    assert prompts == found.prompts
    assert (0, 0) == both(manifest, tmp_path)


def test_photos_come_in_the_order_of_the_export(tmp_path: Path) -> None:
    """One line a photo, or one list of all: blank cells are left out, `max` cuts the list."""
    shop = planned(EXPORTS / "shopify/campaign.yaml", tmp_path).sources
    pots = planned(EXPORTS / "woocommerce/campaign.yaml", tmp_path).sources
    feed = planned(EXPORTS / "merchant/campaign.yaml", tmp_path).sources

    chair = [f"https://shop.example/f/foehr-{view}.jpg?v=1" for view in ("navy", "sand", "folded")]
    assert chair == shop["turn[deck-chair]#1"]
    assert ["https://shop.example/f/lantern.jpg?v=1"] == shop["turn[lantern]#1"]
    bowl = [f"https://pots.example/u/ebbe-{number}.jpg" for number in (1, 2, 3)]
    assert bowl == pots["table[1204]#1"]
    cape = [f"https://cape.example/i/42{letter}.jpg" for letter in ("", "b", "c")]
    assert cape == feed["ad[0042-L]#1"]
    assert ["https://cape.example/i/77.jpg"] == feed["ad[0077]#1"]


def _windows(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode("cp1252")


def _marked(text: str) -> bytes:
    return text.replace("\n", "\r\n").encode("utf-8-sig")


def _instructed(text: str) -> bytes:
    return f"sep=;\n{text}".encode()


def _unicode_text(text: str) -> bytes:
    """Return what Excel calls 'Unicode Text': UTF-16 with tabs."""
    quoted = text.replace('"Für Hartholz; mit Ersatzeisen"', "Für Hartholz\0 mit Ersatzeisen")
    return quoted.replace(";", "\t").replace("\0", ";").encode("utf-16")


@pytest.mark.parametrize(
    ("written", "overrides"),
    [
        (_windows, ("tables.artikel.encoding=windows-1252",)),
        (_marked, ()),
        (_instructed, ()),
        (_unicode_text, ()),
    ],
)
def test_excel_saves_one_sheet_in_many_ways(
    written: Callable[[str], bytes], overrides: tuple[str, ...], tmp_path: Path
) -> None:
    """However the spreadsheet program stores it, the same prompts come out of it."""
    shutil.copy(EXPORTS / "excel/campaign.yaml", tmp_path)
    text = (EXPORTS / "excel/preisliste.csv").read_text("utf-8")
    (tmp_path / "preisliste.csv").write_bytes(written(text))

    found = planned(tmp_path / "campaign.yaml", tmp_path, overrides)

    assert [] == found.told
    plain = {address: " ".join(prompt.split()) for address, prompt in found.prompts.items()}
    assert {address: " ".join(prompt.split()) for address, prompt in EXCEL.items()} == plain


def test_an_old_encoding_is_never_guessed(tmp_path: Path) -> None:
    """Windows-1252 that nobody announced is a finding that says what to write."""
    shutil.copy(EXPORTS / "excel/campaign.yaml", tmp_path)
    text = (EXPORTS / "excel/preisliste.csv").read_text("utf-8")
    (tmp_path / "preisliste.csv").write_bytes(_windows(text))

    found = planned(tmp_path / "campaign.yaml", tmp_path)

    (finding,) = found.findings
    assert "bad-encoding" == finding.slug
    assert (1, 35) == (finding.span.line, finding.span.column)
    assert "encoding: windows-1252" in finding.hint
    assert () == found.entries


def test_a_decimal_comma_is_never_guessed(tmp_path: Path) -> None:
    """Read as numbers of another country, prices are findings and not other prices."""
    overrides = ("tables.artikel.columns.Preis=number",)

    found = planned(EXPORTS / "excel/campaign.yaml", tmp_path, overrides)

    slugs = [(finding.slug, finding.row, finding.message) for finding in found.findings]
    assert ("bad-cell", "00123", "'79,90' is not a number") in slugs
    assert ["werkbank[10001]#1"] == found.addresses  # 12 is 12 everywhere
