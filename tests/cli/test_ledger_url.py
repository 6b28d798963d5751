"""The ledger of a campaign on a PostgreSQL server, as commands are told of it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.cli.command_line import invoke
from pipeline.domain.states import Exit
from pipeline.ledger.location import read_server, remember_server
from tests.architecture.source import REPOSITORY
from tests.cli.cups import MANIFEST, TABLE
from tests.postgresql import PostgresqlServer
from tests.sandboxes import Sandbox

ITEMS = 2
VARIABLE = "CALLSHEET_LEDGER"
SECRET = "hunter2"
WITH_PASSWORD = f"postgresql://anna:{SECRET}@db.example/clips"
WITHOUT_DRIVER = """\
import sys
sys.modules["psycopg"] = None
from pipeline.cli.command_line import invoke
sys.exit(invoke(sys.argv[1:]))
"""
Call = Callable[..., tuple[int, str]]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project's folder with a campaign in it; it is the current folder."""
    (tmp_path / "cups.yaml").write_text(MANIFEST, "utf-8")
    (tmp_path / "cups.csv").write_text(TABLE, "utf-8")
    (tmp_path / "callsheet.toml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(VARIABLE, raising=False)
    return tmp_path


@pytest.fixture
def call(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Call:
    """Return a function that calls a command: its exit code, and what it printed."""
    monkeypatch.setenv("RUNWARE_API_KEY", "key-of-the-project")
    monkeypatch.setenv("COLUMNS", "300")
    base = f"runware={sandbox.base_urls['runware']}"

    def run(*words: str) -> tuple[int, str]:
        sends = words[0] in {"run", "apply", "reconcile"}
        code = invoke([*words, *(("--base-url", base) if sends else ())])
        printed = capsys.readouterr()
        return int(code), printed.out + printed.err

    return run


@pytest.mark.parametrize("told", ["option", "variable", "file"])
def test_every_command_goes_to_the_server(
    told: str,
    place: Path,
    call: Call,
    postgresql_server: PostgresqlServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Wherever the URL stands, what one command wrote the others read, and no file is made."""
    url = postgresql_server.ledger()
    option = ("--ledger", url) if told == "option" else ()
    if told == "variable":
        monkeypatch.setenv(VARIABLE, url)
    if told == "file":
        (place / "callsheet.toml").write_text(f'ledger = "{url}"\n', "utf-8")

    assert (0, 0) == (
        call("plan", "cups.yaml", *option)[0],
        call("run", "cups.yaml", "--yes", *option)[0],
    )
    assert not (place / "outputs/.callsheet/ledger.db").exists()
    assert url == read_server(place / "outputs")
    for words in (
        *(("status", "cups.yaml"), ("ls", "cups.yaml"), ("show", "cups.yaml", "still[A]")),
        *(("why", "cups.yaml", "still[A]"), ("runs", "cups.yaml"), ("report", "cups.yaml")),
        *(("reconcile", "cups.yaml"), ("verify", "cups.yaml"), ("clean", "cups.yaml", "--yes")),
        *(("ledger", "check"), ("store", "ls"), ("store", "gc", "--yes")),
        ("doctor", "cups.yaml", "--offline"),
    ):
        code, said = call(*words, *option)
        assert 0 == code, (words, said)
    assert f"{ITEMS} items, 0 to make" in call("plan", "cups.yaml", *option)[1]


def test_what_is_nearer_wins(
    place: Path,
    call: Call,
    postgresql_server: PostgresqlServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The option before the environment, and that before the project's file."""
    option, variable, file = (postgresql_server.ledger() for _ in range(3))
    (place / "callsheet.toml").write_text(f'ledger = "{file}"\n', "utf-8")

    call("run", "cups.yaml", "--yes", "--root", "of-file")
    monkeypatch.setenv(VARIABLE, variable)
    (place / "cups.lock.yaml").unlink()
    call("run", "cups.yaml", "--yes", "--root", "of-variable")
    (place / "cups.lock.yaml").unlink()
    call("run", "cups.yaml", "--yes", "--root", "of-option", "--ledger", option)

    roots = ("of-file", "of-variable", "of-option")
    assert [file, variable, option] == [read_server(Path(root)) for root in roots]


def test_a_saved_plan_is_run_on_the_ledger_it_was_made_for(
    place: Path, call: Call, postgresql_server: PostgresqlServer
) -> None:
    """Also before any root remembers the server."""
    url = postgresql_server.ledger()

    assert 0 == call("plan", "cups.yaml", "--out", "plan.json", "--ledger", url)[0]
    code, said = call("apply", "plan.json", "--yes")

    assert (0, url) == (code, read_server(place / "outputs")), said


def test_a_rehearsal_keeps_its_own_ledger(
    place: Path, call: Call, postgresql_server: PostgresqlServer
) -> None:
    """Play clips do not come among real ones because the project has a server."""
    (place / "callsheet.toml").write_text(f'ledger = "{postgresql_server.ledger()}"\n', "utf-8")

    assert 0 == call("plan", "cups.yaml", "--rehearse")[0]
    assert 0 == invoke(["run", "cups.yaml", "--rehearse", "--quiet"])
    assert (place / "outputs/rehearsal/.callsheet/ledger.db").is_file()


def test_another_root_steers_and_reads_what_one_ledger_has(
    place: Path, call: Call, postgresql_server: PostgresqlServer
) -> None:
    """From another machine with the same URL a campaign stands where it stands."""
    url = postgresql_server.ledger()
    assert 0 == call("run", "cups.yaml", "--yes", "--ledger", url)[0]
    there = ("--ledger", url, "--root", str(place / "another"))

    code, said = call("status", "cups.yaml", *there)
    assert (0, True) == (code, f"{ITEMS} done" in said), said
    code, said = call("pause", "cups.yaml", *there)
    assert (Exit.INVALID, True) == (code, f"no run of cups is at work in {url}" in said)


@pytest.mark.parametrize(
    ("url", "slug"),
    [
        (WITH_PASSWORD, "password-in-url"),
        (f"postgresql://db.example/clips?password={SECRET}", "password-in-url"),
        (f"postgresql://anna:{SECRET}/1@db.example/clips", "bad-value"),
        (f"mysql://{SECRET}.example/clips", "bad-value"),
        ("postgresql://db.example/clips?schema=Spring;", "bad-value"),
    ],
)
@pytest.mark.parametrize("told", ["option", "variable", "file"])
def test_a_url_that_is_none_is_a_finding_with_its_place(
    url: str,
    slug: str,
    told: str,
    place: Path,
    call: Call,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It says where, and never prints what may be a password."""
    option = ("--ledger", url) if told == "option" else ()
    if told == "variable":
        monkeypatch.setenv(VARIABLE, url)
    if told == "file":
        (place / "callsheet.toml").write_text(f'profile = "x"\nledger = "{url}"\n', "utf-8")
    at = {"option": "command line:", "variable": f"{VARIABLE}:", "file": "callsheet.toml:2:1:"}

    for words in (("plan", "cups.yaml"), ("ledger", "check"), ("store", "ls")):
        code, said = call(*words, *option)
        assert (Exit.INVALID, True) == (
            code,
            f"{at[told]} {slug}" in said.replace("error: ", ""),
        ), said
        assert SECRET not in said
        assert slug != "password-in-url" or "PGPASSFILE" in said


def test_without_the_driver_it_says_what_to_install(place: Path) -> None:
    """No traceback, and nothing was made in the root."""
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT_DRIVER, "run", "cups.yaml", "--yes"],
        env={**os.environ, VARIABLE: "postgresql://db.example/clips", "RUNWARE_API_KEY": "x"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert Exit.STOPPED == ended.returncode
    assert "pip install 'callsheet[postgres]'" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (place / "outputs" / ".callsheet").exists()


def test_the_package_alone_brings_no_server_s_driver() -> None:
    """Neither psycopg nor Ray is installed with callsheet: who wants one names its extra."""
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text("utf-8"))["project"]

    names = {re.split(r"[\[<>=~ ]", each)[0] for each in project["dependencies"]}
    assert not names & {"psycopg", "psycopg2", "ray"}
    assert any("psycopg" in each for each in project["optional-dependencies"]["postgres"])


def test_a_password_that_somebody_wrote_into_a_root_is_refused_and_not_printed(
    place: Path, call: Call
) -> None:
    """The file in which a root remembers its server is a person's to edit, too."""
    (place / "outputs/.callsheet").mkdir(parents=True)
    remember_server(place / "outputs", WITH_PASSWORD)

    code, said = call("plan", "cups.yaml")

    assert (Exit.STOPPED, True, False) == (code, "ledger-url" in said, SECRET in said)


def test_a_login_that_fails_tells_no_password(
    place: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the driver was given by the environment is in no message, with --debug neither."""
    monkeypatch.setenv("PGPASSWORD", SECRET)
    url = f"postgresql://anna@127.0.0.1:1/clips?host={place}/nowhere"

    code, said = call("plan", "cups.yaml", "--ledger", url, "--debug")

    assert (Exit.STOPPED, True, False) == (code, "cannot be reached" in said, SECRET in said)
