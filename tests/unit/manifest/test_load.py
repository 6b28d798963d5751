"""load_manifest: a whole manifest, and every mistake of one in a single pass."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from pipeline.domain import Manifest, Mention, Policy, ProviderSettings
from pipeline.findings import has_errors, render
from pipeline.manifest import load_manifest
from tests.unit.manifest.reading import lines, load

HEAD = "callsheet: 1\nname: x\n"
WHOLE = """\
callsheet: 1
name: spring-sneakers
vars: {season: spring}
tables:
  products:
    file: products.csv
    key: sku
    as: product
    where: "product.market == 'de'"
bundles:
  product:
    images: {front: {file: "{{ product.hero_image }}", say: "the sneaker"}}
  look:
    images: {studio: {file: refs/studio.png, say: "the studio"}}
    frames: {first: refs/first.png, fit: crop}
    elements: {shoe: {description: "a {{ product.color }} shoe", images: [a.png, b.png]}}
    video: {file: "https://example.com/a.mp4", role: edit, seconds: 6, keep_audio: true}
defaults: {provider: [runware, unifically], duration: 5, mode: pro, aspect_ratio: "9:16"}
shots:
  - id: spin
    for: products
    use: [product, look]
    references: {images: {logo: {file: logo.png, optional: true}}}
    prompt: >-
      @front turns slowly on a plinth in the light of @studio.
      {{ product.name }} in {{ product.color }}, {{ variant.mood }} mood. @logo @shoe
    duration: "{{ 5 if variant.mood == 'calm' else 10 }}"
    takes: 2
    tags: [hero, paid-social]
    variants:
      matrix:
        aspect_ratio: ["9:16", "1:1"]
        mood: [calm, bold]
      exclude:
        - {aspect_ratio: "1:1", mood: bold}
    extra: {runware: {x: 1}}
budget: {limit: 40 USD, per_item: 1.50 USD, unpriced: {assume: 0.60 USD}}
files: {allow: [../shared]}
providers:
  runware: {concurrency: 8, submit_rate: 30/min, options: {a: b}, base_url: "https://x.runware.ai"}
policy:
  retries: {requests: 3}
  stop: {same_cause: 4, share: 12.5%, after: 9}
  deadline: 2h
  fallback: same_model
