"""A finished campaign, made once: tests take copies of it, and plan them."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.clock import RealClock
from tests.cli.edits import write_shop
from tests.clocks import brief_sleep
from tests.processes import run_callsheet
from tests.sandboxes import Sandbox

SHOP_KEY = "key-of-the-shop"


@pytest.fixture(autouse=True)
def _brief_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have commands that are called here wait a tenth of their time."""
    monkeypatch.setattr(RealClock, "sleep", brief_sleep)


@pytest.fixture(scope="session")
def finished(_running_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the campaign of `edits`, whose six clips are there."""
    _running_sandbox.reset()
    folder = tmp_path_factory.mktemp("shop")
    write_shop(folder)
    url = f"--base-url=runware={_running_sandbox.base_urls['runware']}"
    words = ["run", "shop.yaml", "--yes", url]
    ran = run_callsheet(words, {"RUNWARE_API_KEY": SHOP_KEY}, folder=folder)
    assert 0 == ran.returncode, ran.stdout + ran.stderr
    return folder
