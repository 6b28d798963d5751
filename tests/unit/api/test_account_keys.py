"""Which keys a provider has: by the names of variables, and by what the manifest says."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.api.campaign_request import CampaignRequest
from pipeline.api.credentials import environment_of, keyless_accounts, keys_of
from pipeline.api.project_file import project_of
from pipeline.domain import AccountSettings, ProviderSettings
from pipeline.errors import InvalidInput
from pipeline.findings import Span
from pipeline.providers import OFFERS

OFFER = OFFERS["runware"]
SPAN = Span(file="m.yaml")
SETTINGS = ProviderSettings(
    accounts={
        "team": AccountSettings(span=SPAN),
        "b": AccountSettings(key_env="RUNWARE_API_KEY_SECOND", span=SPAN),
    }
)


@pytest.fixture
def request_here(tmp_path: Path) -> CampaignRequest:
    """Return a request of a manifest in an empty folder."""
    manifest = tmp_path / "m.yaml"
    manifest.write_text("callsheet: 1\nname: m\n", "utf-8")
    return CampaignRequest(manifest=manifest, project=project_of(manifest))


@pytest.mark.parametrize(
    ("variables", "settings", "expected"),
    [
        ({"RUNWARE_API_KEY": "one"}, None, {"": "one"}),
        ({"RUNWARE_API_KEY": "one", "RUNWARE_API_KEY_B": "two"}, None, {"": "one", "b": "two"}),
        ({"RUNWARE_API_KEY_B": "two", "RUNWARE_API_KEY_2": "x"}, None, {"2": "x", "b": "two"}),
        ({"RUNWARE_API_KEY": "one", "RUNWARE_API_KEY_FILE": "/k"}, None, {"": "one"}),
        ({"RUNWARE_API_KEY": "one", "RUNWARE_API_KEY_B": " "}, None, {"": "one"}),
        ({"RUNWARE_API_KEY": "one", "RUNWARE_API_KEY_B": "one"}, None, {"": "one"}),
        ({"RUNWARE_API_KEY_TEAM": "t"}, SETTINGS, {"team": "t"}),
        ({"RUNWARE_API_KEY_B": "x", "RUNWARE_API_KEY_SECOND": "s"}, SETTINGS, {"b": "s"}),
    ],
)
def test_an_account_s_key_is_in_a_variable_of_its_name(
    variables: dict[str, str],
    settings: ProviderSettings | None,
    expected: dict[str, str],
    request_here: CampaignRequest,
) -> None:
    """One sign behind the provider's own variable, or what the manifest says; no key twice."""
    assert expected == dict(keys_of(OFFER, settings, variables, request_here))


def test_without_any_key_the_provider_s_own_variable_is_named(
    request_here: CampaignRequest,
) -> None:
    """Somebody with one account never hears of others."""
    with pytest.raises(InvalidInput) as raised:
        keys_of(OFFER, None, {"RUNWARE_API_KEY_FILE": "x"}, request_here)

    (finding,) = raised.value.findings
    assert "missing-key" == finding.slug
    assert "set RUNWARE_API_KEY," in finding.hint


def test_an_account_that_the_manifest_names_may_have_no_key_here(
    request_here: CampaignRequest,
) -> None:
    """A colleague has one key: the others are named, with the variable to set."""
    variables = {"RUNWARE_API_KEY": "one", "RUNWARE_API_KEY_TEAM": "t"}

    without = keyless_accounts(OFFER, SETTINGS, variables, request_here)

    assert {"b": "RUNWARE_API_KEY_SECOND"} == dict(without)


def test_a_project_s_file_of_keys_is_the_only_source_of_all_accounts(tmp_path: Path) -> None:
    """No key of the shell pays for a project that names its own, not even a second one."""
    (tmp_path / "callsheet.toml").write_text('env_file = "keys.env"\n', "utf-8")
    (tmp_path / "keys.env").write_text("RUNWARE_API_KEY_B=ours\n", "utf-8")
    (tmp_path / "m.yaml").write_text("callsheet: 1\nname: m\n", "utf-8")
    manifest = tmp_path / "m.yaml"
    asked = CampaignRequest(manifest=manifest, project=project_of(manifest))
    shell = {"RUNWARE_API_KEY": "shell", "RUNWARE_API_KEY_C": "shell-c", "HOME": "/home/a"}

    seen = environment_of(asked, shell)

    assert {"RUNWARE_API_KEY_B": "ours", "HOME": "/home/a"} == dict(seen)