selectors: {hero: "tag:hero"}
output: {show: all}
"""
PRODUCTS = """\
sku,name,color,market,hero_image
S1,Air,red,de,img/a.png
S2,Bora,blue,fr,img/b.png
"""


@pytest.fixture
def whole(tmp_path: Path) -> Manifest:
    """Return a manifest that uses most of the language."""
    (tmp_path / "products.csv").write_text(PRODUCTS)
    loaded = load(tmp_path, WHOLE)
    assert [] == lines(loaded, tmp_path)
    assert loaded.manifest is not None
    return loaded.manifest


def _at(text: str) -> tuple[int, int]:
    """Return line and column of a text in the manifest."""
    before, _, _ = WHOLE.partition(text)
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def test_a_whole_manifest_is_read(whole: Manifest, tmp_path: Path) -> None:
    """Every part of a manifest becomes its record; what is not said is built in."""
    assert ("spring-sneakers", {"season": "spring"}) == (whole.name, whole.vars)
    hero = whole.selectors["hero"]
    assert ("tag:hero", _at("tag:hero")) == (hero.data, (hero.span.line, hero.span.column))
    assert (tmp_path / "../shared",) == whole.allow
    assert Decimal(40) == whole.budget.limit_usd
    assert Decimal("1.50") == whole.budget.per_item_usd
    assert Decimal("0.60") == whole.budget.assume_usd
    assert whole.budget.per_run_usd is None
    assert (
        Policy(
            request_retries=3,
            stop_same_cause=4,
            stop_share=0.125,
            stop_after=9,
            deadline_s=7200,
            fallback=True,
        )
        == whole.policy
    )
    runware = whole.providers["runware"]
    assert (8, 0.5, {"a": "b"}) == (runware.concurrency, runware.submit_per_s, runware.options)
    assert runware.base_url is not None
    assert "https://x.runware.ai" == runware.base_url.data
    assert {"S1": "Air"} == {row.key: row.values["name"] for row in whole.tables["products"].rows}


def test_a_whole_shot_is_read(whole: Manifest) -> None:
    """A shot has its bundles in order, its own references last, and only its own settings."""
    shot = whole.shots[0]

    assert ("spin", "products", ("hero", "paid-social")) == (shot.id, shot.table, shot.tags)
    assert ["product", "look", ""] == [bundle.name for bundle in shot.bundles]
    assert {"duration", "takes"} == set(shot.settings)
    assert {"runware": {"x": 1}} == shot.extra
    assert shot.variants is not None
    assert ["aspect_ratio", "mood"] == [axis.name for axis in shot.variants.matrix]
    assert [{"aspect_ratio": "1:1", "mood": "bold"}] == [
        match.axes for match in shot.variants.exclude
    ]
    assert (20, 9) == (shot.span.line, shot.span.column)
    assert 24 == shot.field_spans["prompt"].line


def test_a_shots_templates_render(whole: Manifest) -> None:
    """Prompt, setting, file and path give what their places want."""
    shot, row = whole.shots[0], whole.tables["products"].rows[0]
    context = {
        "campaign": whole.name,
        "vars": whole.vars,
        "row": row.values,
        "product": row.values,
        "shot": shot,
        "variant": {"mood": "bold", "aspect_ratio": "9:16"},
        "take": 2,
        "refs": {},
        "row_key": row.key,
        "cell": "9x16-bold",
    }

    assert (
        Mention(name="front"),
        " turns slowly on a plinth in the light of ",
        Mention(name="studio"),
        ". Air in red, bold mood. ",
        Mention(name="logo"),
        " ",
        Mention(name="shoe"),
    ) == shot.prompt.render(context)
    assert "spin/S1/9x16-bold_t2.{ext}" == shot.output.render(context)
    assert 10 == shot.settings["duration"].data.render(context)
    front = shot.bundles[0].images[0].file.data
    assert ("img/a.png", True) == (front.render(context), front.from_row)
    assert "a red shoe" == shot.bundles[1].elements[0].description.data.render(context)


def test_the_specs_of_references_are_read(whole: Manifest) -> None:
    """Frames, video and images keep what was written about them."""
    _, look, inline = whole.shots[0].bundles

    assert look.frames is not None
    assert look.frames.first is not None
    assert look.frames.fit is not None
    assert ("refs/first.png", None, "crop") == (
        look.frames.first.data,
        look.frames.last,
        look.frames.fit.data,
    )
    assert look.video is not None
    assert look.video.seconds is not None
    assert ("edit", 6, True, False) == (
        look.video.role.data,
        look.video.seconds.data,
        look.video.keep_audio,
        look.video.fast,
    )
    assert inline.images[0].optional


def test_a_small_manifest_has_everything_else_built_in(tmp_path: Path) -> None:
    """Three keys are a manifest."""
    loaded = load(tmp_path, f"{HEAD}shots: [{{id: a, prompt: 'A sneaker turns.'}}]\n")

    assert () == loaded.findings
    assert loaded.manifest is not None
    assert (Policy(), {}, ()) == (
        loaded.manifest.policy,
        loaded.manifest.providers,
        loaded.manifest.allow,
    )
    shot = loaded.manifest.shots[0]
    context = {"shot": shot, "row_key": "", "cell": "", "take": 1}
    assert "a/t1.{ext}" == shot.output.render(context)
    assert ProviderSettings() == ProviderSettings()


MISTAKES = """\
callsheet: 1
name: spring
bundles:
  look:
    images: {studio: {file: s.png, sy: x}}
  used: {images: {front: f.png, back: b.png}}
shots:
  - id: one
    use: [used]
    duraton: 5
    prompt: >-
      @frnt and @back
      turn in {{ vars.seson }}
    takes: five
  - id: two
    for: prodcts
    use: [lok]
    prompt: "{{ row.name }} {{ 2 * 3 }}"
  - id: one
    prompt: <<<image_1>>>
    variants:
      matrix: {mood: [calm, bold]}
      exclude: [{moood: calm}]
  - id: three
    prompt: "{{ variant.size }}"
    takes: 3
    output: {path: "x/{{ cell }}.{{ ext }}"}
