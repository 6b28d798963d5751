"""Nothing heavy is loaded before it is used: what a short command has in memory when it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.architecture.source import REPOSITORY

EXAMPLE = REPOSITORY / "manifests" / "spring-sneakers" / "campaign.yaml"
SMALL = REPOSITORY / "tests" / "cli" / "cases" / "ls" / "manifest.yaml"
_SENDS = ("httpx", "httpcore", "aiohttp", "starlette", "uvicorn")
_WATCHES = ("av",)
_PLANS = ("pandas", "numpy", "sqlalchemy", "jsonschema", "jinja2", "yaml", "orjson", "PIL")
_LOADED = """
import sys
from pipeline.cli.command_line import invoke
code = invoke(sys.argv[1:])
assert code == 0, code
import json
print("\\n" + json.dumps(sorted(sys.modules)))
"""


def _loaded(*words: str) -> set[str]:
    run = subprocess.run(
        [sys.executable, "-c", _LOADED, *words],
        capture_output=True,
        check=True,
        cwd=REPOSITORY,
        text=True,
    )
    return set(json.loads(run.stdout.rstrip("\n").rpartition("\n")[2]))


def _among(loaded: set[str], names: Sequence[str]) -> list[str]:
    return [name for name in names if name in loaded]


def test_the_help_loads_no_stage_and_no_library() -> None:
    """`--help` knows the commands without loading one, and draws without rich."""
    loaded = _loaded("--help")

    assert [] == _among(loaded, (*_PLANS, *_SENDS, *_WATCHES, "rich", "asyncio"))
    stages = ("api", "manifest", "plan", "providers", "ledger", "net", "run", "report", "media")
    assert [] == _among(loaded, [f"pipeline.{stage}" for stage in stages])


def test_a_check_opens_no_network_and_draws_nothing(tmp_path: Path) -> None:
    """`check` of the example, a second time: neither HTTP nor FFmpeg, nor what draws tables."""
    words = ("check", str(EXAMPLE), "--root", str(tmp_path))
    _loaded(*words)

    assert [] == _among(_loaded(*words), (*_SENDS, *_WATCHES, "rich"))


def test_a_doctor_who_asks_nobody_opens_no_network(tmp_path: Path) -> None:
    """`doctor --offline` loads no HTTP: what sends is loaded where something is sent."""
    loaded = _loaded("doctor", str(SMALL), "--offline", "--rehearse", "--root", str(tmp_path))

    assert [] == _among(loaded, (*_SENDS, *_WATCHES, "rich"))


@pytest.mark.timeout(400)
def test_a_run_with_nothing_to_do_opens_no_network(tmp_path: Path) -> None:
    """A run that finds all clips there loads neither HTTP nor FFmpeg, nor the run itself."""
    words = ("run", str(SMALL), "--rehearse", "--root", str(tmp_path))
    _loaded(*words)

    assert [] == _among(_loaded(*words), (*_SENDS, *_WATCHES, "pipeline.run.runner"))
