"""A reader that goes away, a closed stream, a poor terminal and signals: work ends in order."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.machine.campaign import ITEMS, TRACE, Campaign, environment
from tests.machine.conftest import Callsheet
from tests.pairs import some
from tests.sandboxes import Sandbox, plain

BUG = "this is a bug"
PATIENCE_S = 120
HELD_S = 600.0
"""How long a clip takes, unless the test lets the sandbox's clock run ahead."""


def _started(
    campaign: Campaign,
    words: list[str],
    *,
    before: Callable[[], None] | None = None,
    variables: Mapping[str, str] | None = None,
    stdin: int = subprocess.DEVNULL,
    stdout: int = subprocess.PIPE,
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", *words],
        env={**os.environ, **environment(), **(variables or {})},
        cwd=campaign.folder,
        stdin=stdin,
        stdout=stdout,
        stderr=subprocess.PIPE,
        preexec_fn=before,  # noqa: PLW1509 - no thread of ours is running when it is used
    )


def _ended(process: subprocess.Popen[bytes]) -> tuple[int, str]:
    _, complaints = process.communicate(timeout=PATIENCE_S)
    said = complaints.decode()
    assert TRACE not in said, said
    assert BUG not in said, said
    return process.returncode, said


def _wait_for_tasks(number: int, sandbox: Sandbox, process: subprocess.Popen[bytes]) -> None:
    while number > len(sandbox.tasks("runware")):
        assert process.poll() is None
        time.sleep(0.05)


def _read_until(words: bytes, process: subprocess.Popen[bytes]) -> str:
    """Return what a process has complained of once it has said these words."""
    assert process.stderr is not None
    shown = b""
    while words not in shown:
        more = os.read(process.stderr.fileno(), 65536)
        assert more, shown
        shown += more
    return shown.decode()


def _reports(campaign: Campaign) -> set[str]:
    return {path.name for path in (campaign.root / "cups" / "report").glob("*.*")}


def test_a_reader_that_goes_away_ends_nothing(
    campaign: Campaign, sandbox: Sandbox, callsheet: Callsheet
) -> None:
    """`run | head -1`: the clips are made, the report is written, the exit code is the run's."""
    process = _started(campaign, campaign.words())
    assert process.stdout is not None
    assert process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None

    with process.stderr:
        complaints = process.stderr.read().decode()

    assert (0, "") == (process.wait(PATIENCE_S), complaints)
    assert ITEMS == len(sandbox.tasks("runware"))
    assert {"index.html", "junit.xml"} <= _reports(campaign)
    assert 0 == callsheet("ledger", "check", "--root", str(campaign.root))[0]


def test_trial_21_a_reader_that_goes_away(tmp_path: Path) -> None:
    """`run ten.yaml --rehearse | head -1` makes its ten clips; `plan ten.yaml | true` ends well."""
    prompt = "A mug turns slowly, no text."
    shot = f'shots:\n  - {{id: a, prompt: "{prompt}", takes: 10}}\n'
    (tmp_path / "ten.yaml").write_text(f"callsheet: 1\nname: ten\n{shot}", "utf-8")
    callsheet, plays = f"{sys.executable} -m pipeline", plain(tmp_path)
    ends = "echo ${PIPESTATUS[0]}"

    made = subprocess.run(
        ["bash", "-c", f"{callsheet} run ten.yaml --rehearse --scenario {plays} | head -1; {ends}"],
        cwd=tmp_path,
        env={**os.environ, **environment()},
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_S,
    )
    planned = subprocess.run(
        ["bash", "-c", f"{callsheet} plan ten.yaml | true; {ends}"],
        cwd=tmp_path,
        env={**os.environ, **environment()},
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_S,
    )

    campaign = tmp_path / "outputs" / "rehearsal" / "ten"
    assert (["0"], "") == (made.stdout.splitlines()[1:], made.stderr)
    assert 10 == len(list(campaign.glob("a/*.mp4")))
    assert (campaign / "report" / "index.html").is_file()
    assert ("0\n", "") == (planned.stdout, planned.stderr)


@pytest.mark.parametrize("closed", [(1,), (2,), (0, 1, 2)])
def test_a_closed_stream_is_no_file_of_ours(
    closed: tuple[int, ...], campaign: Campaign, sandbox: Sandbox, callsheet: Callsheet
) -> None:
    """`>&-`: nothing that is printed lands in the ledger, which would get the free number."""

    def close() -> None:
        for number in closed:
            os.close(number)

    process = _started(campaign, campaign.words(), before=close)

    assert 0 == _ended(process)[0]
    assert ITEMS == len(sandbox.tasks("runware"))
    assert {"index.html", "junit.xml"} <= _reports(campaign)
    assert 0 == callsheet("ledger", "check", "--root", str(campaign.root))[0]


def test_a_terminal_without_unicode_gets_ascii(finished: Campaign) -> None:
    """What it cannot show is spelled; JSON stays JSON."""
    words = finished.words("status")
    process = _started(finished, words, variables={"PYTHONIOENCODING": "ascii"})
    printed, complaints = process.communicate(timeout=PATIENCE_S)

    assert (0, b"") == (process.returncode, complaints)
    assert b"cups  -  2 clips\n====" in printed
    assert printed.isascii()


def test_output_that_cannot_be_written_is_told(finished: Campaign) -> None:
    """A full disk under `> file` is exit 12; what was written of it is not all."""
    with Path("/dev/full").open("wb") as full:
        process = _started(finished, finished.words("ls"), stdout=full.fileno())
        code, said = _ended(process)

    assert (12, True) == (code, "not all of the output could be written" in said), said


