"""One run of a campaign in a process of its own, that may end itself at a moment of a job's life.

With --bomb it dies by SIGKILL, as from outside, when it comes to a checkpoint of that name for the
nth time; with --point it ends at once at a named point. With --hurry time runs faster, the same for
every child that is told the same beginning. With --ahead its wall clock is wrong by some seconds,
and with --elsewhere it is as on another machine: nobody here can see whether it still runs.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from pipeline import clock
from pipeline.api.campaign_request import CampaignRequest, RunSettings, SpendLimit
from pipeline.api.project_file import project_of
from pipeline.cli.commands.run import run_campaign
from pipeline.clock import RealClock
from pipeline.ledger import lease
from tests.crash import mutants, points
from tests.crash.points import put


class Bomb:
    """Goes off at one checkpoint."""

    def __init__(self, name: str, nth: int) -> None:
        self._name = name
        self._left = nth

    def __call__(self, name: str) -> None:
        """Count a checkpoint, and die at the one meant."""
        if name == self._name:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


class HurriedClock:
    """The real time since a beginning, some times as fast: it goes on from child to child."""

    def __init__(self, factor: float, beginning: float) -> None:
        self._factor = factor
        self._beginning = beginning

    def now(self) -> datetime:
        """Return the wall clock's time, as far as it has run."""
        return datetime.fromtimestamp(self._beginning + self.monotonic(), UTC)

    def monotonic(self) -> float:
        """Return the hurried seconds that have passed since the beginning."""
        return (time.time() - self._beginning) * self._factor

    async def sleep(self, seconds: float) -> None:
        """Return when so many hurried seconds have passed."""
        await asyncio.sleep(max(0.0, seconds) / self._factor)


def set_wall_clock(ahead_s: float) -> None:
    """Let the wall clock of this process be wrong, for as long as it lives."""
    really = time.time

    def now(_: RealClock) -> datetime:
        return datetime.fromtimestamp(time.time(), UTC)

    put(time, "time", lambda: really() + ahead_s)
    put(RealClock, "now", now)


def move_elsewhere(folder: Path) -> None:
    """Let this process run on another machine, as far as it can tell."""
    other = folder / f"boot-of-{os.getpid()}"
    other.write_text(f"another-machine-{os.getpid()}", "ascii")
    put(clock, "_BOOT", other)
    clock.boot.cache_clear()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign against the sandbox as against a real provider."""
    words = _words().parse_args(arguments)
    if words.ahead:
        set_wall_clock(words.ahead)
    if words.elsewhere:
        move_elsewhere(words.root.parent)
    if words.mutant:
        mutants.MUTANTS[words.mutant]()
    if words.lease:
        lease.LEASE_S = words.lease
    if words.point or words.trace:
        points.install(points.Points(words.point, words.trace))
    asked = CampaignRequest(
        manifest=words.manifest,
        project=project_of(words.manifest),
        root=words.root,
        provider=words.provider,
        base_urls=tuple(words.base_url),
        overrides=tuple(words.set),
    )
    bomb, nth = words.bomb
    job = RunSettings(
        spending=SpendLimit(yes=True, buy_again_usd=words.buy_again),
        checkpoint=Bomb(bomb, int(nth)),
        clock=HurriedClock(*words.hurry) if words.hurry else RealClock(),
    )
    return int(run_campaign(asked, job, quiet=words.quiet))


def _words() -> argparse.ArgumentParser:
    words = argparse.ArgumentParser()
    words.add_argument("manifest", type=Path)
    words.add_argument("root", type=Path)
    words.add_argument("--provider", default="")
    words.add_argument("--base-url", action="append", default=[])
    words.add_argument("--set", action="append", default=[])
    words.add_argument("--bomb", nargs=2, default=("", "1"), metavar=("NAME", "NTH"))
    words.add_argument("--point", default="")
    words.add_argument("--trace", type=Path)
    words.add_argument("--mutant", default="", choices=["", *mutants.MUTANTS])
    words.add_argument("--hurry", nargs=2, type=float, metavar=("FACTOR", "BEGINNING"))
    words.add_argument("--lease", type=float)
    words.add_argument("--ahead", type=float, default=0.0, metavar="SECONDS")
    words.add_argument("--elsewhere", action="store_true")
    words.add_argument("--buy-again", type=Decimal)
    words.add_argument("--quiet", action="store_true")
    return words


if __name__ == "__main__":
    sys.exit(main())
