"""Layers: base files, profiles and `--set`, and where each value then comes from."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from pipeline.domain import Loaded, Manifest
from pipeline.manifest.layers import merge, without_unset
from pipeline.manifest.yaml_loader import read_document
from tests.unit.manifest.reading import lines, load

SHOTS = "shots: [{id: spin, prompt: A sneaker turns.}]\n"
HEAD = f"callsheet: 1\nname: x\n{SHOTS}"


def merged(under: str, over: str) -> object:
    """Return two YAML texts laid over each other, as plain data."""
    one, _ = read_document(under, shown="a", folder=Path())
    two, _ = read_document(over, shown="b", folder=Path())
    assert one is not None
    assert two is not None
    return without_unset(merge(one, two)).plain()


@pytest.mark.parametrize(
    ("under", "over", "expected"),
    [
        ("a: {b: 1, c: 2}", "a: {c: 3}", {"a": {"b": 1, "c": 3}}),
        ("a: [1, 2]", "a: [3]", {"a": [3]}),
        ("a: 1", "a: {b: 2}", {"a": {"b": 2}}),
        ("a: {b: 1, c: 2}", "a: {b: ~}", {"a": {"c": 2}}),
        ("a: {b: 1}", "a: ~", {}),
        (
            "s: [{id: x, n: 1, m: 1}, {id: y, n: 2}]",
            "s: [{id: y, n: 3}, {id: z, n: 4}]",
            {"s": [{"id": "x", "n": 1, "m": 1}, {"id": "y", "n": 3}, {"id": "z", "n": 4}]},
        ),
        ("s: [{id: x}, {n: 1}]", "s: [{id: x, n: 2}]", {"s": [{"id": "x", "n": 2}]}),
    ],
)
def test_how_two_layers_become_one(under: str, over: str, expected: object) -> None:
    """Maps merge deep, lists replace, lists of maps with an id merge by it, `~` unsets."""
    assert expected == merged(under, over)


def manifest(
    folder: Path, text: str, overrides: tuple[str, ...] = (), profile: str = ""
) -> Manifest:
    """Return a manifest that has no findings."""
    loaded = load(folder, text, overrides, profile)
    assert [] == lines(loaded, folder)
    assert loaded.manifest is not None
    return loaded.manifest


def test_a_manifest_is_laid_over_the_files_it_extends(tmp_path: Path) -> None:
    """Base files are read first, in order, and every value remembers its own file and folder."""
    (tmp_path / "house").mkdir()
    (tmp_path / "house/base.yaml").write_text(
        "vars: {a: 1, b: 1, c: 1}\nbundles: {look: {images: {studio: refs/s.png}}}\n"
    )
    (tmp_path / "house/more.yaml").write_text("vars: {b: 2, c: 2}\n")

    found = manifest(
        tmp_path,
        "extends: [house/base.yaml, house/more.yaml]\ncallsheet: 1\nname: x\nvars: {c: 3}\n"
        "shots: [{id: spin, use: [look], prompt: '@studio'}]\n",
    )

    assert {"a": 1, "b": 2, "c": 3} == found.vars
    file = found.shots[0].bundles[0].images[0].file
    assert (f"{tmp_path}/house/base.yaml", 2) == (file.span.file, file.span.line)
    assert tmp_path / "house" == file.folder


def test_a_fault_in_a_base_file_names_the_base_file(tmp_path: Path) -> None:
    """A finding is where its value was written, whatever was laid over it."""
    (tmp_path / "base.yaml").write_text("defaults:\n  moed: pro\n")

    loaded = load(tmp_path, f"extends: base.yaml\n{HEAD}")

    assert ["base.yaml:2:3: unknown-key: a set of settings has no 'moed'"] == lines(
        loaded, tmp_path
    )


def test_files_that_extend_each_other_are_refused(tmp_path: Path) -> None:
    """A loop of `extends` is a finding at the name that closes it."""
    (tmp_path / "base.yaml").write_text("extends: [m.yaml]\n")

    loaded = load(tmp_path, f"extends: base.yaml\n{HEAD}")

    assert ["base.yaml:1:11: extends-loop: 'm.yaml' extends itself"] == lines(loaded, tmp_path)


def test_a_base_file_that_is_not_there_is_a_finding(tmp_path: Path) -> None:
    """A missing base file is told where it is named."""
    loaded = load(tmp_path, f"extends: [no.yaml]\n{HEAD}")

    assert [
        "m.yaml:1:11: missing-file: 'no.yaml' cannot be read: No such file or directory"
    ] == lines(loaded, tmp_path)


def test_a_profile_is_laid_over_the_rest(tmp_path: Path) -> None:
    """A profile's values win over the manifest's, and only when it is asked for."""
    text = f"{HEAD}overrides: {{mode: pro}}\nprofiles: {{draft: {{overrides: {{mode: std}}}}}}\n"

    assert "pro" == manifest(tmp_path, text).overrides["mode"].data
    found = manifest(tmp_path, text, profile="draft")
    assert ("std", "draft") == (found.overrides["mode"].data, found.profile)
    assert 5 == found.overrides["mode"].span.line


def test_an_unknown_profile_is_a_finding(tmp_path: Path) -> None:
    """A profile that does not exist is told with the nearest one."""
    loaded = load(tmp_path, f"{HEAD}profiles: {{draft: {{}}}}\n", profile="darft")

    assert ["m.yaml:4:1: unknown-profile: there is no profile 'darft'"] == lines(loaded, tmp_path)
    assert ["did you mean 'draft'?"] == [finding.hint for finding in loaded.findings]


def test_set_wins_over_everything_that_is_written(tmp_path: Path) -> None:
    """`--set` is laid over the manifest and its profile, in order; lists of maps go by id."""
    text = f"{HEAD}vars: {{season: spring}}\nprofiles: {{p: {{vars: {{season: summer}}}}}}\n"

    found = manifest(
        tmp_path,
        text,
        (
            "vars.season=autumn",
            "vars.season=winter",
            "vars.count=3",
            "shots.spin.takes=2",
            "shots.spin.prompt={{ vars.season }} @@home",
            "shots.extra.prompt=More.",
            "defaults.provider=[runware, unifically]",
        ),
        "p",
    )

    assert {"season": "winter", "count": 3} == found.vars
    assert ["spin", "extra"] == [shot.id for shot in found.shots]
    assert ("winter @home",) == found.shots[0].prompt.render({"vars": found.vars})
    takes = found.shots[0].settings["takes"]
    assert (2, "--set", 4, 18) == (
        takes.data,
        takes.span.file,
        takes.span.line,
        takes.span.column,
    )
    assert ["runware", "unifically"] == found.defaults["provider"].data


def test_set_can_unset(tmp_path: Path) -> None:
    """`~` takes a value away; nothing after the sign is an empty text."""
    found = manifest(tmp_path, f"{HEAD}vars: {{a: 1, b: 2}}\n", ("vars.a=~", "vars.b="))

    assert {"b": ""} == found.vars


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("vars.x", "--set:1:1: bad-set: --set takes path=value"),
        ("=5", "--set:1:1: bad-set: --set takes path=value"),
        ("a..b=5", "--set:1:1: bad-set: --set takes path=value"),
        ("vars.x=[1", "--set:1:10: yaml-syntax: the list is not closed"),
        ("defaults.mdoe=std", "--set:1:1: unknown-key: a set of settings has no 'mdoe'"),
        ("defaults.mode=sdt", "--set:1:15: bad-value: 'mode' must be std or pro, not 'sdt'"),
        (
            "shots.spin.prompt=a {{ x }}",
            "--set:1:24: undefined-name: 'x' is not known",
        ),
    ],
)
def test_a_fault_in_set_has_its_place(tmp_path: Path, override: str, expected: str) -> None:
    """A finding in an option is shown at the option, by its number and column."""
    assert [expected] == lines(load(tmp_path, HEAD, (override,)), tmp_path)


def budgeted(folder: Path, house: str, own: str, *overrides: str, profile: str = "") -> Loaded:
    """Return a manifest with this budget, laid over a house's file."""
    (folder / "house.yaml").write_text(house, "utf-8")
    return load(folder, f"{HEAD}extends: house.yaml\n{own}\n", overrides, profile)


