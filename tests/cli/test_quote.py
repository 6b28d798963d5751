"""`plan --quote`: prices by the providers' own dry runs, and nothing bought."""

from __future__ import annotations

import json
from pathlib import Path
from subprocess import CompletedProcess

from PIL import Image

from tests.processes import run_callsheet
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


UNPRICED = """\
callsheet: 1
name: unpriced
shots:
  - {id: film, provider: unifically, prompt: "A box turns slowly, no text."}
  - {id: other, provider: unifically, prompt: "A ball rolls slowly, no text."}
  - {id: long, provider: unifically, duration: 10, prompt: "A lamp sways, no text."}
budget: {limit: 9 USD}
"""


def callsheet(
    sandbox: Sandbox, folder: Path, *words: str, keys: dict[str, str] | None = None
) -> CompletedProcess[str]:
    """Run a command with the providers' addresses at the sandbox."""
    urls = []
    for name in ("evolink", "runware", "unifically"):
        told = sandbox.addresses[name]
        urls.append(f"--base-url={name}={told['base_url']}")
        urls += [f"--base-url={name}.upload={told['upload_url']}"] if "upload_url" in told else []
    variables = {**(KEYS if keys is None else keys), "COLUMNS": "120"}
    return run_callsheet([*words, "--root", str(folder / "root"), *urls], variables)


def test_a_quote_is_the_estimate_and_what_is_set_aside(sandbox: Sandbox, tmp_path: Path) -> None:
    """Without it there is no price; with it there is a plan, for a day."""
    manifest = str(tmp_path / "unpriced.yaml")
    Path(manifest).write_text(UNPRICED, "utf-8")
    sandbox.set(accounts={})

    before = callsheet(sandbox, tmp_path, "plan", manifest)
    quoted = callsheet(sandbox, tmp_path, "plan", manifest, "--quote")
    after = callsheet(sandbox, tmp_path, "plan", manifest)

    assert (3, True) == (before.returncode, "unpriced" in before.stdout + before.stderr)
    assert 0 == quoted.returncode, quoted.stdout + quoted.stderr
    # 0.048 a second, by the sandbox's own list: twice five and once ten.
    assert "0.96 USD" in quoted.stdout
    assert (0, True) == (after.returncode, "0.96 USD" in after.stdout)
    assert [] == sandbox.tasks("unifically")


def test_a_run_asks_for_prices_that_nobody_published(sandbox: Sandbox, tmp_path: Path) -> None:
    """Before anything is bought: what was quoted is reserved, and charged."""
    manifest = str(tmp_path / "unpriced.yaml")
    Path(manifest).write_text(UNPRICED, "utf-8")

    ran = callsheet(sandbox, tmp_path, "run", manifest, "--yes")

    assert 0 == ran.returncode, ran.stdout + ran.stderr
    text = (tmp_path / "root/unpriced/report/report.json").read_text("utf-8")
    items = json.loads(text)["items"]
    assert [0.24, 0.24, 0.48] == [item["estimate_usd"] for item in items]
    assert [0.24, 0.24, 0.48] == [item["charged_usd"] for item in items]
    assert 3 == len(sandbox.tasks("unifically"))


def test_a_run_that_cannot_ask_says_why_and_buys_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    """Without a key there is no quote, without a quote no price."""
    manifest = str(tmp_path / "unpriced.yaml")
    Path(manifest).write_text(UNPRICED, "utf-8")

    ran = callsheet(sandbox, tmp_path, "run", manifest, "--yes", keys={"UNIFICALLY_API_KEY": ""})

    assert 3 == ran.returncode
    assert "no price could be asked for" in ran.stdout
    assert "unpriced" in ran.stdout + ran.stderr
    assert [] == sandbox.tasks("unifically")


def test_each_provider_with_a_dry_run_names_its_price(sandbox: Sandbox, tmp_path: Path) -> None:
    """The quote stands beside the price list's figure; what has no dry run says so."""
    (tmp_path / "quoted.yaml").write_text(MANIFEST, "utf-8")
    Image.new("RGB", (720, 1280), (90, 90, 160)).save(tmp_path / "box.png")

    ran = callsheet(sandbox, tmp_path, "plan", str(tmp_path / "quoted.yaml"), "--quote")

    assert 0 == ran.returncode, ran.stdout + ran.stderr
    lines = [line.split() for line in ran.stdout.splitlines() if " first_frame " in line]
    assert [
        ["evolink", "first_frame", "pro", "5", "1", "0.555", "it", "has", "no", "dry", "run"]
    ] == lines[:1]
    assert [["0.56", "0.56", "USD"], ["1.50", "0.24", "USD"]] == [line[-3:] for line in lines[1:]]
    for name in ("evolink", "runware", "unifically"):
        assert [] == sandbox.tasks(name)
