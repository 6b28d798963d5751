"""How far a value goes: one item is traced from its prompt to the wire, one job to the report."""

from __future__ import annotations

import re
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from pipeline.cli.app import invoke
from pipeline.providers.base import Accepted
from tests.architecture.source import REPOSITORY
from tests.architecture.walk import Walk

MARK = "zanzibar"
MANIFEST = f"""\
callsheet: 1
name: walk
tables: {{words: {{file: words.csv, key: word, as: line}}}}
shots:
  - id: plain
    for: words
    duration: 5
    aspect_ratio: "16:9"
    prompt: "The word {{{{ line.word }}}} on the coast of {MARK}."
budget: {{limit: 5 USD}}
"""
WALKS = REPOSITORY / "tests" / "architecture" / "walks"
# What is reached so far; each may only fall. The aims are 25 and 20 modules, and JSON twice.
MOST_TO_THE_BODY, ENCODED_TO_THE_BODY = 40, 9
MOST_TO_THE_REPORT, ENCODED_TO_THE_REPORT = 32, 5


class ToTheBody(Walk):
    """The prompt, until the body of its request is bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.text = MARK

    def met(self, frame: FrameType, result: Any) -> None:
        """End with the paid request."""
        if frame.f_code.co_name == "plain_request":
            self.over = MARK.encode() in result.content


class ToTheReport(Walk):
    """A task's id, from the reply that accepted it to the end of the command."""

    def met(self, frame: FrameType, result: Any) -> None:
        """Begin with the reply."""
        if frame.f_code.co_name == "read_submit" and isinstance(result, Accepted):
            self.text = result.task


@pytest.mark.parametrize(
    ("walk", "most", "most_encoded"),
    [
        (ToTheBody, MOST_TO_THE_BODY, ENCODED_TO_THE_BODY),
        (ToTheReport, MOST_TO_THE_REPORT, ENCODED_TO_THE_REPORT),
    ],
)
def test_a_value_goes_through_few_modules(
    walk: type[Walk],
    most: int,
    most_encoded: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    """The way is as written down, and no longer than allowed; JSON is not made over and over."""
    (tmp_path / "words.csv").write_text("word\npalm\n", "utf-8")
    (tmp_path / "walk.yaml").write_text(MANIFEST, "utf-8")
    words = ["run", str(tmp_path / "walk.yaml"), "--rehearse", "--root", str(tmp_path / "out")]

    with walk().recorded(monkeypatch) as traced:
        code = invoke([*words, "--quiet", "--yes"])

    assert 0 == int(code)
    name = re.sub(r"(?<!^)(?=[A-Z])", "_", walk.__name__).lower()
    page, told = WALKS / f"{name}.txt", "".join(f"{module}\n" for module in traced.modules)
    if request.config.getoption("--rewrite-cases"):
        page.write_text(told, "utf-8")
    assert set(page.read_text("utf-8").splitlines()) == set(traced.modules)
    assert len(traced.modules) <= most
    assert 0 < traced.encoded <= most_encoded
