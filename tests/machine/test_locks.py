"""One run at a time in a root, and what is said when something else holds the ledger."""

from __future__ import annotations

import re
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager

from tests.machine.campaign import ITEMS, KEY, TRACE, Campaign
from tests.machine.conftest import Callsheet
from tests.sandboxes import Sandbox


@contextmanager
def _held(campaign: Campaign) -> Iterator[subprocess.Popen[bytes]]:
    """Give another process that works in the campaign's root."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.machine.holder", str(campaign.root)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert b"held\n" == process.stdout.readline()
        try:
            yield process
        finally:
            process.kill()


def test_a_second_run_is_told_who_is_at_work(campaign: Campaign, callsheet: Callsheet) -> None:
    """Exit 12: the process, its host and since when; who only looks is let in."""
    with _held(campaign) as holder:
        code, said = callsheet(*campaign.words())

        assert 12 == code
        who = rf"{re.escape(str(campaign.root))} is in use by process {holder.pid} on "
        since = rf"{re.escape(socket.gethostname())} since 20\d\d-\d\d-\d\dT[\d:]+\+00:00"
        assert re.search(who + since + "; wait for it, or stop it", said), said
        assert TRACE not in said
        assert 0 == callsheet(*campaign.words("plan"))[0]
        assert 0 == callsheet("ledger", "check", "--root", str(campaign.root))[0]


def test_the_lock_of_a_dead_process_is_no_lock(campaign: Campaign, callsheet: Callsheet) -> None:
    """After kill -9 nothing has to be cleaned up, though its name is still in the lock."""
    with _held(campaign) as holder:
        holder.kill()
        holder.wait()
        assert str(holder.pid) in (campaign.ledger.parent / "lock").read_text("utf-8")

        code, said = callsheet("reconcile", *campaign.words("plan")[1:])

    assert 0 == code, said


def test_a_foreign_program_that_holds_the_ledger_is_waited_for_a_little(
    finished: Campaign, callsheet: Callsheet
) -> None:
    """Five seconds, then exit 12 and what to close; nothing was changed, and later it works."""
    before = finished.ledger.read_bytes()
    with closing(sqlite3.connect(finished.ledger, isolation_level=None)) as browser:
        browser.execute("BEGIN IMMEDIATE")
        code, said = callsheet(*finished.words())

    assert 12 == code
    assert f"{finished.ledger}: another program holds it" in said
    assert "close that, then run again" in said
    assert TRACE not in said
    assert before == finished.ledger.read_bytes()
    assert 0 == callsheet(*finished.words())[0]


def test_a_foreign_reader_is_in_nobody_s_way(
    campaign: Campaign, sandbox: Sandbox, callsheet: Callsheet
) -> None:
    """A browser that looks at the ledger all the time does not delay a run."""
    assert 0 == callsheet(*campaign.words("plan"))[0]
    with _held(campaign):
        pass
    with closing(sqlite3.connect(campaign.ledger, isolation_level=None)) as browser:
        browser.execute("BEGIN")
        browser.execute("SELECT count(*) FROM items").fetchone()

        code, said = callsheet(*campaign.words())

    assert 0 == code, said
    assert ITEMS == len(sandbox.tasks("runware", KEY))