_DRAFT = "profiles: {draft: {budget: {limit: %s}}}"


@pytest.mark.parametrize(
    ("house", "own", "overrides", "profile"),
    [
        ("budget: {limit: 6 USD}", "budget: {limit: 20 USD}", (), ""),
        ("budget: {limit: 20 USD}", "budget: {limit: 6 USD}", (), ""),
        (_DRAFT % "20 USD", "budget: {limit: 6 USD}", (), "draft"),
        (_DRAFT % "6 USD", "budget: {limit: 20 USD}", (), "draft"),
        (_DRAFT % "6 USD", _DRAFT % "20 USD", (), "draft"),
        ("budget: {limit: 6 USD}", "budget: {limit: ~}", (), ""),
        ("budget: {limit: 6 USD}", "budget: ~", (), ""),
        ("budget: {limit: 6 USD}", "", ("budget.limit=20 USD",), ""),
        ("budget: {limit: 20 USD}", "", ("budget.limit=6 USD",), ""),
    ],
)
def test_the_lowest_limit_of_all_layers_holds(
    house: str, own: str, overrides: tuple[str, ...], profile: str, tmp_path: Path
) -> None:
    """A base file, the manifest, a profile and `--set` may lower it; none of them lifts it."""
    loaded = budgeted(tmp_path, house, own, *overrides, profile=profile)

    assert loaded.manifest is not None
    assert Decimal(6) == loaded.manifest.budget.limit_usd
    assert {"lower-limit-holds"} >= {finding.slug for finding in loaded.findings}