budget: {limit: 40 EUR}
providers: {runware: {api_key: abcdefgh}}
"""
EXPECTED = """\
m.yaml:5:36: unknown-key: an image has no 'sy'
m.yaml:10:5: unknown-key: a shot has no 'duraton'
m.yaml:12:7: unknown-reference: there is no reference '@frnt'
m.yaml:13:23: undefined-name: 'vars.seson' is not known
m.yaml:14:12: wrong-type: 'takes' must be a whole number, not the text 'five'
m.yaml:16:10: unknown-table: there is no table 'prodcts'
m.yaml:17:11: unknown-bundle: there is no bundle 'lok'
m.yaml:18:32: forbidden-template: '*' is not allowed in a template
m.yaml:19:9: duplicate-id: two shots are named 'one'
m.yaml:20:13: foreign-token: '<<<image_1>>>' is one provider's way to name a reference
m.yaml:23:18: unknown-axis: the shot has no axis 'moood'
m.yaml:25:25: undefined-name: 'variant.size' is not known
m.yaml:27:20: path-without-take: the takes of shot 'three' would share one file
m.yaml:28:17: bad-value: 'limit' must be an amount in US dollars, such as '40 USD', not '40 EUR'
m.yaml:29:23: unknown-key: a provider's settings has no 'api_key'
m.yaml:29:32: secret-in-manifest: this looks like an API key
"""


def test_every_mistake_is_told_in_one_pass(tmp_path: Path) -> None:
    """No finding hides another: misspelt keys, wrong types, names, references, secrets and more."""
    loaded = load(tmp_path, MISTAKES)

    assert EXPECTED.splitlines() == lines(loaded, tmp_path)


def test_a_manifest_with_mistakes_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    """A shot with a misspelt key stands in for itself, so that its media are still checked."""
    loaded = load(
        tmp_path,
        f"{HEAD}shots:\n- {{id: a, duraton: 5, prompt: '@nope', references:"
        " {images: {x: missing.png}}}\n- {id: b, use: [nope], prompt: x}\n",
    )

    assert has_errors(loaded.findings)
    assert loaded.manifest is not None
    assert ["a"] == [shot.id for shot in loaded.manifest.shots]
    assert ("left out",) == loaded.manifest.shots[0].prompt.render({})


def test_a_key_is_starred_out_wherever_it_is_shown(tmp_path: Path) -> None:
    """A secret is in no finding and in no excerpt."""
    secret = "sk-abcdefghij1234567890"
    loaded = load(
        tmp_path,
        f"{HEAD}providers: {{runware: {{api_key: hunter2hunter2, x: {secret}}}}}\n"
        f"shots: [{{id: a, prompt: 'key {secret} here'}}]\n",
        (f"vars.k={secret}",),
    )

    shown = "\n".join(render(finding, loaded.sources) for finding in loaded.findings)

    assert 4 == shown.count("secret-in-manifest: this looks like an API key")
    for text in (shown, *loaded.sources.values()):
        assert secret not in text
        assert "hunter2" not in text
    assert f"'key {'*' * len(secret)} here'" in loaded.sources[str(tmp_path / "m.yaml")]


def test_a_manifest_that_is_not_there_is_a_finding(tmp_path: Path) -> None:
    """A path that cannot be read is a finding, not an exception."""
    loaded = load_manifest(tmp_path / "no.yaml", read=Path.read_bytes)

    assert loaded.manifest is None
    assert [
        "no.yaml:1:1: missing-file: the manifest cannot be read: No such file or directory"
    ] == lines(loaded, tmp_path)


@pytest.mark.parametrize("text", ["- a\n", "5\n", "text\n"])
def test_a_manifest_is_a_map(tmp_path: Path, text: str) -> None:
    """A list or a scalar is no manifest."""
    loaded = load(tmp_path, text)

    assert loaded.manifest is None
    assert ["m.yaml:1:1: wrong-type: a manifest is a map of keys"] == lines(loaded, tmp_path)


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("vars: {a: '{{ b }}'}", "m.yaml:4:11: not-templatable: 'vars' takes no template"),
        (
            "defaults: {provider: ['{{ row.p }}']}",
            "m.yaml:4:23: not-templatable: 'provider' takes no template",
        ),
        (
            "defaults: {duration: '{{ 2 * 3 }}'}",
            "m.yaml:4:26: forbidden-template: '*' is not allowed in a template",
        ),
        (
            "bundles: {b: {images: {x: 'a{{ y }}'}}}",
            "m.yaml:4:32: undefined-name: 'y' is not known",
        ),
        (
            "tables: {t: {file: t.csv, key: k, as: vars}}",
            "m.yaml:4:39: reserved-name: templates already have a name 'vars'",
        ),
    ],
)
def test_faults_outside_of_shots_are_told(tmp_path: Path, part: str, expected: str) -> None:
    """Defaults, variables, tables and bundles are checked also where no shot uses them."""
    (tmp_path / "t.csv").write_text("k\n1\n")

    loaded = load(tmp_path, f"{HEAD}shots: [{{id: a, prompt: b}}]\n{part}\n")

    assert [expected] == lines(loaded, tmp_path)


def test_a_bundle_is_checked_for_each_shot_that_uses_it(tmp_path: Path) -> None:
    """A bundle's template may name what only some shots have; the finding names the shot."""
    (tmp_path / "t.csv").write_text("k,file\n1,a.png\n")

    loaded = load(
        tmp_path,
        f"{HEAD}tables: {{t: {{file: t.csv, key: k}}}}\n"
        "bundles: {b: {images: {x: '{{ row.file }}'}}}\n"
        "shots:\n- {id: good, for: t, use: [b], prompt: '@x'}\n"
        "- {id: bad, use: [b], prompt: '@x'}\n",
    )

    assert ["m.yaml:4:31: undefined-name: 'row' is not known"] == lines(loaded, tmp_path)
    assert ["the shot 'bad' has no 'for'"] == [finding.hint for finding in loaded.findings]


