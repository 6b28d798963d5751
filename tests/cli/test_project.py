"""The project folder: the same campaign from whatever folder it is run, and paid once."""

from __future__ import annotations

import os
import pty
import shlex
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.api.project_file import project_of
from pipeline.cli.command_line import invoke
from tests.cli.cups import MANIFEST, TABLE
from tests.sandboxes import Sandbox

KEY = "key-of-the-project"
ITEMS = 2
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project's folder with a campaign in a folder below; it is the current folder."""
    campaign = tmp_path / "project" / "campaigns" / "cups"
    campaign.mkdir(parents=True)
    (campaign / "cups.yaml").write_text(MANIFEST, "utf-8")
    (campaign / "cups.csv").write_text(TABLE, "utf-8")
    (tmp_path / "project" / "callsheet.toml").touch()
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


@pytest.fixture
def run(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Return a function that runs a manifest from a folder: its exit code, and what it printed."""
    monkeypatch.setenv("RUNWARE_API_KEY", KEY)
    monkeypatch.setenv("COLUMNS", "300")

    def call(manifest: Path | str, *more: str, folder: Path | None = None) -> tuple[int, str]:
        if folder is not None:
            monkeypatch.chdir(folder)
        url = f"runware={sandbox.base_urls['runware']}"
        code = invoke(["run", str(manifest), "--yes", "--base-url", url, *more])
        printed = capsys.readouterr()
        return int(code), printed.out + printed.err

    return call


@pytest.mark.parametrize("project", [True, False])
def test_from_every_folder_it_is_one_campaign(
    project: bool,  # noqa: FBT001 - a parameter of a test
    place: Path,
    run: Run,
    sandbox: Sandbox,
    tmp_path: Path,
) -> None:
    """From beside, above and elsewhere, by any spelling of the path: each clip is bought once."""
    folder = place / "campaigns" / "cups"
    if not project:
        (place / "callsheet.toml").unlink()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(folder)

    for here, manifest in (
        (folder, "cups.yaml"),
        (place, "campaigns/cups/cups.yaml"),
        (tmp_path / "elsewhere", str(folder / "cups.yaml")),
        (tmp_path / "elsewhere", "../project/campaigns/../campaigns/cups/cups.yaml"),
        (tmp_path / "elsewhere", "../link/cups.yaml"),
    ):
        code, said = run(manifest, folder=here)
        assert 0 == code, said

    assert ITEMS == len(sandbox.tasks("runware", KEY))
    root = (place if project else folder) / "outputs"
    assert [root] == [found.parent for found in tmp_path.rglob(".callsheet")]


def test_the_nearest_project_file_says_where(
    place: Path, run: Run, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Its root counts from its own folder, `--root` from the current one, and wins."""
    (place / "campaigns" / "callsheet.toml").write_text('root = "../made"\n', "utf-8")

    assert 0 == run("../project/campaigns/cups/cups.yaml", folder=place)[0]
    assert (place / "made" / ".callsheet" / "ledger.db").is_file()
    # The lock file stands beside the manifest, whatever the root: a new one begins without it.
    (place / "campaigns/cups/cups.lock.yaml").unlink()
    code, said = run("project/campaigns/cups/cups.yaml", "--root", "own", folder=tmp_path)

    assert (0, True) == (code, (tmp_path / "own" / ".callsheet").is_dir()), said
    assert 2 * ITEMS == len(sandbox.tasks("runware", KEY))


def test_what_is_shown_can_be_followed_from_the_current_folder(place: Path) -> None:
    """A root below the current folder is shown relative to it, another in full."""
    manifest = place / "campaigns" / "cups" / "cups.yaml"

    assert Path("outputs") == project_of(manifest).root
    os.chdir(place / "campaigns")
    assert place / "outputs" == project_of(Path("cups/cups.yaml")).root


def test_commands_that_are_suggested_work_from_the_current_folder(
    place: Path, run: Run, sandbox: Sandbox
) -> None:
    """They name the manifest as it was named, and find the same root."""
    sandbox.play("refused")
    code, said = run("cups/cups.yaml", folder=place / "campaigns")
    assert 10 == code, said

    code, said = run("cups/cups.yaml")

    (command,) = (
        line.partition(": ")[2] for line in said.splitlines() if line.startswith("to see why: ")
    )
    assert 10 == int(invoke(shlex.split(command)[1:]))


@pytest.fixture
def first_build(place: Path, run: Run, tmp_path: Path) -> Path:
    """Return a folder in whose `outputs` the campaign was run, as the first build did it."""
    before = tmp_path / "before"
    before.mkdir()
    code, said = run(place / "campaigns/cups/cups.yaml", "--root", "outputs", folder=before)
    assert 0 == code, said
    return before


def test_a_root_in_the_current_folder_is_not_passed_over(
    first_build: Path, place: Path, run: Run, sandbox: Sandbox
) -> None:
    """Nobody there: exit 12 with both commands, of which one buys nothing; then it is settled."""
    manifest = place / "campaigns/cups/cups.yaml"

    code, said = run(manifest)

    assert (12, ITEMS) == (code, len(sandbox.tasks("runware", KEY)))
    commands = [line.partition(": ")[2] for line in said.splitlines() if "callsheet run" in line]
    assert [
        f"callsheet run {manifest} --root outputs",
        f"callsheet run {manifest} --root {place / 'outputs'}",
    ] == [command.partition(" --base-url")[0] for command in commands]
    assert 12 == int(invoke(["plan", str(manifest)]))
    assert 0 == int(invoke([*shlex.split(commands[0])[1:], "--yes"]))
    assert ITEMS == len(sandbox.tasks("runware", KEY))
    assert not (place / "outputs").exists()

    # What the lock file beside the manifest remembers would not be bought in another root.
    manifest.with_name("cups.lock.yaml").unlink()
    assert 0 == int(invoke([*shlex.split(commands[1])[1:], "--yes"]))
    assert 0 == run(manifest, folder=first_build)[0]
    assert 2 * ITEMS == len(sandbox.tasks("runware", KEY))


@pytest.mark.parametrize(("answer", "bought"), [("y", 0), ("n", ITEMS)])
@pytest.mark.usefixtures("first_build")
def test_a_person_is_asked_which_root_is_meant(
    answer: str,
    bought: int,
    place: Path,
    run: Run,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Yes goes on where it was run and buys nothing; no begins anew in the project's root."""
    # What the lock file beside the manifest remembers would not be bought in either.
    (place / "campaigns/cups/cups.lock.yaml").unlink()
    ours, theirs = pty.openpty()
    os.write(ours, f"{answer}\n".encode())
    with os.fdopen(theirs, "r") as keyboard:
        monkeypatch.setattr(sys, "stdin", keyboard)
        code, said = run(place / "campaigns/cups/cups.yaml")
    os.close(ours)

    assert (0, True) == (code, "Go on in outputs?" in said), said
    assert ITEMS + bought == len(sandbox.tasks("runware", KEY))


def test_a_manifest_that_is_a_link_has_its_tables_beside_the_link(
    place: Path, run: Run, sandbox: Sandbox, tmp_path: Path
) -> None:
    """So its root is there too; where its target was run already, nobody there is exit 12."""
    folder = place / "campaigns" / "cups"
    assert 0 == run(folder / "cups.yaml")[0]
    client = tmp_path / "client"
    client.mkdir()
    (client / "cups.csv").write_bytes((folder / "cups.csv").read_bytes())
    (client / "cups.yaml").symlink_to(folder / "cups.yaml")

    code, said = run("cups.yaml", folder=client)

    assert (12, True) == (code, f"--root {place / 'outputs'}" in said), said
    assert ITEMS == len(sandbox.tasks("runware", KEY))


def test_a_command_without_a_manifest_looks_from_the_current_folder(
    place: Path, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Above it lies the project's file; where there is none, that is said."""
    folder = place / "campaigns" / "cups"
    assert 0 == run(folder / "cups.yaml", folder=folder)[0]

    assert 0 == int(invoke(["ledger", "check"]))
    assert f"the ledger of {place / 'outputs'} holds" in capsys.readouterr().out.replace("\n", "")
    monkeypatch.chdir(place.parent)
    for words in (["ledger", "check"], ["ledger", "backup", "copy.db"], ["sandbox"]):
        assert 3 == int(invoke(words))
        assert "there is no callsheet.toml at or above" in capsys.readouterr().err


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("nowhere")])
def test_a_project_file_that_cannot_be_read_is_not_skipped(
    make: Callable[[Path], None], place: Path, run: Run, sandbox: Sandbox
) -> None:
    """A folder, a pipe, a dead link: exit 3, and nothing is bought in another place."""
    (place / "callsheet.toml").unlink()
    make(place / "callsheet.toml")

    code, said = run("campaigns/cups/cups.yaml")

    assert (3, True) == (code, "callsheet.toml:1:1: missing-file: it cannot be read" in said), said
    assert not sandbox.tasks("runware")


@pytest.mark.parametrize(
    "text",
    [b"\xff\xfe", b"root = " + b"[" * 100_000, b"n = " + b"9" * 9999, b'root = "a\\u0000b"', b'"'],
)
def test_no_project_file_is_a_crash(text: bytes, place: Path, run: Run) -> None:
    """Whatever stands in it is a finding."""
    (place / "callsheet.toml").write_bytes(text)

    code, said = run("campaigns/cups/cups.yaml")

    assert (3, True) == (code, said.startswith("callsheet.toml:1:")), said


def test_keys_come_from_the_project_s_file_alone(place: Path, run: Run, sandbox: Sandbox) -> None:
    """The shell's key pays for no other project; `--env-file` wins, as every option does."""
    (place / "callsheet.toml").write_text('env_file = "of-project.env"\n', "utf-8")
    keys = place / "of-project.env"
    manifest = "campaigns/cups/cups.yaml"

    missing, where = run(manifest)
    keys.write_text("EVOLINK_API_KEY=key-of-another\n", "utf-8")
    keyless, why = run(manifest)
    assert (3, 3) == (missing, keyless)
    assert "callsheet.toml:1:1: missing-file: cannot read of-project.env" in where
    assert "write RUNWARE_API_KEY into of-project.env" in why

    keys.write_text("RUNWARE_API_KEY=key-of-the-client\n", "utf-8")
    code, said = run(manifest)

    assert (0, False) == (code, "key-of-the-client" in said), said
    assert ITEMS == len(sandbox.tasks("runware", "key-of-the-client"))
    assert not sandbox.tasks("runware", KEY)


def test_a_file_of_keys_does_not_say_where_they_are_sent(place: Path, run: Run) -> None:
    """A project may come from anywhere: an address in its file of keys is refused by name."""
    (place / "callsheet.toml").write_text('env_file = "keys.env"\n', "utf-8")
    (place / "keys.env").write_text(
        "RUNWARE_API_KEY=key-of-the-client\nRUNWARE_BASE_URL=https://evil.example\n", "utf-8"
    )

    code, said = run("campaigns/cups/cups.yaml")

    assert (3, True) == (code, "keys.env sets RUNWARE_BASE_URL, and" in said), said
    assert "key-of-the-client" not in said


def test_the_profile_of_a_project_yields_to_the_option(place: Path, run: Run) -> None:
    """Without `--profile` the project's is laid over; `--profile ''` is none."""
    (place / "callsheet.toml").write_text('profile = "short"\n', "utf-8")
    manifest = place / "campaigns/cups/cups.yaml"
    manifest.write_text(f"{MANIFEST}profiles: {{short: {{vars: {{x: 1}}}}}}\n", "utf-8")

    assert 0 == run(manifest)[0]
    assert 0 == run(manifest, "--profile", "")[0]

    assert {"cups", "cups@short"} == {
        found.name for found in (place / "outputs").iterdir() if found.name != ".callsheet"
    }


def test_init_makes_a_project_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder of a project it writes no other: campaigns of one project share a root."""
    monkeypatch.chdir(tmp_path)

    assert 0 == int(invoke(["init", "shop"]))
    assert 0 == int(invoke(["init", "shop/spring"]))

    assert [tmp_path / "shop" / "callsheet.toml"] == list(tmp_path.rglob("callsheet.toml"))
    assert Path("shop/outputs") == project_of(Path("shop/spring/campaign.yaml")).root
