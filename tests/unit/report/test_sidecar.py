"""A sidecar follows its schema whatever is known of a clip, and is known again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta, timezone
from decimal import Decimal
from typing import Any

import jsonschema
import orjson
import pytest

from pipeline.domain import Record
from pipeline.ledger.payload import bought_work
from pipeline.report.sidecar import Origins, is_of, is_sidecar, to_sidecar
from pipeline.schemas import schema
from tests.unit.report.records import NOON, done

ORIGINS = Origins(version="1.0", rehearsal=True, inputs={"campaign.yaml": "ef" * 32})
WORK = {"prompt": "It turns.\x1b[2J", "settings": {"mode": "std"}, "references": []}
PLANNED: Mapping[str, Any] = {"sent_prompt": "It turns.", "settings": {"mode": "std"}, "assets": []}
RECORDS = (
    done(work=WORK),
    done(work={**WORK, "prompt": None, "references": None}, charge_source="unknown"),
    done(work=WORK, charged_native=Decimal("7.5"), native_unit="credits", submitted_at=None),
    done(work=WORK, charged_usd=Decimal(0), charge_source="", shared_with="spin[SKU-2,calm]"),
)


@pytest.mark.parametrize("record", RECORDS, ids=["whole", "unknown", "native", "shared"])
def test_a_sidecar_is_valid_under_its_schema(record: Record) -> None:
    """What nobody knows is null, never a number; nothing in it controls a terminal."""
    content = to_sidecar(record, ORIGINS)
    told = json.loads(content)

    validator = jsonschema.Draft202012Validator(schema("sidecar"))
    assert [] == [fault.message for fault in validator.iter_errors(told)]
    assert (told["cost"]["usd"] is None) == (record.charge_source == "unknown")
    assert b"\x1b" not in content
    assert is_sidecar(content)
    assert is_of(content, record)
    assert not is_of(content, done(sha256="ee" * 32))
    assert not is_of(content, done(key="ee" * 32))


def test_every_object_of_the_schema_is_closed_and_described() -> None:
    """Whoever reads it finds each property explained, and no others."""
    whole = schema("sidecar")
    reference = whole["$defs"]["reference"]
    medium = reference["properties"]["media"]["items"]

    for part in (whole, whole["properties"]["cost"], reference, medium):
        assert part["additionalProperties"] is False
        assert set(part["required"]) == set(part["properties"])
        assert all("description" in about for about in part["properties"].values())


def test_the_time_zone_of_a_record_changes_no_byte() -> None:
    """Times are told in UTC."""
    kathmandu = NOON.astimezone(timezone(timedelta(hours=5, minutes=45)))

    there = to_sidecar(done(work=WORK, finished_at=kathmandu), ORIGINS)

    assert to_sidecar(done(work=WORK), ORIGINS) == there


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"callsheet_sidecar": 1}', b"\xff"])
def test_what_somebody_else_wrote_is_no_sidecar(content: bytes) -> None:
    """Neither broken JSON nor an object of other names is taken for one."""
    assert not is_sidecar(content)


def test_a_prompt_that_nobody_wrote_down_is_unknown() -> None:
    """A purchase elsewhere keeps none: the plan knows the words of the provider it names alone."""
    elsewhere = orjson.dumps({"item": {"parts": {}}, "lock": {}})
    bought = orjson.dumps({"item": {"sent_prompt": "It spun.", "settings": {"mode": "pro"}}})

    unknown = bought_work(PLANNED, elsewhere, as_planned=False)
    planned = bought_work(PLANNED, elsewhere, as_planned=True)
    kept = bought_work(PLANNED, bought, as_planned=False)

    assert (None, None) == (unknown["prompt"], unknown["references"])
    assert "It turns." == planned["prompt"]
    assert ("It spun.", {"mode": "pro"}) == (kept["prompt"], kept["settings"])
