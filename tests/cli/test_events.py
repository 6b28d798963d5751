"""`--format ndjson`: what a program reads of a run is what the schema says."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest

from pipeline.cli.command_line import invoke
from pipeline.domain.states import State
from pipeline.ledger.event_log import NOTABLE
from pipeline.schemas import schema
from tests.architecture.source import modules
from tests.cli.cups import MANIFEST

Event = dict[str, Any]


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Return a manifest of three clips."""
    (tmp_path / "cups.csv").write_text("sku,name\nA,Alba\nB,<img src=x>\nC,Cala\n", "utf-8")
    (tmp_path / "m.yaml").write_text(MANIFEST, "utf-8")
    return tmp_path / "m.yaml"


def _run(
    manifest: Path, capsys: pytest.CaptureFixture[str], *words: str
) -> tuple[int, list[Event], str]:
    root = str(manifest.parent / "root")
    code = invoke(
        ["run", str(manifest), "--rehearse", "--root", root, "--format", "ndjson", *words]
    )
    printed = capsys.readouterr()
    return int(code), [json.loads(line) for line in printed.out.splitlines()], printed.err


def test_every_line_is_an_event_of_the_schema(
    manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run from its start to its exit code; what is summed up is what the report has."""
    code, events, words = _run(manifest, capsys)

    validator = jsonschema_rs.validator_for(schema("event"))
    assert [] == [error.message for event in events for error in validator.iter_errors(event)]
    assert 0 == code, words
    names = [event["event"] for event in events]
    assert ["run_started", "outcome", "run_ended"] == [names[0], *names[-2:]]
    assert (3, 3, True) == tuple(events[0]["detail"][key] for key in ("items", "left", "rehearsal"))
    assert {"exit_code": 0} == events[-1]["detail"]
    counts = Counter(names)
    assert (3, 3, 3) == (counts["submitting"], counts["done"], counts["shown"])
    # A slow machine's run has a heartbeat, which sums up what the others told.
    of_jobs = [event for event in events[:-2] if event["event"] != "heartbeat"]
    charged = sum(event["detail"].get("charged_usd", 0) for event in of_jobs)
    report = json.loads((manifest.parent / "root/rehearsal/cups/report/report.json").read_text())
    assert charged == pytest.approx(report["money"]["charged_usd"])
    assert charged == pytest.approx(events[-2]["detail"]["charged_usd"])
    # What a person would read is not lost: it stands beside.
    assert "3 done" in words

    again, others, _ = _run(manifest, capsys)
    assert (0, ["run_ended"]) == (again, [event["event"] for event in others])


def test_what_is_refused_before_it_began_prints_no_event(
    manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 3: the findings go to standard error, and standard output stays empty."""
    manifest.write_text(MANIFEST.replace("cup.name", "cup.nam"), "utf-8")

    code, events, words = _run(manifest, capsys)

    assert (3, []) == (code, events)
    assert "undefined-name" in words


def _names_in_the_source() -> Iterator[str]:
    tellers = {"emit", "event", "_emit_lane", "_tell"}
    for module in modules():
        for node in ast.walk(ast.parse(module.read_text("utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Name(id=name) | ast.Attribute(attr=name),
                    args=arguments,
                    keywords=keywords,
                ) if name in tellers or name == "Event":
                    given = [*arguments, *(each.value for each in keywords if each.arg == "name")]
                    texts = [each.value for each in given if isinstance(each, ast.Constant)]
                    yield from (str(text) for text in texts[:1])


def test_every_event_has_its_line_in_the_schema() -> None:
    """Whatever the source tells by a literal name, each state and each notable event is there."""
    known = {each["const"] for each in schema("event")["$defs"]["event"]["oneOf"]}
    told = {name for name in _names_in_the_source() if re.fullmatch("[a-z]+(_[a-z]+)*", name)}

    assert [] == sorted((told | set(State) | NOTABLE) - known)
    assert {"progress", "lane_stopped", "run_ended", "stray_task"} <= told
