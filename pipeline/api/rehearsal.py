"""Start the sandbox for one rehearsal, and stop it again, whatever happens in between.

The sandbox hangs on a leash: its standard input. When this process dies, even by kill -9, the
pipe closes and the sandbox ends by itself.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import yaml

from pipeline.api.campaign_request import usage
from pipeline.errors import Unusable

_STOP_S = 10


def require_scenario(scenario: Path) -> None:
    """Raise InvalidInput if a scenario cannot be played, while nothing has begun."""
    from pipeline.sandbox import (  # noqa: PLC0415 - a server is a lot to load
        BadScenario,
        read_scenario,
    )

    try:
        read_scenario(scenario)
    except BadScenario as bad:
        raise usage(f"--scenario {bad}") from None


@contextmanager
def start_sandbox(
    state: Path, scenario: Path | None, *, chaos: float = 0.0
) -> Iterator[Mapping[str, Mapping[str, str]]]:
    """Yield the sandbox's addresses, `{provider: {"base_url": …}}`; stop it afterwards."""
    state.mkdir(parents=True, exist_ok=True)
    played = _write_scenario(state, scenario, chaos)
    command = [sys.executable, "-m", "pipeline.sandbox", "--leash"]
    command += ["--state", str(state), "--scenario", str(played)]
    with (
        state.joinpath("sandbox.log").open("ab") as log,
        subprocess.Popen(  # noqa: S603 - our own module, our own arguments
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            start_new_session=True,  # Ctrl-C is ours: the sandbox must serve what is in flight
        ) as process,
    ):
        try:
            assert process.stdout is not None  # noqa: S101 - it was opened with a pipe
            line = process.stdout.readline()
            if not line:
                raise Unusable(f"the sandbox did not start; see {state / 'sandbox.log'}")
            yield json.loads(line)["providers"]
        finally:
            process.terminate()
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()


def _write_scenario(state: Path, scenario: Path | None, chaos: float) -> Path:
    """Write what is to be played: always a file, else the sandbox goes on with the last one."""
    document = {} if scenario is None else yaml.safe_load(scenario.read_bytes()) or {}
    if chaos:
        document["chaos"] = chaos
    path = state / "scenario.json"
    path.write_text(json.dumps(document), "utf-8")
    return path
