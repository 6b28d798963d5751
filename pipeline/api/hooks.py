"""The team's own command at the end of a run: facts in its environment, no key, and no shell.

`[on]` of `callsheet.toml` names it. Whatever becomes of it, the run has ended as it has ended: a
fault of the command is returned to be told, and changes no exit code.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import IO

from pipeline.api.loaded_campaign import LoadedCampaign
from pipeline.api.report_files import report_paths
from pipeline.domain.acceptance import PlaceState
from pipeline.domain.accounts import holds_a_key
from pipeline.domain.money import exact_usd
from pipeline.domain.states import Exit, State
from pipeline.foreign_text import encodable, printable_line, redact
from pipeline.providers import OFFERS
from pipeline.report.figures import count_text
from pipeline.report.summary import Report
from pipeline.run.outcome import Outcome

TIME_LIMIT_S = 30.0
"""A chat answers within a second; what hangs must not keep a scheduled job from ending."""
_HOOKS: Mapping[int, str] = MappingProxyType(
    {Exit.OK: "done", Exit.FAILURES: "done", Exit.WAITING: "waiting"}
)
"""Which hook an exit code calls; every other one is `stopped`: a person is needed to go on."""
_SAID_BYTES = 2000
_KEYS = tuple(offer.key_env for offer in OFFERS.values())


def hook_of(code: int) -> str:
    """Return the hook that a run calls which ends with this exit code.

    >>> hook_of(0), hook_of(20), hook_of(11)
    ('done', 'waiting', 'stopped')
    """
    return _HOOKS.get(code, "stopped")


def hook_facts(
    campaign: LoadedCampaign, report: Report, outcome: Outcome, code: int
) -> Mapping[str, str]:
    """Return the variables that a hook gets; docs/reference.md lists them."""
    counts = dict(report.counts)
    done, failed = counts.get(State.DONE, 0), counts.get(State.FAILED, 0)
    spent, committed = exact_usd(outcome.spent_usd), exact_usd(outcome.committed_usd)
    page = os.path.abspath(report_paths(campaign)[0])  # noqa: PTH100 - links stay as they are
    manifest = os.path.abspath(campaign.request.manifest)  # noqa: PTH100 - the same
    summary = f"{campaign.name}: {done:,} of {count_text(report.items, 'clip')} done"
    summary += f", {failed:,} failed" if failed else ""
    waiting = outcome.places.count(PlaceState.WAITING) if outcome.places else 0
    summary += f", {count_text(waiting, 'place')} waiting for a decision" if waiting else ""
    facts = {
        "EVENT": hook_of(code),
        "EXIT_CODE": str(int(code)),
        "CAMPAIGN": campaign.manifest.name,
        "PROFILE": campaign.manifest.profile or "",
        "REHEARSAL": "1" if campaign.request.rehearse else "",
        "MANIFEST": manifest,
        "REPORT": page,
        "ITEMS": str(report.items),
        "DONE": str(done),
        "FAILED": str(failed),
        "WAITING": str(waiting),
        "CHARGED_USD": spent,
        "COMMITTED_USD": committed,
        "STOPPED": "; ".join(f"{lane}: {why}" for lane, why in sorted(outcome.stopped.items())),
        "SUMMARY": f"{summary}; {spent} USD in this run, {committed} in all",
    }
    return {f"CALLSHEET_{name}": encodable(redact(value)) for name, value in facts.items()}


def call_hook(
    campaign: LoadedCampaign,
    facts: Mapping[str, str],
    variables: Mapping[str, str],
    *,
    limit_s: float = TIME_LIMIT_S,
) -> str:
    """Run the command of the team for this end, if there is one; return what was wrong with it.

    It runs in the project's folder, with the variables of the process but for provider keys. What
    it says is shown only where it failed. After the time limit it is ended, with all it started.
    """
    event = facts["CALLSHEET_EVENT"]
    words = campaign.request.project.hooks.get(event)
    if words is None:
        return ""
    names = {name for name in variables if any(holds_a_key(each, name) for each in _KEYS)}
    # Whatever else it is called: the same key under another name is a key.
    keys = {variables[name].strip() for name in names} - {""}
    others = {name: value for name, value in variables.items() if value.strip() not in keys}
    environment = {**{name: others[name] for name in others.keys() - names}, **facts}
    with tempfile.TemporaryFile() as said:
        folder = str(campaign.request.project.folder)
        why = _execute(words, folder, environment, said=said, limit_s=limit_s)
        if not why:
            return ""
        said.seek(max(0, said.tell() - _SAID_BYTES))
        lines = said.read(_SAID_BYTES).decode("utf-8", "replace").strip().splitlines()
    last = f": {lines[-1]}" if lines else ""
    return printable_line(redact(f"[on] {event}: {words[0]} {why}{last}"))


def _execute(
    words: Sequence[str],
    folder: str,
    environment: Mapping[str, str],
    *,
    said: IO[bytes],
    limit_s: float,
) -> str:
    """Run a command to its end; return why it did not end well, or nothing."""
    try:
        process = subprocess.Popen(  # noqa: S603 - the command of whoever wrote the project file
            words,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            # Of its own, so that it is ended together with what it has started.
            start_new_session=True,
        )
    except (OSError, ValueError) as fault:
        return f"could not be started: {getattr(fault, 'strerror', None) or fault}"
    try:
        code = process.wait(limit_s)
    except subprocess.TimeoutExpired:
        return f"took longer than {limit_s:g} s and was ended"
    finally:
        # Also where a signal cuts the wait short.
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    said.seek(0, os.SEEK_END)
    return f"ended with {code}" if code else ""
