"""Where a run is worked on, as it is told: on this machine, or on those of a Ray cluster."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.api.campaign_request import CampaignRequest
from pipeline.api.project_file import project_of
from pipeline.cli.command_line import invoke
from pipeline.domain.states import Exit
from tests.architecture.source import REPOSITORY

MANIFEST = """\
callsheet: 1
name: cups
defaults: {provider: runware, duration: 5, aspect_ratio: "9:16"}
shots:
  - {id: still, prompt: "A cup stands on a table, no text."}
budget: {limit: 20 USD}
"""
ADDRESS = "ray://127.0.0.1:10001"
LEDGER = "postgresql://anna@db.example/clips"
WITHOUT = """\
import sys
sys.modules[sys.argv.pop(1)] = None
from pipeline.cli.command_line import invoke
sys.exit(invoke(sys.argv[1:]))
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project's folder with a campaign in it; it is the current folder."""
    (tmp_path / "cups.yaml").write_text(MANIFEST, "utf-8")
    (tmp_path / "callsheet.toml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CALLSHEET_LEDGER", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--engine", "head.example:10001"), "it is written ray://HOST:PORT"),
        (("--engine", "ray://anna:secret@head.example:10001"), "it is written ray://HOST:PORT"),
        (("--engine", ADDRESS, "--rehearse"), "a rehearsal is made on this machine"),
        (("--engine", ADDRESS), "say --ledger postgresql://USER@HOST/DATABASE"),
        (("--store", "clips"), "--store is where the machines of a cluster put clips"),
        (("--store", "clips", "--rehearse"), "say --engine ray://HOST:PORT"),
    ],
)
def test_what_cannot_be_spread_is_told_before_anything_is_made(
    words: tuple[str, ...], said: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is a fault of the command, with what to say instead; no root is made."""
    assert Exit.INVALID == invoke(["run", "cups.yaml", "--yes", *words])

    assert said in capsys.readouterr().err
    assert not (place / "outputs").exists()


@pytest.mark.parametrize(("package", "extra"), [("ray", "ray"), ("obstore", "store")])
def test_without_an_extra_it_says_what_to_install(package: str, extra: str, place: Path) -> None:
    """No traceback, nothing asked of the server, and nothing made in the root."""
    words = ["run", "cups.yaml", "--yes", "--engine", ADDRESS, "--ledger", LEDGER]
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT, package, *words, "--store", "clips"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert Exit.INVALID == ended.returncode
    assert f"pip install 'callsheet[{extra}]'" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (place / "outputs").exists()


def test_a_store_s_address_has_no_password(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither on the command line nor in the project's file; what is said does not quote it."""
    words = ["run", "cups.yaml", "--yes", "--engine", ADDRESS, "--ledger", LEDGER]
    assert Exit.STOPPED == invoke([*words, "--store", "s3://ann:secret@clips/june"])
    (place / "callsheet.toml").write_text('store = "s3://ann:secret@clips/june"\n', "utf-8")
    assert Exit.INVALID == invoke(["check", "cups.yaml"])

    said = capsys.readouterr().err
    assert "no user and no password" in said
    assert "callsheet.toml:1:1: bad-value: 'store' is not the address of a store" in said
    assert "secret" not in said
    assert not (place / "outputs").exists()


def test_the_project_s_engine_is_followed_by_what_is_not_rehearsed(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A rehearsal is made here, and so is a run that says `--engine ''`."""
    (place / "callsheet.toml").write_text(f'engine = "{ADDRESS}"\n', "utf-8")

    assert Exit.INVALID == invoke(["run", "cups.yaml", "--yes"])
    assert "several machines need one ledger" in capsys.readouterr().err
    assert Exit.OK == invoke(["run", "cups.yaml", "--rehearse", "--quiet"])
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RUNWARE_API_KEY", raising=False)
        invoke(["run", "cups.yaml", "--yes", "--engine", ""])
    said = capsys.readouterr().err
    assert ("RUNWARE_API_KEY" in said, "several machines" in said) == (True, False)


def test_an_engine_in_the_project_s_file_is_an_address(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Anything else is a finding with its place."""
    (place / "callsheet.toml").write_text('engine = "ray"\n', "utf-8")

    assert Exit.INVALID == invoke(["check", "cups.yaml"])

    assert re.search(r"callsheet\.toml:1:\d+", capsys.readouterr().err)


def test_a_suggested_run_goes_on_over_the_same_machines(place: Path) -> None:
    """It names the engine and the store that were given; other commands take neither."""
    request = CampaignRequest(
        manifest=Path("cups.yaml"),
        project=project_of(place),
        engine=ADDRESS,
        store="s3://clips/cups",
    )

    told = f"callsheet run cups.yaml --engine {ADDRESS} --store s3://clips/cups"
    assert told == request.command()
    assert "callsheet status cups.yaml" == request.command("status")
    assert "callsheet run cups.yaml" == replace(request, engine=None, store=None).command()


def test_the_package_alone_brings_no_ray() -> None:
    """It is an extra, imported only where a run is spread."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]
    loaded = "import sys, pipeline.api.node_worker; print('ray' in sys.modules)"
    ended = subprocess.run(
        [sys.executable, "-c", loaded],
        env=dict(os.environ),
        capture_output=True,
        text=True,
        check=True,
    )

    assert not [each for each in project["dependencies"] if each.startswith("ray")]
    assert any(each.startswith("ray") for each in project["optional-dependencies"]["ray"])
    assert "False\n" == ended.stdout