@pytest.mark.parametrize(
    ("variants", "expected"),
    [
        (
            "{matrix: {a: [1]}, pairs: {a: [1]}}",
            "5:59: duplicate-axis: the axis 'a' is in 'matrix' and in 'pairs'",
        ),
        (
            "{pairs: {a: [1, 2], b: [1]}}",
            "5:52: unequal-pairs: 'b' and 'a' go together, but have 1 and 2 values",
        ),
        ("{matrix: {a: [1]}, exclude: [{b: 1}]}", "5:62: unknown-axis: the shot has no axis 'b'"),
        (
            "{matrix: {a: [1], b: [2]}, add: [{a: 1}]}",
            "5:65: incomplete-cell: a cell that is added gives every axis; b is missing",
        ),
        (
            "{matrix: {a: [1]}, extend: [{match: {a: 1}, set: {a: 2}}]}",
            "5:82: overwrites-axis: 'a' is an axis, so 'extend' cannot set it",
        ),
        ("{matrix: {a: ['{{ x }}']}}", "5:46: not-templatable: 'variants' takes no template"),
    ],
)
def test_a_fault_in_variants_has_its_place(tmp_path: Path, variants: str, expected: str) -> None:
    """What is wrong with axes and cells is told before any row is seen."""
    loaded = load(tmp_path, f"{HEAD}\nshots:\n- {{id: a, prompt: b, variants: {variants}}}\n")

    assert [f"m.yaml:{expected}"] == lines(loaded, tmp_path)


def test_takes_from_anywhere_need_take_in_the_path(tmp_path: Path) -> None:
    """Takes from defaults or an axis count too; overrides that say 1 make it right."""
    shots = "shots: [{id: a, prompt: b, output: {path: '{{ cell }}.{{ ext }}'}}]\n"
    text = f"{HEAD}{shots}defaults: {{takes: 2}}\n"

    assert ["m.yaml:3:43: path-without-take: the takes of shot 'a' would share one file"] == lines(
        load(tmp_path, text), tmp_path
    )
    assert [] == lines(load(tmp_path, f"{text}overrides: {{takes: 1}}\n"), tmp_path)


def test_tables_that_join_each_other_are_refused(tmp_path: Path) -> None:
    """A table is read after those it joins, so no two can join each other."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text(f"k,{name}\n1,2\n")

    loaded = load(
        tmp_path,
        f"{HEAD}shots: [{{id: s, prompt: p}}]\ntables:\n"
        "  a: {file: a.csv, key: k, join: {table: b, on: k}}\n"
        "  b: {file: b.csv, key: k, join: {table: a, on: k}}\n",
    )

    told = ["m.yaml:6:28: join-loop: the table 'b' joins 'a', which waits for it"]
    assert told == [line.splitlines()[0] for line in lines(loaded, tmp_path)]


def test_a_table_is_read_after_those_it_joins(tmp_path: Path) -> None:
    """The order in which tables are written does not matter for joins."""
    (tmp_path / "a.csv").write_text("k,x\n1,2\n")
    (tmp_path / "b.csv").write_text("k,price\n1,9.90\n")

    loaded = load(
        tmp_path,
        f"{HEAD}tables:\n"
        "  a: {file: a.csv, key: k, as: row_of, join: {table: b, on: k}}\n"
        "  b: {file: b.csv, key: k, columns: {price: number}}\n"
        "shots: [{id: s, for: a, prompt: '{{ row_of.price | money }}'}]\n",
    )

    assert [] == lines(loaded, tmp_path)
    assert loaded.manifest is not None
    row = loaded.manifest.tables["a"].rows[0].values
    assert ("9.90",) == loaded.manifest.shots[0].prompt.render({"row_of": row})


def test_a_bad_cell_and_a_misspelt_key_are_told_in_one_pass(tmp_path: Path) -> None:
    """Tables and shots do not hide each other's findings, and columns are known to both."""
    (tmp_path / "t.csv").write_text("k,price\n1,9.90\n2,n/a\n")

    loaded = load(
        tmp_path,
        f"{HEAD}tables: {{t: {{file: t.csv, key: k, columns: {{price: number}}}}}}\n"
        "shots: [{id: s, for: t, duraton: 5, prompt: '{{ row.prce }}'}]\n",
    )

    assert [
        "m.yaml:4:25: unknown-key: a shot has no 'duraton'",
        "m.yaml:4:53: undefined-name: 'row.prce' is not known",
        "t.csv:3:3 (row 2, column price): bad-cell: 'n/a' is not a number",
    ] == lines(loaded, tmp_path)


