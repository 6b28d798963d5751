"""What an editor underlines by the schema, `check` refuses; the rest no schema can say."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest

from pipeline.errors import InvalidInput
from pipeline.findings import Severity
from tests.manifests.editor import complaints
from tests.manifests.planning import planned
from tests.manifests.small import BAD, GOOD, HEAD, SHOTS, UNSAID

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CASES = sorted(path.parent for path in (ROOT / "tests/cli/cases").glob("*/manifest.yaml"))
CAMPAIGNS = sorted([*(ROOT / "manifests").glob("*/campaign.yaml"), *HERE.glob("**/campaign.yaml")])

SAID = frozenset(
    {
        *("unknown-key", "missing-key", "wrong-type", "bad-value", "bad-name"),
        *("yaml-syntax", "needs-quotes", "duplicate-key", "bad-alias", "yaml-tag"),
        *("empty-file", "many-documents", "not-utf8"),
    }
)
"""Slugs of what the schema says, or an editor's own parser."""
UNSAYABLE = {
    "it takes another part of the manifest to know": {
        *("unknown-table", "unknown-bundle", "unknown-axis", "unknown-reference", "duplicate-id"),
        *("duplicate-axis", "duplicate-reference", "incomplete-cell", "overwrites-axis"),
        *("unequal-pairs", "empty-exclude", "same-cell", "too-many-cells", "reserved-name"),
        *("ambiguous-reference", "two-references", "reference-not-attached", "join-loop"),
        *("path-without-take", "last-needs-first", "last-excludes-references", "fast-needs-edit"),
        *("last-excludes-video", "edit-excludes-frames", "unused-setting", "pinned-provider"),
        *("seconds-needed", "foreign-token", "takes-with-accept", "accept-never-done"),
    },
    "it is in the text of a template, for which a schema has no grammar": {
        *("template-syntax", "forbidden-template", "undefined-name", "not-templatable"),
        *("bad-template-value", "too-long", "bad-setting", "bad-path", "reserved-path"),
    },
    "it is in a file": {
        *("missing-file", "path-escape", "pin-mismatch", "damaged", "wrong-media", "too-small"),
        *("extreme-ratio", "frame-ratio", "clip-rate", "clip-seconds", "clip-size", "no-upload"),
        *("unknown-column", "unmatched-key", "ambiguous-join"),
        *("empty-image", "bad-csv", "duplicate-header"),
    },
    "it depends on the day": {"licence-expired"},
    "the providers' own pages say it, and differ": {
        *("kind", "mode", "duration", "aspect-ratio", "first-frame", "keep-audio", "prompt-long"),
        *("prompt-short", "prompt-reserved", "ratio-needed", "ratio-not-stated", "wire-schema"),
        *("too-many-elements", "too-many-references", "unsupported-setting", "unknown-provider"),
        *("unknown-option", "bad-option", "extra-taken", "extra-reserved", "foreign-address"),
        *("extra-value", "extra-unknown"),
    },
    "a package may bring further models": {"unknown-model"},
    "it takes prices": {"over-per-item", "unpriced", "accept-below-price"},
    "it is a guess about any text, wherever it stands": {"secret-in-manifest"},
    "it takes the provider's own variable to know": {"foreign-key"},
    "a schema does not count what is nested or repeated": {"alias-bomb", "too-large"},
}
"""Slugs of what only check can say, each under its reason."""
MISREAD = {
    "mode: ~": "`~` takes a key away that a base gives; of a single file a schema cannot know that",
    "safety: 0123": "YAML 1.2 reads a number, and check the text that stands there",
    "safety: 1e5": "the same",
}
"""Settings that an editor underlines, though they are right; quotes appease it."""
OVERLOOKED = {
    "watermark: True": "YAML 1.2 reads true in any case; here `true` alone is no text",
    "duration: 0o5": "YAML 1.2 reads octals; here a number has digits alone",
}
"""Settings that check refuses and an editor does not: it says so with the text that it read."""
UNSEEN_CASES = {
    "form-of-cells": "the value is in the cells and variables that templates read",
}
"""Cases of a slug that the schema says elsewhere, and cannot say here."""
UNDERLINED_CASES = {
    "pin-mismatch": "its pin is all digits: a number in YAML 1.2, unlike a real one"
}


