"""A table of edits: what each makes again, exactly, and what `why` says of it."""

from __future__ import annotations

import shutil
from collections import defaultdict
from pathlib import Path

import pytest

from pipeline import Project
from pipeline.cli.change_text import places_text, value_text
from pipeline.domain.changes import PartChange
from pipeline.media import derive
from tests.cli.edits import ALL, EDITS, Edit, Why


def told(changes: tuple[PartChange, ...], why: Why) -> bool:
    """Tell whether one of the changed parts is what is expected, to the place."""
    return any(
        (why.part, why.detail, why.place) == (each.part, each.detail, places_text(each.places))
        and why.old in value_text(each.old)
        and why.new in value_text(each.new)
        and each.old != each.new
        for each in changes
    )


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)
def test_an_edit_makes_exactly_what_it_changed(
    edit: Edit, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each item has the class that the edit gives it, and `why` names part, values and place."""
    folder = tmp_path / "shop"
    shutil.copytree(finished, folder)
    monkeypatch.chdir(folder)
    edit.act(folder)
    if edit.other_library:
        shutil.rmtree(folder / "outputs/.callsheet/assets")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setattr(derive, "_MAX_SIDE", 1280)
    campaign = Project().open("shop.yaml", profile=edit.profile, overrides=edit.overrides)

    plan = campaign.plan()
    classes = defaultdict(set)
    for item in plan.iter_changes():
        classes[item.change.value].add(item.address)

    expected = {name: set(addresses) for name, addresses in edit.classes.items()}
    assert expected == {name: found for name, found in classes.items() if name != "nothing"}
    assert set(edit.orphaned) == set(plan.summary.orphaned)
    made = len(expected.get("buys", ())) + len(expected.get("buys_again", ()))
    assert made == plan.to_make.items
    for why, beside in ((edit.why, False), (edit.beside, True)):
        if why is not None:
            found = campaign.why(why.address)
            assert told(found.beside if beside else found.changed, why), found
    for address in edit.orphaned:
        assert "orphaned" == campaign.why(address).change
    if edit.why is None:
        same = next(address for address in ALL if address not in edit.orphaned)
        if edit.name != "the campaign renamed":
            assert () == campaign.why(same).changed


def test_the_table_covers_what_people_do() -> None:
    """There are thirty edits at least, each under a name of its own."""
    assert 30 <= len({edit.name for edit in EDITS}) == len(EDITS)
