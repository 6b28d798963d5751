"""`doctor`: what a run needs, each thing a line with what to do; nothing is sent that buys."""

from __future__ import annotations

import json
import re
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipeline import Project
from pipeline.api import provider_probes
from pipeline.clock import RealClock
from pipeline.ledger.repository import Ledger
from pipeline.net.connections import Limits
from tests.machine.campaign import KEY, TRACE, Campaign
from tests.machine.conftest import Callsheet
from tests.sandboxes import Sandbox

BEGIN = "<<<<<<< ours\n"


def _doctor(campaign: Campaign, *more: str, address: str = "") -> list[str]:
    url = f"runware={address or campaign.address}"
    return campaign.words("doctor", "--base-url", url, *more)


def _line(said: str, status: str, name: str) -> str:
    """Return what one check said and what it advises; the test fails where there is none."""
    found = re.search(rf"^{status} +{name}  +(.*\n(?: .*\n)*)", said, re.MULTILINE)
    assert found, said
    return found[1]


@contextmanager
def _listener() -> Iterator[str]:
    """Give the address of somebody who accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_where_all_is_well_it_says_so_and_buys_nothing(
    finished: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """Exit 0: the balance, the clock, and each clip of the lock file; never the key."""
    sandbox.set(accounts={KEY: {"balance_usd": 12.5}})

    code, said = callsheet(*_doctor(finished))

    assert 0 == code, said
    assert "it answers; 12.50 USD left" in _line(said, "ok", "provider runware")
    _line(said, "ok", "clock")
    assert "2 of the 2 clips" in _line(said, "ok", "store")
    assert "there is one" in _line(said, "ok", "key runware")
    assert "holds together" in _line(said, "ok", "ledger")
    assert "0 warn, 0 fail" in said
    assert "address from outside the manifest" in said
    assert KEY not in said
    assert [] == sandbox.tasks("runware")


def test_each_line_is_an_object_for_programs(finished: Campaign, callsheet: Callsheet) -> None:
    """`--format json` has the fields of HealthCheck, and `--offline` asks nobody."""
    code, said = callsheet(*_doctor(finished, "--offline", "--format", "json"))

    checks = [json.loads(line) for line in said.splitlines()]
    assert 0 == code
    assert {"name", "status", "found", "remedy"} == {key for each in checks for key in each}
    assert {"ok"} == {each["status"] for each in checks}
    assert not [each for each in checks if each["name"] in {"provider runware", "clock"}]


def test_a_key_that_is_missing_fails_where_the_manifest_needs_it(
    campaign: Campaign, callsheet: Callsheet, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
) -> None:
    """The variable is named; without a manifest nothing needs it, and a rehearsal never does."""
    monkeypatch.delenv("RUNWARE_API_KEY")
    (campaign.folder / ".env").write_text(f"RUNWARE_API_KEY={KEY}\n", "utf-8")

    code, said = callsheet(*_doctor(campaign))
    rehearsed, play = callsheet(*_doctor(campaign, "--rehearse"))
    given, with_file = callsheet(*_doctor(campaign, "--env-file", str(campaign.folder / ".env")))
    monkeypatch.chdir(campaign.folder)
    anywhere, general = callsheet("doctor", "--root", str(campaign.root))

    assert 12 == code
    advice = _line(said, "fail", "key runware")
    assert "set RUNWARE_API_KEY" in advice
    assert ".env is read with --env-file only" in advice
    assert (0, True) == (rehearsed, "a rehearsal needs none" in play)
    assert (0, True) == (given, "ok    provider runware" in with_file)
    assert 0 == anywhere
    assert "set RUNWARE_API_KEY" in _line(general, "warn", "key runware")
    assert [] == sandbox.tasks("runware")


def test_a_key_that_is_refused_fails(
    campaign: Campaign, callsheet: Callsheet, sandbox: Sandbox
) -> None:
    """401: which variable to set again; the key itself is not told."""
    sandbox.set(accounts={KEY: "bad"})

    code, said = callsheet(*_doctor(campaign))

    assert 12 == code
    assert "set RUNWARE_API_KEY again" in _line(said, "fail", "provider runware")
    assert KEY not in said


@pytest.mark.parametrize(
    ("left", "code", "status", "advice"),
    [(0, 12, "fail", "add credit"), (0.6, 0, "warn", "the plan may cost 0.84 USD there")],
)
def test_a_balance_that_is_too_small_is_told(
    left: float,
    code: int,
    status: str,
    advice: str,
    campaign: Campaign,
    callsheet: Callsheet,
    sandbox: Sandbox,
) -> None:
    """Nothing left fails; less than the plan may cost is a warning."""
    sandbox.set(accounts={KEY: {"balance_usd": left}})

    ended, said = callsheet(*_doctor(campaign))

    assert code == ended, said
    assert advice in _line(said, status, "provider runware")


@pytest.mark.parametrize(
    ("minutes", "words"), [(10, "s ahead of a provider's"), (-10, "s behind a provider's")]
)
def test_a_clock_that_is_off_is_a_warning(
    minutes: int,
    words: str,
    campaign: Campaign,
    callsheet: Callsheet,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the provider's own time, either way."""
    off = timedelta(minutes=minutes)
    monkeypatch.setattr(RealClock, "now", lambda _: datetime.now(UTC) + off)

    code, said = callsheet(*_doctor(campaign))

    assert 0 == code
    assert words in _line(said, "warn", "clock")