def errors(manifest: Path, assets: Path) -> set[str]:
    """Return the slugs of the errors that `check` tells of a manifest's own lines."""
    try:
        findings = planned(manifest, assets).findings
    except InvalidInput as invalid:
        findings = invalid.findings
    return {
        finding.slug
        for finding in findings
        if finding.severity is Severity.ERROR and finding.span.file == str(manifest)
    }


def agree(manifest: Path, assets: Path) -> Collection[str]:
    """Return the errors of a manifest, having compared them with what an editor underlines."""
    found, underlined = errors(manifest, assets), complaints(manifest)
    assert bool(found & SAID) == bool(underlined), (sorted(found), underlined)
    return found


def small(folder: Path, part: str) -> Path:
    """Return a small manifest in a folder of its own."""
    (folder / "t.csv").write_text("sku,name\nA,Cup\n", "utf-8")
    (folder / "m.yaml").write_text(HEAD + part, "utf-8")
    return folder / "m.yaml"


@pytest.mark.parametrize("part", GOOD)
def test_what_is_right_is_not_underlined(part: str, tmp_path: Path) -> None:
    """Neither editor nor check has anything to say."""
    assert set() == agree(small(tmp_path, part), tmp_path)


@pytest.mark.parametrize("part", BAD)
def test_what_is_wrong_by_its_form_is_underlined(part: str, tmp_path: Path) -> None:
    """Both refuse it."""
    assert set(agree(small(tmp_path, part), tmp_path)) & SAID


@pytest.mark.parametrize(("slug", "part"), UNSAID.items(), ids=UNSAID.keys())
def test_what_no_schema_can_say_is_left_to_check(slug: str, part: str, tmp_path: Path) -> None:
    """The editor underlines nothing; check has exactly this finding, and there is a reason."""
    assert slug in set().union(*UNSAYABLE.values())
    assert {slug} == agree(small(tmp_path, part), tmp_path)


@pytest.mark.parametrize("manifest", CAMPAIGNS, ids=[path.parent.name for path in CAMPAIGNS])
def test_the_campaigns_are_not_underlined(manifest: Path, tmp_path: Path) -> None:
    """Whoever opens an example in an editor sees no red."""
    assert set() == agree(manifest, tmp_path)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_the_cases_agree(case: Path, tmp_path: Path) -> None:
    """Every finding that has a case: by form it is underlined, else no schema could say it."""
    if case.name in UNDERLINED_CASES:
        assert complaints(case / "manifest.yaml")
        return

    if case.name in UNSEEN_CASES:
        assert not complaints(case / "manifest.yaml")
        return

    found = set(agree(case / "manifest.yaml", tmp_path))

    assert set() == found - SAID - set().union(*UNSAYABLE.values())


@pytest.mark.parametrize("setting", MISREAD)
def test_what_an_editor_misreads_is_known(setting: str, tmp_path: Path) -> None:
    """Where an editor is stricter than check, the reason is listed."""
    manifest = small(tmp_path, f"{SHOTS}    {setting}\n")

    assert not errors(manifest, tmp_path) & SAID
    assert complaints(manifest)


@pytest.mark.parametrize("setting", OVERLOOKED)
def test_what_an_editor_overlooks_is_known(setting: str, tmp_path: Path) -> None:
    """Where an editor is laxer than check, it is because it reads another value there."""
    manifest = small(tmp_path, f"{SHOTS}    {setting}\n")

    assert {"wrong-type"} == errors(manifest, tmp_path)
    assert [] == complaints(manifest)


def test_what_is_right_in_a_file_that_extends_others_is_not_underlined(tmp_path: Path) -> None:
    """The name and the shots may come from the base; what nobody gives is check's to miss."""
    (tmp_path / "base.yaml").write_text(HEAD + SHOTS, "utf-8")
    manifest = tmp_path / "m.yaml"
    manifest.write_text("extends: base.yaml\noverrides: {mode: pro}\n", "utf-8")

    assert [] == complaints(manifest)
    assert set() == errors(manifest, tmp_path)

    (tmp_path / "base.yaml").write_text("callsheet: 1\nname: small\n", "utf-8")

    assert [] == complaints(manifest)
    assert {"missing-key"} == errors(manifest, tmp_path)
