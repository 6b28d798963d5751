"""`init` gives a campaign that works as it is; `schema` prints what is shipped."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema_rs
import pytest
import yaml

from pipeline.cli.command_line import invoke
from pipeline.cli.options import dollars
from pipeline.schemas import names, schema

Printed = pytest.CaptureFixture[str]
CLIPS = 9


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Printed) -> str:
    """Return what `init mugs` printed in an empty folder, which is now the working folder."""
    monkeypatch.chdir(tmp_path)
    assert 0 == int(invoke(["init", "mugs"]))
    return capsys.readouterr().out


def test_the_starter_is_a_campaign_without_fault(started: str, capsys: Printed) -> None:
    """The two commands that `init` names work as they are printed, and make all clips."""
    check, run = re.findall(r"^  callsheet (.*)$", started, re.MULTILINE)

    assert 0 == int(invoke(check.split()))
    assert "mugs/campaign.yaml: no findings\n" == capsys.readouterr().out
    assert 0 == int(invoke(["plan", "mugs/campaign.yaml"]))
    assert f"{CLIPS} items, {CLIPS} to make; 3.78 USD" in capsys.readouterr().out
    assert 0 == int(invoke(run.split()))
    assert f"\n{CLIPS} done\n" in capsys.readouterr().out
    assert CLIPS == len([*Path("mugs/outputs/rehearsal/mugs").rglob("*.mp4")])


@pytest.mark.usefixtures("started")
def test_the_starter_tells_the_truth_about_itself() -> None:
    """It is valid by the schema, its price is the planned one, and its limit is above it."""
    text = Path("mugs/campaign.yaml").read_text("utf-8")
    manifest = yaml.safe_load(text)

    assert jsonschema_rs.is_valid(schema("manifest"), manifest)
    assert "9 clips of 5 seconds at 0.084 USD a second come to 3.78 USD" in text
    assert dollars("3.78") < dollars(manifest["budget"]["limit"])


def test_init_overwrites_nothing(tmp_path: Path, capsys: Printed) -> None:
    """What is there is named and kept, and nothing else is written beside it."""
    (tmp_path / "photos").mkdir()
    for name in ("products.csv", "photos/MUG-02.jpg"):
        (tmp_path / name).write_text("mine")

    assert 3 == int(invoke(["init", str(tmp_path)]))

    said = capsys.readouterr().err
    assert f"would overwrite {tmp_path}/products.csv, {tmp_path}/photos/MUG-02.jpg\n" in said
    assert ["MUG-02.jpg", "photos", "products.csv"] == sorted(p.name for p in tmp_path.rglob("*"))
    assert "mine" == (tmp_path / "products.csv").read_text()


def test_init_into_a_file_is_refused(tmp_path: Path, capsys: Printed) -> None:
    """A file cannot be a folder."""
    (tmp_path / "mugs").touch()

    assert 3 == int(invoke(["init", str(tmp_path / "mugs")]))
    assert "is a file, not a folder" in capsys.readouterr().err


def test_every_schema_can_be_listed_and_printed(capsys: Printed) -> None:
    """What `--list` names is what is shipped, and each is printed as JSON; first the manifest's."""
    assert 0 == int(invoke(["schema", "--list"]))
    listed = capsys.readouterr().out.split()
    assert [*names()] == listed
    assert {"manifest", "callsheet", "report", "rates", "providers/runware"} <= {*listed}

    for words, name in [([], "manifest"), *(([name], name) for name in listed)]:
        assert 0 == int(invoke(["schema", *words]))
        assert schema(name) == json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("manifst", "did you mean manifest?"),
        ("runware", "did you mean providers/runware?"),
        ("../pyproject", "callsheet schema --list"),
    ],
)
def test_a_schema_that_is_not_there_has_near_names(name: str, hint: str, capsys: Printed) -> None:
    """A name that is not known is no file name either: the nearest names are told."""
    assert 3 == int(invoke(["schema", name]))

    said = capsys.readouterr()
    assert "" == said.out
    assert f"there is no schema '{name}'" in said.err
    assert hint in said.err
