"""A sandbox of its own process, as tests see it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

PLAIN: Mapping[str, Any] = {"render": "plain", "fps": 2, "timing": {"accept_s": 0, "run_s": 0}}
"""Solid colours of the right size and length, at once, in so few pictures that all are cheap."""
_REHEARSED: Mapping[str, Any] = {**PLAIN, "timing": {"accept_s": 0, "run_s": 0.2}}
_START_S = 30
_STOP_S = 60


def plain(folder: Path) -> Path:
    """Write the scenario of a rehearsal in which nobody looks at the clips, and return its file."""
    path = folder / "plain.json"
    path.write_text(json.dumps(_REHEARSED), "utf-8")
    return path


class Sandbox:
    """Starts the sandbox as a process, plays faults in it, and reads its books.

    `base_urls` has one API address a provider. The port stays the same over restarts, so that
    addresses given out before still lead here.
    """

    def __init__(self, state: Path, scenario: Mapping[str, Any] = PLAIN) -> None:
        self.state = state
        self.addresses: Mapping[str, Mapping[str, str]] = {}
        self._scenario = state / "scenario.json"
        self._process: subprocess.Popen[bytes] | None = None
        self._port = 0
        self._control = httpx.Client(timeout=30, trust_env=False)
        state.mkdir(parents=True, exist_ok=True)
        self._scenario.write_text(json.dumps(scenario), "utf-8")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
        self._control.close()

    @property
    def base_urls(self) -> dict[str, str]:
        """Return the API address of each provider."""
        return {name: told["base_url"] for name, told in self.addresses.items()}

    @property
    def pid(self) -> int:
        """Return its process id."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it listens."""
        with (self.state / "sandbox.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pipeline.sandbox", *self._arguments()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, (self.state / "sandbox.log").read_text("utf-8")
        told = json.loads(line)
        self.addresses = told["providers"]
        self._port = httpx.URL(told["control"]).port or 0
        self._control.base_url = httpx.URL(told["control"])

    def stop(self) -> None:
        """End it as SIGTERM does."""
        self._end(kill=False)

    def kill(self) -> None:
        """End it as a power cut does."""
        self._end(kill=True)

    def restart(self, *, kill: bool = False) -> None:
        """End it and start it again with the state it had."""
        self._end(kill=kill)
        self.start()

    def play(self, *faults: str | Mapping[str, Any] | Sequence[Any], **options: Any) -> None:
        """Play faults after those there are: names, mappings, or lists of both.

        Options (`times=2`, `prompt="red"`) belong to a single fault given by its name.
        """
        flat = [
            fault
            for told in faults
            for fault in ([told] if isinstance(told, str | Mapping) else told)
        ]
        if options:
            (name,) = flat
            flat = [{"fault": name, **options}]
        self._post("scenario", {"append": True, "faults": flat})

    def set(self, **scenario: Any) -> None:
        """Replace these parts of the scenario (accounts, timing, render, chaos, …)."""
        self._post("scenario", scenario)

    def advance(self, seconds: float) -> None:
        """Let the sandbox's clock run ahead."""
        self._post("clock", {"advance_s": seconds})

    def reset(self) -> None:
        """Forget all tasks, money, uploads and faults; back to the scenario it started with."""
        self._post("reset", {})

    def ledger(self) -> dict[str, Any]:
        """Return the books: what each account was billed, task by task."""
        found: dict[str, Any] = self._control.get("ledger").raise_for_status().json()
        return found

    def tasks(self, provider: str, key: str = "") -> list[dict[str, Any]]:
        """Return the tasks a provider accepted, of all accounts or of one."""
        accounts = self.ledger()["providers"][provider]["accounts"]
        return [
            task
            for name, account in accounts.items()
            for task in account["tasks"]
            if key in {"", name}
        ]

    def _arguments(self) -> list[str]:
        told = {"--state": self.state, "--port": self._port, "--scenario": self._scenario}
        return ["--leash", *(str(part) for pair in told.items() for part in pair)]

    def _post(self, control: str, body: Mapping[str, Any]) -> None:
        reply = self._control.post(control, json=body)
        assert reply.status_code == httpx.codes.OK, reply.text

    def _end(self, *, kill: bool) -> None:
        if self._process is None:
            return
        if kill:
            self._process.kill()
        else:
            self._process.terminate()
        self._process.wait(_STOP_S)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process = None
