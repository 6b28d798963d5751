"""From a manifest to items: how many, in which order, with what in them."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.domain import Constraints, Item, Kind, Role, Token
from pipeline.findings import Finding, Severity, group_findings
from tests.unit.plan import builders as build

PRODUCTS = (
    build.row("A1", name="Comet", color="red", hero="comet.png"),
    build.row("B 2", name="Vega", color="blue", hero="vega.png"),
)


def spin(text: str = "{{ product.name }}, {{ variant.mood }}.", **more: Any) -> Any:
    """Return a shot for every product, in two moods."""
    given = {"table": "products", "variants": build.variants({"mood": ["calm", "bold"]}), **more}
    return build.shot(text, **given)


def test_items_are_shots_times_rows_times_cells_times_takes_in_that_order() -> None:
    """Shots as written, rows as in the table, cells in order, takes."""
    campaign = build.manifest(
        spin(settings={"takes": 2}), build.shot("Rain.", id="rain"), rows=PRODUCTS
    )

    assert [
        "spin[A1,calm]#1",
        "spin[A1,calm]#2",
        "spin[A1,bold]#1",
        "spin[A1,bold]#2",
        "spin[B%202,calm]#1",
        "spin[B%202,calm]#2",
        "spin[B%202,bold]#1",
        "spin[B%202,bold]#2",
        "rain#1",
    ] == [item.address for item in build.items(campaign)]


def test_a_plan_can_be_iterated_again_and_gives_the_same() -> None:
    """A plan is a recipe, not a list that is used up."""
    plan = build.plan(build.manifest(spin(settings={"takes": 2}), rows=PRODUCTS))

    assert list(plan) == list(plan)
    assert 8 == len(list(plan))


def test_a_plan_streams() -> None:
    """The first item is there before the last row was looked at."""
    album = build.Album()
    front = build.bundle(build.image("front", "{{ product.hero }}"))
    campaign = build.manifest(
        build.shot("@front turns.", table="products", bundles=(front,)), rows=PRODUCTS
    )

    first = next(iter(build.plan(campaign, album)))

    assert isinstance(first, Item)
    assert ["comet.png"] == [file for file, _, _ in album.looks]


def test_an_item_says_what_it_is_made_from() -> None:
    """Names, prompt, place, path and spec are the row's and the cell's own."""
    item = build.items(build.manifest(spin(tags=("hero",)), rows=PRODUCTS))[3]

    assert ("Vega, bold.",) == item.prompt
    assert ("spring", "spin", "B 2", "bold", 1) == (
        item.campaign,
        item.shot,
        item.row_key,
        item.cell,
        item.take,
    )
    assert {"mood": "bold"} == item.axes
    assert ("hero",) == item.tags
    assert Kind.TEXT is item.kind
    assert "spin/B 2/bold_t1.{ext}" == item.output
    assert build.at(10) == item.origin.shot
    assert PRODUCTS[1].span == item.origin.row
    assert (5, 16 / 9, 720) == (item.spec.seconds, item.spec.ratio, item.spec.short_side)


def test_mentions_become_tokens_by_role_and_ordinal() -> None:
    """By name, by bundle and name, and by what there is only one of."""
    product = build.bundle(build.image("front"), build.image("side"))
    ends = build.bundle(name="ends", frames=build.frames("open.png"))
    campaign = build.manifest(
        build.shot("@side, @product.front, @first.", bundles=(product, ends)),
    )
    offers = {
        "runware": build.offer(
            "runware",
            first_frame=Constraints(max_images=7, ratio="frame", durations=frozenset({5})),
        )
    }

    (item,) = build.items(campaign, build.Album(), offers=offers)

    assert (
        Token(role=Role.IMAGE, ordinal=2),
        ", ",
        Token(role=Role.IMAGE, ordinal=1),
        ", ",
        Token(role=Role.FIRST, ordinal=1),
        ".",
    ) == item.prompt


def test_text_is_in_one_normal_form_without_space_at_line_ends() -> None:
    """What looks the same is the same work."""
    campaign = build.manifest(build.shot("Cafe\u0301 \n\t rain  \n"))

    assert ("Café\n\t rain",) == build.items(campaign)[0].prompt


def test_a_mention_of_what_is_not_attached_is_an_error() -> None:
    """An optional image that is blank has been left out; the prompt must not speak of it."""
    rows = (build.row("A", side="a.png"), build.row("B", side=""), build.row("C", side=""))
    product = build.bundle(build.image("side", "{{ product.side }}", optional=True))
    campaign = build.manifest(
        build.shot("From the side: @side.", table="products", bundles=(product,)), rows=rows
    )

    (finding,) = build.findings(campaign)

    assert "reference-not-attached" == finding.slug
    assert "the prompt mentions '@side', which is not attached" == finding.message
    assert (30, ("B", "C")) == (finding.span.line, finding.rows)


def test_templates_see_whether_an_optional_reference_is_attached() -> None:
    """`refs.side` is false where the cell is blank."""
    rows = (build.row("A", side="a.png"), build.row("B", side=""))
    product = build.bundle(build.image("side", "{{ product.side }}", optional=True))
    campaign = build.manifest(
        build.shot("{{ refs.side }}", table="products", bundles=(product,)), rows=rows
    )

    assert [("True",), ("False",)] == [item.prompt for item in build.items(campaign)]


def test_templates_see_how_many_images_a_list_has() -> None:
    """`refs.view_2` is false where a product has one photo: its prompt can do without the other."""
    rows = (build.row("A", views=("a.png", "b.png", "c.png")), build.row("B", views=("d.png",)))
    views = build.image("view", "{{ product.views }}", each=True, max=2)
    prompt = "{{ refs.view_1 }}{{ refs.view_2 }}{{ refs.view_3 }}"
    campaign = build.manifest(
        build.shot(prompt, table="products", bundles=(build.bundle(views),)), rows=rows
    )

    assert [("TrueTrueFalse",), ("TrueFalseFalse",)] == [
        item.prompt for item in build.items(campaign)
    ]


def test_one_fault_in_300_rows_is_one_finding() -> None:
    """It names the rows, once, and none of them becomes an item."""
    rows = [build.row(f"R{number}") for number in range(300)]

    (finding,) = build.plan(build.manifest(spin("{{ product.nme }}"), rows=rows))

    assert "undefined-name" == finding.slug  # type: ignore[union-attr]
    assert tuple(f"R{number}" for number in range(300)) == finding.rows  # type: ignore[union-attr]


def test_a_fault_that_no_row_has_a_part_in_names_no_rows() -> None:
    """300 row keys beside a wrong mode would only hide it."""
    campaign = build.manifest(spin(settings={"duration": 7}), rows=PRODUCTS)

    (finding,) = build.findings(campaign)

    assert ("duration", ()) == (finding.slug, finding.rows)


def test_faults_do_not_hide_each_other() -> None:
    """Prompt, path, settings and media are each worked out, whatever the others say."""
    broken = build.shot(
        "{{ vars.nothing }}",
        bundles=(build.bundle(build.image("front", "lost.png")),),
        settings={"duration": 99},
        output=build.path("{{ vars.nowhere }}"),
    )

    assert {"undefined-name", "missing-file", "duration"} == set(
        build.slugs(build.manifest(broken), build.Album(missing=frozenset({"lost.png"})))
    )
    assert 4 == len(
        group_findings(
            build.findings(build.manifest(broken), build.Album(missing=frozenset({"lost.png"})))
        )
    )


def test_an_axis_that_changes_no_key_is_a_warning_and_stays_an_item() -> None:
    """Both paths get the clip, which is bought once."""
    campaign = build.manifest(spin("{{ product.name }}."), rows=PRODUCTS)

    found = list(build.plan(campaign))

    assert 4 == sum(isinstance(each, Item) for each in found)
    (warning,) = [each for each in found if not isinstance(each, Item)]
    assert ("same-work", Severity.WARNING) == (warning.slug, warning.severity)
    assert "nothing that is sent depends on 'mood'" == warning.message
    assert ("A1", "B 2") == warning.rows


def test_a_shot_whose_table_could_not_be_read_makes_nothing() -> None:
    """The manifest has said why."""
    assert [] == list(build.plan(build.manifest(build.shot(table="lost"))))


def test_tags_of_a_row_join_those_of_the_shot() -> None:
    """`_tags` may hold several words."""
    rows = (
        build.row("A", {"tags": "sale, new"}),
        build.row("B", {"tags": ("old",)}),
        build.row("C"),
    )
    campaign = build.manifest(build.shot(table="products", tags=("hero",)), rows=rows)

    assert [("hero", "sale", "new"), ("hero", "old"), ("hero",)] == [
        item.tags for item in build.items(campaign)
    ]


def test_a_template_that_reads_no_column_is_rendered_once_for_all_rows() -> None:
    """Of 300 rows and two cells, the second row finds everything made."""
    calls: list[str] = []

    def render(context: Any) -> tuple[str, ...]:
        calls.append(context["cell"])
        return ("the same",)

    text = build.template("{{ variant.mood }}", render)
    rows = [build.row(f"R{number}") for number in range(300)]

    items = build.items(build.manifest(spin(prompt=text, output=build.path()), rows=rows))

    assert 600 == len(items)
    assert ["calm", "bold"] == calls


def test_a_warning_of_a_template_is_told_with_its_rows() -> None:
    """The manifest's templates hand theirs to the context's `__warn__`."""
    warning = Finding(
        slug="blank-value",
        message="a value in this text is blank",
        span=build.at(30),
        severity=Severity.WARNING,
    )

    def render(context: Any) -> tuple[str, ...]:
        context["__warn__"](warning)
        return ("text",)

    text = build.template("{{ product.name }}", render)
    campaign = build.manifest(build.shot(prompt=text, table="products"), rows=PRODUCTS)

    assert [("blank-value", ("A1", "B 2"))] == [
        (finding.slug, finding.rows) for finding in build.findings(campaign)
    ]
    assert 2 == len(build.items(campaign))


@pytest.mark.parametrize("source", ["{{ take }}", "take {{ take }} of {{ product.name }}"])
def test_a_prompt_may_depend_on_the_take(source: str) -> None:
    """Each take is rendered by itself."""
    campaign = build.manifest(
        build.shot(source, table="products", settings={"takes": 3}), rows=PRODUCTS[:1]
    )

    texts = [item.prompt[0] for item in build.items(campaign)]

    assert 3 == len(set(texts))
