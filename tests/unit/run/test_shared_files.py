"""Clips and references of a run whose machines have nothing but a store in common."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.domain import Media
from pipeline.engine.dispatch import dispatch, plan_shards
from pipeline.engine.local_engine import LocalEngine
from pipeline.errors import Unusable
from pipeline.ledger.repository import Ledger
from pipeline.run.outcome import Outcome
from pipeline.run.output_check import hide_all
from pipeline.run.runner import RunHandle, run
from pipeline.storage.blobs import Store
from pipeline.storage.object_store import SharedStore
from tests.unit.run.campaign import CAMPAIGN, Studio, entry

NAMES = ("a", "b", "c")


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    """Return a root in which three items are planned, at a price that is known."""
    studio = Studio(tmp_path / "root")
    studio.confirm_price()
    assert studio.admit(entry(name) for name in NAMES).ok
    return studio


@pytest.fixture
def shared(tmp_path: Path) -> SharedStore:
    """Return an empty store, in the folder `shared`."""
    return SharedStore(str(tmp_path / "shared"), make=True)


async def work_as_node(
    studio: Studio, shared: SharedStore, checkpoint: Callable[[str], None] = lambda _: None
) -> None:
    """Work on all that was admitted as a node does, in a folder of its own."""
    config, parts = studio.parts(checkpoint=checkpoint)
    own = Store(studio.root.with_name("node"), shared.copy_reference)
    parts["dependencies"] = replace(parts["dependencies"], shared=shared, store=own)
    with Ledger.open(studio.root) as ledger:
        handle = RunHandle(ledger, replace(config, hides=hide_all), **parts)
        run_id = await ledger.for_run().begin_run(campaign=CAMPAIGN, at=0.0)
        extent = await ledger.for_run().plan_extent(campaign=CAMPAIGN)
        assert extent is not None
        async with handle.open_worker(run_id) as worker:
            await dispatch(LocalEngine(worker), plan_shards(*extent))


async def run_here(studio: Studio, shared: SharedStore) -> Outcome:
    """Run what was admitted as whoever began the run does, when all others have ended."""
    config, parts = studio.parts()
    parts["dependencies"] = replace(parts["dependencies"], shared=shared)
    with Ledger.open(studio.root) as ledger:
        return await run(ledger, config, **parts)


async def test_a_clip_is_in_the_store_before_the_ledger_says_so(
    studio: Studio, shared: SharedStore, tmp_path: Path
) -> None:
    """And not on the node any more; the driver lays it out from there, and misses nothing."""
    counted = list[tuple[str, int]]()

    def count(point: str) -> None:
        if point in {"shared", "committed"}:
            counted.append((point, len(list((tmp_path / "shared").glob("??/*.mp4")))))

    await work_as_node(studio, shared, count)

    assert {"shared", "committed"} == {point for point, _ in counted}
    landed = 0
    for point, there in counted:
        landed += point == "committed"
        assert there >= landed
    assert 3 == len(list((tmp_path / "shared").glob("??/*.mp4"))) == landed
    assert [] == list(Store(tmp_path / "node").clips()) == list(Store(studio.root).clips())
    assert not (tmp_path / "node" / CAMPAIGN).exists()
    assert ["done"] * 3 == studio.states()

    outcome = await run_here(studio, shared)

    assert (0, 3, 0) == (outcome.exit_code, outcome.restored, outcome.damaged)
    for name, record in zip(NAMES, studio.records(), strict=True):
        assert record.sha256 == hashlib.sha256(studio.clip(name).read_bytes()).hexdigest()
    assert 3 == studio.shop.submits
    # Its own files are known by now: nothing is read or brought again.
    shutil.rmtree(tmp_path / "shared")
    again = await run_here(studio, shared)
    assert (0, 0, 0) == (again.exit_code, again.restored, again.damaged)


async def test_what_cannot_be_put_into_the_store_has_not_landed(
    studio: Studio, shared: SharedStore, tmp_path: Path
) -> None:
    """The node ends; the next one fetches the same clips again, and buys none of them."""
    shutil.rmtree(tmp_path / "shared")
    (tmp_path / "shared").write_text("a file where the folder was", "utf-8")
    with pytest.raises(Unusable, match="shared cannot be used"):
        await work_as_node(studio, shared)
    bought = studio.shop.submits
    assert bought
    assert "done" not in studio.states()
    (tmp_path / "shared").unlink()
    again = SharedStore(str(tmp_path / "shared"), make=True)

    await work_as_node(studio, again)

    assert ["done"] * 3 == studio.states()
    assert 3 == studio.shop.submits
    assert 0 == (await run_here(studio, again)).exit_code


async def test_references_go_out_for_what_has_no_clip(tmp_path: Path, shared: SharedStore) -> None:
    """Each once, however many items want it; one that changed meanwhile is left out."""
    studio, media = Studio(tmp_path / "root"), dict[str, Media]()
    for name in ("one", "two", "changed"):
        photo = tmp_path / f"{name}.png"
        photo.write_text(name, "utf-8")
        digest = hashlib.sha256(name.encode()).hexdigest()
        media[name] = Media(
            media_type="image", source=str(photo), local=True, digest=digest, format="png"
        )
    (tmp_path / "changed.png").write_text("something else", "utf-8")
    address = Media(media_type="image", source="https://a.example/b", local=False, digest="0" * 64)
    images = (["one"], ["one", "two"], ["changed"])
    entries = [
        entry(f"n{number}", images=[*(media[name] for name in names), address])
        for number, names in enumerate(images)
    ]
    assert studio.admit(entries).ok
    with Ledger.open(studio.root) as ledger:
        wanted = [each.source for each in ledger.open_references(CAMPAIGN)]
    assert [media[name].source for name in ("one", "two", "changed")] == wanted

    await run_here(studio, shared)

    found = {file.name: file.read_text("utf-8") for file in (tmp_path / "shared/assets").iterdir()}
    assert {media[name].digest: name for name in ("one", "two")} == found
