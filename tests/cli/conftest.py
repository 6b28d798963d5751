"""A finished campaign, made once: tests take copies of it, and plan them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.edits import write_shop
from tests.sandboxes import Sandbox

SHOP_KEY = "key-of-the-shop"


@pytest.fixture(scope="session")
def finished(_running_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the campaign of `edits`, whose six clips are there."""
    folder = tmp_path_factory.mktemp("shop")
    write_shop(folder)
    url = f"--base-url=runware={_running_sandbox.base_urls['runware']}"
    ran = subprocess.run(
        [sys.executable, "-m", "pipeline", "run", "shop.yaml", "--yes", url],
        env={**os.environ, "RUNWARE_API_KEY": SHOP_KEY},
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert 0 == ran.returncode, ran.stdout + ran.stderr
    return folder
