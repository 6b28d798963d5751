"""The reference is what the schema and the command line say today."""

from __future__ import annotations

import pytest

from pipeline.cli.command_line import COMMANDS
from pipeline.domain import Policy
from pipeline.models import KLING_O1
from pipeline.plan.setting_layers import USUAL
from pipeline.schemas import schema
from tests.architecture.source import REPOSITORY
from tests.docs.keys import defaults
from tests.docs.reference import page

PAGE = REPOSITORY / "docs" / "reference.md"


def test_the_reference_is_as_the_code_has_it(request: pytest.FixtureRequest) -> None:
    """No key, option or exit code is missing or stale; `--rewrite-cases` writes the page."""
    made = page()
    if request.config.getoption("--rewrite-cases"):
        PAGE.write_text(made, "utf-8")

    assert made == PAGE.read_text("utf-8")


def test_every_key_of_the_schema_is_told() -> None:
    """Each description in the schema stands in the reference; a profile has the same keys."""
    told = PAGE.read_text("utf-8").replace(r"\|", "|")
    whole = schema("manifest")
    # That a key of `providers` is a provider's name is told once, for all of them.
    top = {name: about for name, about in whole["properties"].items() if name != "providers"}
    others = (rule for name, rule in whole["$defs"].items() if name != "profile")
    parts = [{"properties": top}, *others]

    assert [] == [said for part in parts for said in _descriptions(part) if said not in told]
    assert whole["$defs"]["profile"]["properties"].keys() == whole["properties"].keys() - {
        "callsheet",
        "name",
        "extends",
        "profiles",
    }


def _descriptions(rule: object) -> list[str]:
    """Return the descriptions of all keys in a part of the schema."""
    if isinstance(rule, list):
        return [said for each in rule for said in _descriptions(each)]
    if not isinstance(rule, dict):
        return []
    own = [about["description"] for about in _keys(rule) if "description" in about]
    inner = (each for name, each in rule.items() if name not in {"$defs", "examples", "default"})
    return own + [said for each in inner for said in _descriptions(each)]


def _keys(rule: dict[str, object]) -> list[dict[str, str]]:
    found = rule.get("properties", {})
    return list(found.values()) if isinstance(found, dict) else []


def test_the_defaults_it_states_are_those_of_the_code() -> None:
    """What an editor and the reference call the default is what is used."""
    stated = dict(defaults())
    policy = Policy()

    usual = {
        **USUAL,
        "provider": "runware",
        **{name: KLING_O1.parameters[name].default for name in ("duration", "mode")},
    }
    assert usual == {name: stated[name] for name in usual}
    assert policy.request_retries == stated["policy.retries.requests"]
    assert policy.purchases == stated["policy.purchases"]
    assert policy.stop_same_cause == stated["policy.stop.same_cause"]
    assert f"{policy.stop_share:.0%}" == stated["policy.stop.share"]
    assert policy.stop_after == stated["policy.stop.after"]
    assert f"{policy.deadline_s / 60:.0f}m" == stated["policy.deadline"]
    assert ("same_model" if policy.fallback else "off") == stated["policy.fallback"]
    assert ("runware",) == USUAL["provider"]


def test_every_command_is_told() -> None:
    """Each registered command has its heading."""
    told = PAGE.read_text("utf-8")

    for name, entry in COMMANDS.items():
        assert f"\n### {name}{' ' if entry.is_group else chr(10)}" in told
