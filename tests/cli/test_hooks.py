"""`[on]` of callsheet.toml: a command of the team at a run's end, and what it is told."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from pipeline.api.campaign_request import CampaignRequest
from pipeline.api.hooks import call_hook, hook_of
from pipeline.api.loaded_campaign import load_campaign
from pipeline.api.project_file import project_of
from pipeline.cli.command_line import invoke
from pipeline.domain.states import Exit
from tests.cli.cups import MANIFEST, TABLE
from tests.processes import run_callsheet
from tests.sandboxes import Sandbox

FACTS = {"CALLSHEET_EVENT": "done", "CALLSHEET_DONE": "2"}


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    """Return a manifest of two clips, in a folder below its project's."""
    folder = tmp_path / "cups"
    folder.mkdir()
    (folder / "cups.csv").write_text(TABLE, "utf-8")
    (folder / "m.yaml").write_text(MANIFEST, "utf-8")
    return folder / "m.yaml"


def _environment(folder: Path) -> dict[str, str]:
    pairs = (line.partition("=") for line in (folder / "told").read_text("utf-8").splitlines())
    return {name: value for name, _, value in pairs}


def _call(manifest: Path, command: str, limit_s: float = 30.0, /, **more: str) -> str:
    (manifest.parents[1] / "callsheet.toml").write_text(f"[on]\ndone = {command}\n", "utf-8")
    campaign = load_campaign(CampaignRequest(manifest=manifest, project=project_of(manifest)))
    variables = {"PATH": "/usr/bin:/bin", **more}
    return call_hook(campaign, FACTS, variables, limit_s=limit_s)


def _is_running(pid: int) -> bool:
    """Tell whether a process is there; whoever inherits it need not have noticed its end yet."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except FileNotFoundError:
        return False
    return state.rpartition(")")[2].split()[0] not in "XZ"


def test_it_gets_facts_and_no_key(manifest: Path) -> None:
    """No provider's key, no account's, no copy of one under another name; all else stays."""
    keys = {
        "RUNWARE_API_KEY": "first-key",
        "APIMART_API_KEY_B": "second-key",
        "RUNWARE_API_KEY_OTHER": "third-key",
        "A_COPY": "third-key",
    }

    more = {**keys, "CHAT": "https://chat.example"}
    assert not _call(manifest, '["sh", "-c", "env > told"]', 30.0, **more)

    told = _environment(manifest.parents[1])
    assert {"CHAT": "https://chat.example", **FACTS}.items() <= told.items()
    assert [] == [value for value in told.values() if "-key" in value]
    assert not keys.keys() & told.keys()


def test_no_shell_reads_it(manifest: Path) -> None:
    """A word is handed on as it is written: a variable's name is not its value."""
    assert not _call(manifest, '["cp", "cups/m.yaml", "$CALLSHEET_EVENT; a b"]')
    assert (manifest.parents[1] / "$CALLSHEET_EVENT; a b").is_file()


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ('["sh", "-c", "echo no such chat >&2; exit 3"]', "sh ended with 3: no such chat"),
        ('["./tell-us"]', "./tell-us could not be started: No such file or directory"),
        ('["sh", "-c", "echo; exit 1"]', "sh ended with 1"),
    ],
)
def test_what_is_wrong_with_it_is_told(manifest: Path, command: str, told: str) -> None:
    """Its exit code and its last line, or why it could not be started."""
    assert f"[on] done: {told}" == _call(manifest, command)


def test_it_is_ended_after_its_time_with_all_it_started(manifest: Path) -> None:
    """A command that hangs ends at its limit, and so does what it left in the background."""
    began = time.monotonic()
    late = '["sh", "-c", "sleep 600 & echo $! > late; sleep 600"]'

    told = _call(manifest, late, 2)

    assert "[on] done: sh took longer than 2 s and was ended" == told
    assert time.monotonic() - began < 300
    child = int((manifest.parents[1] / "late").read_text("utf-8"))
    while _is_running(child):
        assert time.monotonic() - began < 300
        time.sleep(0.1)


def test_each_end_has_its_hook() -> None:
    """All that can be made is made, decisions are waited for, or a person must help."""
    ends = {int(code): hook_of(code) for code in Exit}

    assert {"done"} == {ends[0], ends[10]}
    assert {"stopped"} == {ends[code] for code in (11, 12, 13, 15, 130, 143)}
    assert "waiting" == hook_of(20)


def test_a_run_calls_it_and_keeps_its_exit_code(
    manifest: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Held by its cap: stopped. Then done, with a command that fails. Then nothing to do: none."""
    project = manifest.parents[1]
    (project / "callsheet.toml").write_text(
        '[on]\nstopped = ["sh", "-c", "env > told"]\ndone = ["sh", "-c", "env > told; exit 7"]\n',
        "utf-8",
    )
    run = ["run", str(manifest), "--rehearse", "--quiet"]

    assert 11 == invoke([*run, "--max-cost", "0.50"])
    told = _environment(project)
    facts = {"EVENT": "stopped", "EXIT_CODE": "11", "REHEARSAL": "1", "ITEMS": "2", "DONE": "1"}
    assert {f"CALLSHEET_{name}": value for name, value in facts.items()}.items() <= told.items()
    assert Path(told["CALLSHEET_REPORT"]).is_file()
    assert Path(told["CALLSHEET_MANIFEST"]).samefile(manifest)
    assert "0.42" == told["CALLSHEET_CHARGED_USD"]
    summary = "cups: 1 of 2 clips done; 0.42 USD in this run, 0.42 in all"
    assert summary == told["CALLSHEET_SUMMARY"]
    assert not capsys.readouterr().err

    assert 0 == invoke(run)
    assert "[on] done: sh ended with 7\n" == capsys.readouterr().err
    told = _environment(project)
    assert ("done", "0.84") == (told["CALLSHEET_EVENT"], told["CALLSHEET_COMMITTED_USD"])

    (project / "told").unlink()
    assert 0 == invoke(run)
    assert not (project / "told").exists()


def test_a_round_that_waits_calls_it_without_the_key(manifest: Path, sandbox: Sandbox) -> None:
    """A real run with a key, all three hooks named: exit 20 calls `waiting`, with what waits."""
    project = manifest.parents[1]
    hooks = (f'{name} = ["sh", "-c", "env > told"]' for name in ("done", "waiting", "stopped"))
    (project / "callsheet.toml").write_text("\n".join(("[on]", *hooks, "")), "utf-8")
    manifest.write_text(MANIFEST + "accept: {takes: 2, spend: 1.00 USD}\n", "utf-8")
    keys = {"RUNWARE_API_KEY": "key-of-the-team", "SPARE": "key-of-the-team", "CHAT": "here"}
    url = f"--base-url=runware={sandbox.base_urls['runware']}"

    ran = run_callsheet(["run", str(manifest), "--yes", url], keys)

    assert 20 == ran.returncode, ran.stdout + ran.stderr
    told = _environment(project)
    facts = {"EVENT": "waiting", "EXIT_CODE": "20", "WAITING": "2", "DONE": "2", "REHEARSAL": ""}
    assert {f"CALLSHEET_{name}": value for name, value in facts.items()}.items() <= told.items()
    assert "here" == told["CHAT"]
    assert "key-of-the-team" not in (project / "told").read_text("utf-8")
