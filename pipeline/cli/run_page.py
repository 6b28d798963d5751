"""The page of a run that is watched: served from the first purchase on, as long as one looks."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from threading import Event
from types import TracebackType
from typing import Self

from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.cli.console import person_is_there
from pipeline.cli.interrupts import Interrupted
from pipeline.cli.terminal_console import TerminalConsole
from pipeline.domain.states import Exit

_LEFT = frozenset({Exit.INTERRUPTED, Exit.TERMINATED})
"""How a run ends that somebody wanted to be done with."""


class RunPage:
    """Serves the page beside a run, and after it while somebody is at the terminal to end it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._served = ExitStack()
        self._stderr, self._address = False, ""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._served.close()

    def open(self, campaign: LoadedCampaign, *, stderr: bool) -> None:
        """Serve the page of the whole campaign, and say where; Unusable if the port is taken."""
        # A server is a lot to load: runs that nobody watches do without.
        from pipeline.api.review_server import campaign_page, serving_page  # noqa: PLC0415

        whole = replace(campaign, request=campaign.request.without_selection())
        self._address = self._served.enter_context(serving_page(campaign_page(whole), self._port))
        self._stderr = stderr
        self._say(f"watch it at {self._address}")

    def stay(self, code: Exit) -> None:
        """Wait for Ctrl-C once the run has ended, unless nobody is there or it was what ended it.

        Nothing is held meanwhile: the next run may begin elsewhere, and the page shows it.
        """
        if not self._address or code in _LEFT or not person_is_there():
            return
        self._say(f"the run has ended ({code:d}); its page stays until Ctrl-C: {self._address}")
        try:
            Event().wait()
        except (Interrupted, KeyboardInterrupt):
            return

    def _say(self, line: str) -> None:
        # Also where the run itself is to be quiet: without the address nothing is seen of it.
        TerminalConsole(stderr=self._stderr).print_line(line)