def test_a_provider_that_cannot_be_reached_is_told_with_the_reason(
    campaign: Campaign, callsheet: Callsheet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that cannot be asked for a balance, and one that takes the call and is silent."""
    monkeypatch.setattr(provider_probes, "LIMITS", Limits(read_s=0.2))
    monkeypatch.setenv("APIMART_API_KEY", "key-of-apimart-here")
    with _listener() as silent:
        closed = silent
    monkeypatch.chdir(campaign.folder)
    with _listener() as silent:
        words = ("--base-url", f"runware={silent}", "--base-url", f"apimart={closed}")
        code, said = callsheet("doctor", "--root", str(campaign.root), *words)

    assert 12 == code
    assert "nobody answers there" in _line(said, "fail", "provider apimart")
    assert "imeout" in _line(said, "fail", "provider runware")
    assert TRACE not in said


def test_a_provider_without_balances_is_only_reached(
    campaign: Campaign,
    callsheet: Callsheet,
    monkeypatch: pytest.MonkeyPatch,
    sandbox: Sandbox,
) -> None:
    """Any reply shows that it is there, and what time it is."""
    monkeypatch.delenv("RUNWARE_API_KEY")
    monkeypatch.setenv("APIMART_API_KEY", "key-of-apimart-here")
    monkeypatch.chdir(campaign.folder)
    url = f"apimart={sandbox.base_urls['apimart']}"

    code, said = callsheet("doctor", "--root", str(campaign.root), "--base-url", url)

    assert 0 == code, said
    assert "it answers; it tells no balance" in _line(said, "ok", "provider apimart")
    _line(said, "ok", "clock")


def test_an_address_that_may_not_be_used_gets_nothing(
    campaign: Campaign, callsheet: Callsheet
) -> None:
    """Plain http is refused before a key goes there."""
    code, said = callsheet(*_doctor(campaign, address="http://example.com"))

    assert 12 == code
    assert "must be https" in _line(said, "fail", "provider runware")


def test_a_damaged_ledger_fails_and_hides_nothing_else(
    finished: Campaign, callsheet: Callsheet
) -> None:
    """A clip that is gone is `ledger check`'s; a file that is no ledger needs a backup."""
    clip = next((finished.ledger.parent / "store").rglob("*.mp4"))
    clip.unlink()
    lost, told = callsheet(*_doctor(finished, "--offline"))
    finished.ledger.write_bytes(b"no ledger" * 1000)
    code, said = callsheet(*_doctor(finished, "--offline"))

    assert (12, 12) == (lost, code)
    assert "ledger check --root" in _line(told, "fail", "ledger")
    assert "1 of the 2 clips" in _line(told, "warn", "store")
    assert "callsheet ledger restore FILE" in _line(said, "fail", "ledger")
    _line(said, "ok", "lock file")
    assert TRACE not in said


def test_a_copy_and_a_root_at_work_are_told(
    finished: Campaign, callsheet: Callsheet, tmp_path: Path
) -> None:
    """Two living copies would buy twice; a second run has to wait."""
    copy = Campaign(tmp_path / "copy", finished.address)
    shutil.copytree(finished.folder, copy.folder)

    with Ledger.open(finished.root):
        code, said = callsheet(*_doctor(finished, "--offline"))
    refused, told = callsheet(*_doctor(copy, "--offline"))

    assert 0 == code, said
    assert "is in use by process" in _line(said, "warn", "root")
    assert 12 == refused
    assert "is a copy of" in _line(told, "fail", "root")


def test_files_beside_the_manifest_are_read(finished: Campaign, callsheet: Callsheet) -> None:
    """Marks of a conflict in either file fail, with the command that merges; others go on."""
    for kind in ("lock", "decisions"):
        path = finished.folder / f"cups.{kind}.yaml"
        text = path.read_text("utf-8") if path.exists() else ""
        path.write_text(f"{BEGIN}{text}=======\n{text}>>>>>>> theirs\n", "utf-8")

    code, said = callsheet(*_doctor(finished, "--offline"))

    assert 12 == code
    assert "callsheet lock merge" in _line(said, "fail", "lock file")
    assert "callsheet lock merge" in _line(said, "fail", "decisions")
    _line(said, "ok", "ledger")


def test_a_bad_manifest_is_counted(campaign: Campaign, callsheet: Callsheet) -> None:
    """How many, and that `check` tells them; one that cannot be read at all too."""
    manifest = campaign.folder / "cups.yaml"
    manifest.write_text(manifest.read_text("utf-8").replace("duration: 5", "duration: 99"), "utf-8")
    code, said = callsheet(*_doctor(campaign, "--offline"))
    manifest.write_text("callsheet: [", "utf-8")
    broken, told = callsheet(*_doctor(campaign, "--offline"))

    assert (12, 12) == (code, broken)
    for each in (said, told):
        found = _line(each, "fail", "manifest")
        assert re.search(r"1 error, 0 warnings|[2-9] errors, 0 warnings", found)
        assert f"callsheet check {manifest}" in found
        _line(each, "ok", "disk")


def test_room_is_compared_with_what_the_plan_makes(
    finished: Campaign, callsheet: Callsheet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the size of the clips that are here; too little fails, little warns."""
    with (finished.folder / "cups.csv").open("a", encoding="utf-8") as table:
        table.write("C,Como\n")
    usage = shutil.disk_usage(finished.root)
    ended, said = [], []
    for free in (100, 10**8):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: usage._replace(free=free))
        code, told = callsheet(*_doctor(finished, "--offline"))
        ended.append(code)
        said.append(told)

    assert [12, 0] == ended
    assert "1 item to make take about" in _line(said[0], "fail", "disk")
    assert "make room" in _line(said[1], "warn", "disk")


def test_a_program_gets_the_same_checks(finished: Campaign) -> None:
    """`Project.check_health` returns them, with a manifest or without."""
    project = Project(root=finished.root, rehearse=False)

    general = project.check_health(offline=True)
    own = project.check_health(finished.folder / "cups.yaml", offline=True)

    assert {"software", "ledger", "root", "disk"} <= {check.name for check in general}
    assert {"manifest", "lock file", "decisions", "store"} == {
        check.name for check in own if not check.name.startswith("key ")
    } - {check.name for check in general}