def test_each_kind_of_limit_comes_from_its_own_lowest_layer(tmp_path: Path) -> None:
    """`per_run` of one layer and `per_item` of another hold together, and what is assumed stays."""
    loaded = budgeted(
        tmp_path,
        "budget: {per_run: 3 USD, per_item: 2 USD, unpriced: {assume: 0.60 USD}}",
        "budget: {per_run: 4 USD, per_item: 1 USD, per_row: 5 USD}",
    )

    assert loaded.manifest is not None
    found = loaded.manifest.budget
    assert (Decimal(3), Decimal(1), Decimal(5)) == (
        found.per_run_usd,
        found.per_item_usd,
        found.per_row_usd,
    )
    assert Decimal("0.60") == found.assume_usd


def test_a_limit_that_is_overruled_is_told_with_both_places(tmp_path: Path) -> None:
    """The layer that would lift it is named, and the one that holds it."""
    loaded = budgeted(tmp_path, "budget: {limit: 6 USD}", "budget: {limit: 20 USD}")

    (finding,) = loaded.findings
    assert "budget.limit stays 6 USD: here it is 20 USD" == finding.message
    assert "m.yaml" == Path(finding.span.file).name
    assert ["house.yaml"] == [Path(span.file).name for span in finding.related]
    origin = {written.steps: written.span.file for written in loaded.written}
    assert "house.yaml" == Path(origin["budget", "limit"]).name


def test_a_limit_that_cannot_be_read_is_a_finding_though_another_layer_has_one(
    tmp_path: Path,
) -> None:
    """A lower layer's sum does not hide a mistake in an upper one."""
    loaded = budgeted(tmp_path, "budget: {limit: 6 USD}", "budget: {limit: 20 EUR}")

    assert ["bad-value"] == [finding.slug for finding in loaded.findings]
