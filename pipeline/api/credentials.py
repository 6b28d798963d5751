"""Which key a provider is reached with: from the environment, or from a file of keys.

A file of keys that a project names is the only source of keys, so that a key of the shell pays
for no other project.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pipeline.api.campaign_request import CampaignRequest, command_line_fault
from pipeline.api.endpoints import STEERING
from pipeline.api.project_file import FILE, ProjectFile
from pipeline.domain import Offer, ProviderSettings
from pipeline.domain.accounts import account_of_variable, holds_a_key, key_variable
from pipeline.errors import InvalidInput
from pipeline.findings import Finding
from pipeline.providers import OFFERS

_MOST_BYTES = 1_000_000
"""More than any file of keys has."""


def environment(variables: Mapping[str, str], env_file: Path | None) -> Mapping[str, str]:
    """Return the environment, with what an `--env-file` adds; the environment itself wins."""
    return variables if env_file is None else {**_read(env_file), **variables}


def environment_of(asked: CampaignRequest, variables: Mapping[str, str]) -> Mapping[str, str]:
    """Return the environment as a command sees it.

    A file of keys that the project names is the only source of keys, so that a key of the shell
    pays for no other project; and it gives nothing but keys, since it may come with the project
    from anywhere, and a key of the shell must not be sent where it says.
    """
    key_file = _key_file(asked)
    if key_file is None:
        return environment(variables, asked.env_file)

    def is_key(name: str) -> bool:
        return name not in STEERING and any(
            holds_a_key(offer.key_env, name) for offer in OFFERS.values()
        )

    read = _read(key_file, asked.project)
    steering = sorted(name for name in read if name in STEERING)
    if steering:
        raise _in_project(
            "usage",
            f"{key_file} sets {', '.join(steering)}, and a file that {FILE} names gives keys only",
            asked.project,
            "name it with --env-file, or say --base-url",
        )
    others = {name: value for name, value in variables.items() if not is_key(name)}
    return {**others, **{name: value for name, value in read.items() if is_key(name)}}


def _key_file(asked: CampaignRequest) -> Path | None:
    return asked.project.env_file if asked.env_file is None else None


def _in_project(slug: str, message: str, project: ProjectFile, hint: str = "") -> InvalidInput:
    place = project.places["env_file"]
    finding = Finding(slug=slug, message=message, span=place, hint=hint)
    return InvalidInput([finding], project.sources)


def _read(env_file: Path, project: ProjectFile | None = None) -> Mapping[str, str]:
    """Return the variables that a file sets; a fault is told where the file was named."""

    def fault(slug: str, message: str, hint: str = "") -> InvalidInput:
        if project is None:
            return command_line_fault(slug, message, hint)
        return _in_project(slug, message, project, hint)

    try:
        # It may be a pipe (`<(sops -d keys.env)`), or a device that never ends.
        with env_file.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise command_line_fault("too-large", f"{env_file} has more than {_MOST_BYTES:,} bytes")
        # Editors on Windows begin the file with a byte order mark.
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise fault("not-utf8", f"{env_file} is not UTF-8 text", "save it as UTF-8") from error
    except OSError as error:
        raise fault("missing-file", f"cannot read {env_file}: {error.strerror}") from error
    # The same file may be one that a shell sources.
    pairs = (line.removeprefix("export ").partition("=") for line in lines if "=" in line)
    return {name.strip(): value.strip().strip("'\"") for name, _, value in pairs if name[:1] != "#"}


def keys_of(
    offer: Offer,
    settings: ProviderSettings | None,
    variables: Mapping[str, str],
    asked: CampaignRequest,
) -> Mapping[str, str]:
    """Return the key of each of the provider's accounts by name; empty is the one without one.

    `RUNWARE_API_KEY` is that one's, `RUNWARE_API_KEY_B` that of `b`; other names the manifest
    says. A key that two accounts have is one account's. InvalidInput `missing-key` names the
    variable to set where there is no key at all.
    """
    places = {
        account: variable
        for variable in sorted(variables)
        if (account := account_of_variable(offer.key_env, variable)) is not None
    }
    # Last, so that the manifest's word holds where it gives an account another variable.
    for account, its in settings.accounts.items() if settings else ():
        places[account] = its.key_env or key_variable(offer.key_env, account)
    found: dict[str, str] = {}
    for account, variable in sorted(places.items()):
        key = variables.get(variable, "").strip()
        # Twice the same key would be one account with twice its limits.
        if key and key not in found.values():
            found[account] = key
    if found:
        return found
    key_file = _key_file(asked)
    if key_file is None:
        hint = f"set {offer.key_env}, or name a file with --env-file, or try --rehearse"
    else:
        hint = f"write {offer.key_env} into {key_file}, where {FILE} says that the keys are"
    raise command_line_fault("missing-key", f"{offer.title} needs a key", hint)


def keyless_accounts(
    offer: Offer,
    settings: ProviderSettings | None,
    variables: Mapping[str, str],
    asked: CampaignRequest,
) -> Mapping[str, str]:
    """Return the accounts that the manifest names and that have no key here, with its variable."""
    have = keys_of(offer, settings, variables, asked)
    return {
        account: its.key_env or key_variable(offer.key_env, account)
        for account, its in (settings.accounts.items() if settings else ())
        if account not in have
    }
