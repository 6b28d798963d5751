"""`plan --quote`: prices by the providers' own dry runs, and nothing bought."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from PIL import Image

from tests.sandboxes import Sandbox

KEYS = {
    "RUNWARE_API_KEY": "key-of-the-quote",
    "UNIFICALLY_API_KEY": "key-of-the-quote",
    "EVOLINK_API_KEY": "key-of-the-quote",
}
MANIFEST = """\
callsheet: 1
name: quoted
bundles: {opening: {frames: {first: box.png}}}
shots:
  - id: film
    use: [opening]
    mode: pro
    prompt: "The box turns slowly, no text."
    variants: {matrix: {provider: [evolink, runware, unifically]}}
budget: {limit: 9 USD, unpriced: {assume: 1.50 USD}}
"""


def test_each_provider_with_a_dry_run_names_its_price(sandbox: Sandbox, tmp_path: Path) -> None:
    """The quote stands beside the price list's figure; what has no dry run says so."""
    (tmp_path / "quoted.yaml").write_text(MANIFEST, "utf-8")
    Image.new("RGB", (720, 1280), (90, 90, 160)).save(tmp_path / "box.png")
    urls = []
    for name in ("evolink", "runware", "unifically"):
        told = sandbox.addresses[name]
        urls.append(f"--base-url={name}={told['base_url']}")
        urls += [f"--base-url={name}.upload={told['upload_url']}"] if "upload_url" in told else []

    command = [sys.executable, "-m", "pipeline", "plan", str(tmp_path / "quoted.yaml"), "--quote"]
    ran = subprocess.run(
        [*command, "--root", str(tmp_path / "root"), *urls],
        env={**os.environ, **KEYS, "COLUMNS": "120"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert 0 == ran.returncode, ran.stdout + ran.stderr
    lines = [line.split() for line in ran.stdout.splitlines() if " first_frame " in line]
    assert [
        ["evolink", "first_frame", "pro", "5", "1", "0.555", "it", "has", "no", "dry", "run"]
    ] == lines[:1]
    assert [["0.56", "0.56", "USD"], ["1.50", "0.24", "USD"]] == [line[-3:] for line in lines[1:]]
    for name in ("evolink", "runware", "unifically"):
        assert [] == sandbox.tasks(name)
