"""Which key and which addresses a provider is reached with; the manifest does not choose them.

A manifest may name hosts of the offer's own list only. Anything else comes from the environment
or the command line, must be https (http on loopback only), and is printed before the first
request (manifest.md §9).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlsplit

from pipeline.cli.options import CampaignOptions, mistyped, usage
from pipeline.cli.project import FILE, Project
from pipeline.domain import Offer, ProviderSettings
from pipeline.errors import InvalidInput
from pipeline.findings import Finding, Span, did_you_mean
from pipeline.providers import OFFERS

_SETTINGS = MappingProxyType({"api": "base_url", "upload": "upload_url"})
_MOST_BYTES = 1_000_000
"""More than any file of keys has."""
_STEERING = frozenset(
    f"{provider}_{setting}".upper() for provider in OFFERS for setting in _SETTINGS.values()
)
"""Variables that say where a key is sent."""


def environment(variables: Mapping[str, str], env_file: Path | None) -> Mapping[str, str]:
    """Return the environment, with what an `--env-file` adds; the environment itself wins."""
    return variables if env_file is None else {**_read(env_file), **variables}


def environment_of(asked: CampaignOptions, variables: Mapping[str, str]) -> Mapping[str, str]:
    """Return the environment as a command sees it.

    A file of keys that the project names is the only source of keys, so that a key of the shell
    pays for no other project; and it gives nothing but keys, since it may come with the project
    from anywhere, and a key of the shell must not be sent where it says.
    """
    key_file = _key_file(asked)
    if key_file is None:
        return environment(variables, asked.env_file)
    keys = {offer.key_env for offer in OFFERS.values()}
    read = _read(key_file, asked.project)
    steering = sorted(name for name in read if name in _STEERING)
    if steering:
        raise _in_project(
            "usage",
            f"{key_file} sets {', '.join(steering)}, and a file that {FILE} names gives keys only",
            asked.project,
            "name it with --env-file, or say --base-url",
        )
    others = {name: value for name, value in variables.items() if name not in keys}
    return {**others, **{name: value for name, value in read.items() if name in keys}}


def _key_file(asked: CampaignOptions) -> Path | None:
    return asked.project.env_file if asked.env_file is None else None


def _in_project(slug: str, message: str, project: Project, hint: str = "") -> InvalidInput:
    place = project.places["env_file"]
    finding = Finding(slug=slug, message=message, span=place, hint=hint)
    return InvalidInput([finding], project.sources)


def _read(env_file: Path, project: Project | None = None) -> Mapping[str, str]:
    """Return the variables that a file sets; a fault is told where the file was named."""

    def fault(slug: str, message: str, hint: str = "") -> InvalidInput:
        if project is None:
            return mistyped(slug, message, hint)
        return _in_project(slug, message, project, hint)

    try:
        # It may be a pipe (`<(sops -d keys.env)`), or a device that never ends.
        with env_file.open("rb") as file:
            data = file.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise mistyped("too-large", f"{env_file} has more than {_MOST_BYTES:,} bytes")
        lines = data.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise fault("not-utf8", f"{env_file} is not UTF-8 text", "save it as UTF-8") from error
    except OSError as error:
        raise fault("missing-file", f"cannot read {env_file}: {error.strerror}") from error
    pairs = (line.removeprefix("export ").partition("=") for line in lines if "=" in line)
    return {name.strip(): value.strip().strip("'\"") for name, _, value in pairs if name[:1] != "#"}


def key_of(offer: Offer, variables: Mapping[str, str], asked: CampaignOptions) -> str:
    """Return the provider's key; InvalidInput `missing-key` names the variable to set."""
    key = variables.get(offer.key_env, "").strip()
    if key:
        return key
    key_file = _key_file(asked)
    if key_file is None:
        hint = f"set {offer.key_env}, or name a file with --env-file, or try --rehearse"
    else:
        hint = f"write {offer.key_env} into {key_file}, where {FILE} says that the keys are"
    raise mistyped("missing-key", f"{offer.title} needs a key", hint)


def hosts_of(
    offer: Offer,
    settings: ProviderSettings | None,
    variables: Mapping[str, str],
    given: Mapping[str, str],
) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """Return host name to base URL, and those that came from outside (to be printed).

    `given` holds `--base-url` values as `{"api": url, "upload": url}`.
    """
    hosts, foreign = dict(offer.hosts), []
    for host, setting in _SETTINGS.items():
        if host not in hosts:
            continue
        variable = f"{offer.provider}_{setting}".upper()
        outside = given.get(host) or variables.get(variable, "")
        inside = getattr(settings, setting, None)
        if outside:
            hosts[host] = _trusted(outside)
            foreign.append(f"{offer.provider} {setting} = {hosts[host]}")
        elif inside is not None:
            hosts[host] = _listed(offer, inside.data, inside.span)
    return MappingProxyType(hosts), tuple(foreign)


def base_urls(values: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
    """Read `--base-url runware=https://…` (`unifically.upload=…`) as `{provider: {host: url}}`."""
    read: dict[str, dict[str, str]] = {}
    for value in values:
        name, sign, url = value.partition("=")
        provider, _, host = name.partition(".")
        if not sign or not url:
            raise usage(f"--base-url takes PROVIDER=URL, not {value!r}")
        if provider not in OFFERS:
            hint = did_you_mean(provider, OFFERS)
            raise usage(f"--base-url: there is no provider {provider!r}", hint)
        read.setdefault(provider, {})[host or "api"] = url
    return read


def _listed(offer: Offer, url: str, span: Span) -> str:
    allowed = {urlsplit(base).hostname for base in offer.hosts.values()} | set(offer.hosts_allowed)
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname in allowed:
        return url.rstrip("/")
    names = ", ".join(sorted(name for name in allowed if name))
    raise InvalidInput(
        [
            Finding(
                slug="foreign-address",
                message=f"a manifest may not send {offer.title}'s key to {parts.hostname or url!r}",
                span=span,
                hint=f"its own hosts are {names}; others come from the environment or --base-url",
            )
        ]
    )


def _trusted(url: str) -> str:
    parts = urlsplit(url)
    secure = parts.scheme == "https" or (parts.scheme == "http" and loopback(parts.hostname or ""))
    if secure and parts.hostname:
        return url.rstrip("/")
    raise mistyped("foreign-address", f"{url} must be https (http only on loopback)")


def loopback(host: str) -> bool:
    """Tell whether a host name means this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