def _wait_until_signals_are_minded(process: subprocess.Popen[bytes]) -> None:
    """Wait for SIGTERM's handler: the first thing that the command does."""
    status = Path(f"/proc/{process.pid}/status")
    for _ in range(10_000):
        line = next(x for x in status.read_text().splitlines() if x.startswith("SigCgt"))
        if int(line.split()[1], 16) >> (signal.SIGTERM - 1) & 1:
            return
        time.sleep(0.005)
    raise AssertionError("it never minded signals")


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)]
)
def test_a_signal_during_the_imports_ends_it(number: int, code: int, campaign: Campaign) -> None:
    """Before anything has begun: the exit code says so, and there is no traceback."""
    process = _started(campaign, campaign.words())
    _wait_until_signals_are_minded(process)

    process.send_signal(number)

    assert code == _ended(process)[0]


@pytest.mark.parametrize("moment_s", some([0.1, 0.3, 0.6, 1.0, 1.5], every=3, first=1))
def test_a_signal_in_the_first_second_leaves_no_traceback(
    moment_s: float, campaign: Campaign, sandbox: Sandbox
) -> None:
    """Whether it is planning, or at work already: in order, and the next run goes on."""
    process = _started(campaign, campaign.words())
    _wait_until_signals_are_minded(process)
    time.sleep(moment_s)
    process.send_signal(signal.SIGINT)

    assert _ended(process)[0] in {0, 130}
    assert 0 == _ended(_started(campaign, campaign.words()))[0]
    assert ITEMS == len(sandbox.tasks("runware"))


def test_a_closed_terminal_ends_a_run_in_order(campaign: Campaign, sandbox: Sandbox) -> None:
    """SIGHUP while clips are made: they are collected and reported; all was done, exit 0."""
    sandbox.set(timing={"accept_s": 0, "run_s": HELD_S})
    process = _started(campaign, campaign.words())
    _wait_for_tasks(1, sandbox, process)
    sandbox.advance(HELD_S)
    _wait_for_tasks(ITEMS, sandbox, process)

    process.send_signal(signal.SIGHUP)
    told = _read_until(b"stopping: what is in flight is collected", process)
    sandbox.advance(HELD_S)

    code, said = _ended(process)
    assert 0 == code, told + said
    assert ITEMS == len(campaign.clips)
    assert "index.html" in _reports(campaign)


def test_a_signal_during_the_report_does_not_stop_it(campaign: Campaign) -> None:
    """All was bought: the report is written to its end, and the exit code is the run's."""
    sheet = campaign.root / "cups" / "report" / "contact-sheet.still.jpg"
    sheet.parent.mkdir(parents=True)
    os.mkfifo(sheet)
    process = _started(campaign, campaign.words())
    # Once the report looks at the picture that is there, it waits for us.
    writer = threading.Thread(target=partial(_interrupt_and_close, sheet, process))
    writer.start()

    code, said = _ended(process)

    writer.join(PATIENCE_S)
    assert (0, True) == (code, "stopping" in said), said
    assert {"junit.xml", "report.json"} <= _reports(campaign)
    assert sheet.is_file()


def _interrupt_and_close(sheet: Path, process: subprocess.Popen[bytes]) -> None:
    with sheet.open("wb"):
        process.send_signal(signal.SIGINT)


@contextmanager
def _terminal() -> Iterator[tuple[int, int]]:
    ours, theirs = pty.openpty()
    try:
        yield ours, theirs
    finally:
        os.close(ours)


def _all_of(terminal: int) -> str:
    """Return all that was shown, once the last process has left the terminal."""
    shown = b""
    while True:
        try:
            more = os.read(terminal, 65536)
        except OSError:
            break
        if not more:
            break
        shown += more
    return shown.decode()


def test_a_row_s_key_is_no_markup_in_the_panel(campaign: Campaign, sandbox: Sandbox) -> None:
    """Of `/products/mug` and `[/x]` the one that is refused is drawn, and nothing breaks by it."""
    sandbox.play("refused")
    table = "sku,name\n/products/mug,Mug\n[/x],X\n[bold]\u202e,Y\n"
    (campaign.folder / "cups.csv").write_text(table, "utf-8")
    with _terminal() as (ours, theirs):
        process = _started(campaign, campaign.words(), stdin=theirs, stdout=theirs)
        os.close(theirs)
        shown = _all_of(ours)
        code, _ = _ended(process)

    assert 10 == code, shown
    assert 3 == len(sandbox.tasks("runware"))
    assert TRACE not in shown
    plain = re.sub(r"\x1b\[[\d;]*m", "", shown)
    assert re.search(r"last [\d:]{8} runware \S*/products/mug\S* failed", plain), shown
    assert "\u202e" not in shown


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_at_the_question_buys_nothing(
    number: int, code: int, campaign: Campaign, sandbox: Sandbox
) -> None:
    """Who answers with a signal has not agreed."""
    words = [word for word in campaign.words() if word != "--yes"]
    with _terminal() as (ours, theirs):
        process = _started(campaign, words, stdin=theirs, stdout=theirs)
        os.close(theirs)
        shown = b""
        while b"Make it?" not in shown:
            shown += os.read(ours, 65536)
        process.send_signal(number)
        shown += _all_of(ours).encode()
        assert code == _ended(process)[0]

    assert TRACE not in shown.decode()
    assert not sandbox.tasks("runware")