def test_a_table_with_a_bad_condition_gives_no_rows(tmp_path: Path) -> None:
    """Where it is not known which rows are meant, nothing is made; its columns are still known."""
    (tmp_path / "t.csv").write_text("k,price\n1,9.90\n")

    loaded = load(
        tmp_path,
        f"{HEAD}tables: {{t: {{file: t.csv, key: k, where: row.k * 2}}}}\n"
        "shots: [{id: s, for: t, prompt: '{{ row.prce }}'}]\n",
    )

    assert [
        "m.yaml:3:42: forbidden-template: '*' is not allowed in a template",
        "m.yaml:4:41: undefined-name: 'row.prce' is not known",
    ] == lines(loaded, tmp_path)
    assert loaded.manifest is not None
    assert ({}, ()) == (loaded.manifest.tables, loaded.manifest.shots)


def test_a_shot_whose_id_is_taken_clashes_with_nothing_else(tmp_path: Path) -> None:
    """Its items have addresses of their own, so that one fault is not told for each of them."""
    shots = "shots:\n- {id: a, prompt: b}\n- {id: a, prompt: c}\n- {id: a, prompt: d}\n"

    loaded = load(tmp_path, f"{HEAD}{shots}")

    assert loaded.manifest is not None
    assert ["a", "a (line 5)", "a (line 6)"] == [shot.id for shot in loaded.manifest.shots]
    assert ["duplicate-id", "duplicate-id"] == [finding.slug for finding in loaded.findings]


def test_takes_that_share_a_path_are_kept_apart(tmp_path: Path) -> None:
    """The first keeps its path, so that a clash with another shot is still told."""
    shots = "shots: [{id: a, takes: 2, prompt: b, output: {path: 'a.{{ ext }}'}}]\n"

    loaded = load(tmp_path, f"{HEAD}{shots}")

    assert loaded.manifest is not None
    (shot,) = loaded.manifest.shots
    assert "take" in shot.output.names
    assert ["a.{ext}", "a.{ext}#2"] == [
        shot.output.render({"ext": "{ext}", "take": take}) for take in (1, 2)
    ]


def test_a_misspelt_key_without_a_value_is_told_too(tmp_path: Path) -> None:
    """`duration:` alone means absent; `duraton:` alone is as wrong as with a value."""
    loaded = load(
        tmp_path, f"{HEAD}shots: [{{id: a, prompt: b, duration: , duraton: , takes: ~}}]\n"
    )

    assert ["m.yaml:3:40: unknown-key: a shot has no 'duraton'"] == lines(loaded, tmp_path)


def test_an_added_cells_values_have_places_of_their_own(tmp_path: Path) -> None:
    """A value that cannot be used is told at the value, not at its cell."""
    cells = "{matrix: {mood: [a]}, add: [{mood: wild}]}"
    loaded = load(tmp_path, f"{HEAD}shots: [{{id: a, prompt: b, variants: {cells}}}]\n")

    assert loaded.manifest is not None
    variants = loaded.manifest.shots[0].variants
    assert variants is not None
    assert {"mood": 73} == {name: span.column for name, span in variants.add[0].spans.items()}


def test_what_a_shot_says_of_its_output_is_over_the_manifest(tmp_path: Path) -> None:
    """Each key for itself; known also of a shot whose table cannot be read."""
    text = """\
callsheet: 1
name: m
tables: {gone: {file: gone.csv, key: sku}}
output: {show: approved}
shots:
  - {id: a, for: gone, prompt: Steam., output: {path: "a/{{ row_key }}.{{ ext }}"}}
  - {id: b, prompt: Steam., output: {show: all}}
  - {id: c, prompt: Steam.}
"""
    manifest = load(tmp_path, text).manifest
    assert manifest is not None
    assert {"a", "c"} == manifest.approved_only
