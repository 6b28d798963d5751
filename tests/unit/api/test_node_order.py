"""What a node of a cluster is told of a run."""

from __future__ import annotations

import pickle
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pipeline.api.campaign_request import CampaignRequest, RunSettings
from pipeline.api.loaded_campaign import load_campaign
from pipeline.api.node_worker import find_engine, open_node_worker
from pipeline.api.project_file import project_of
from pipeline.api.run_handle import RunScope
from pipeline.errors import InvalidInput, MediaFault, Unusable
from pipeline.findings import Finding, Span
from pipeline.ledger.repository import Ledger

MANIFEST = """\
callsheet: 1
name: cups
tables: {cups: {file: cups.csv, key: sku, as: cup}}
vars: {season: autumn-of-nobody}
defaults: {provider: runware, duration: 5, aspect_ratio: "9:16"}
shots:
  - {id: still, for: cups, prompt: "A {{ cup.name }} stands on a table.", accept: {takes: 3}}
providers: {runware: {concurrency: 7, accounts: {b: {key_env: KEY_OF_B}}}}
policy: {deadline: 7m}
budget: {limit: 20 USD}
"""
PROJECT = """\
env_file = "keys.env"
[on]
done = ["curl", "https://hooks.example/secret-of-nobody"]
"""
LEDGER = "postgresql://anna@db.example/clips"


def _order(folder: Path, store: str) -> Any:
    """Return the order to a node as it arrives there, and all its bytes."""
    cloudpickle = pytest.importorskip("ray").cloudpickle
    (folder / "cups.yaml").write_text(MANIFEST, "utf-8")
    (folder / "cups.csv").write_text("sku,name\nA,Alba\n", "utf-8")
    (folder / "callsheet.toml").write_text(PROJECT, "utf-8")
    (folder / "keys.env").write_text("RUNWARE_API_KEY=a-key-of-nobody\n", "utf-8")
    manifest = folder / "cups.yaml"
    request = CampaignRequest(
        manifest=manifest,
        project=project_of(manifest),
        ledger=LEDGER,
        overrides=("vars.season=winter-of-nobody",),
        base_urls=("runware=https://runware.example",),
        engine="ray://head.example:10001",
        store=store,
    )
    with Ledger.memory() as ledger:
        scope = RunScope(ledger=ledger, providers=frozenset({"runware"}))
        open_engine = find_engine(load_campaign(request), RunSettings(), scope)
    assert open_engine is not None
    sent = cloudpickle.dumps(vars(open_engine(5, lambda _: None))["_order"])
    return cloudpickle.loads(sent), sent


def test_with_a_store_it_needs_nothing_of_the_project(tmp_path: Path) -> None:
    """Money, retries and lanes go with it; no prompt, no table, no key, no path to open."""
    project, store = tmp_path / "the-project", tmp_path / "shared"
    project.mkdir()

    order, sent = _order(project, str(store))

    assert (str(store), 5) == (order.store, order.run_id)
    assert Decimal(20) == order.manifest.budget.limit_usd
    assert 420 == order.manifest.policy.deadline_s
    assert 7 == order.manifest.providers["runware"].concurrency
    assert (LEDGER, ("runware=https://runware.example",)) == (
        order.request.ledger,
        order.request.base_urls,
    )
    assert order.request.project.env_file is None
    for text in ("stands on", "Alba", "cups.csv", "keys.env", "of-nobody"):
        assert text.encode() not in sent


def test_without_one_it_reads_the_project_itself(tmp_path: Path) -> None:
    """It is told where that is, by absolute paths."""
    order, sent = _order(tmp_path, "")

    assert ("", None) == (order.store, order.manifest)
    assert tmp_path / "keys.env" == order.request.project.env_file
    assert b"secret-of-nobody" not in sent
    assert tmp_path / "cups.yaml" == order.request.manifest
    assert order.request.root.is_absolute()


@pytest.mark.parametrize("store", ["", "shared"])
async def test_a_machine_with_another_place_of_that_name_does_nothing(
    store: str, tmp_path: Path
) -> None:
    """What is paid for would lie on its own disk: a folder that is no mount, or a copy."""
    order, _ = _order(tmp_path, store and str(tmp_path / store))
    place = Path(order.store) if store else order.request.home
    place.rename(tmp_path / "elsewhere")
    place.mkdir()

    with pytest.raises(Unusable, match="on this machine is not the"):
        await _open(order)


async def test_a_machine_with_another_version_does_nothing(tmp_path: Path) -> None:
    """A newer one would keep the ledger in another form while the run goes on."""
    order, _ = _order(tmp_path, "")

    with pytest.raises(Unusable, match=r"0\.0\.1 where the run was started"):
        await _open(replace(order, version="0.0.1"))


async def _open(order: Any) -> None:
    async with open_node_worker(order, lambda _: None):
        pass


def test_what_is_wrong_on_a_machine_arrives_whole() -> None:
    """Ray pickles it: findings stay findings, and a fault of a file keeps what to do."""
    finding = Finding(
        slug="no-key", message="RUNWARE_API_KEY is not set", span=Span(file="a.yaml", line=3)
    )
    for fault in (InvalidInput([finding], {"a.yaml": "x"}), MediaFault("lost-clip", "gone", "see")):
        arrived = pickle.loads(pickle.dumps(fault))  # noqa: S301 - our own, of this moment

        assert vars(fault) == vars(arrived)
        assert (type(fault), str(fault)) == (type(arrived), str(arrived))
