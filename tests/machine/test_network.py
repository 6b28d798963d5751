"""No way to the provider: no name, nobody there, no trust, a proxy's word, another protocol."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import NotSent, TransportFault
from pipeline.ledger.repository import Ledger
from pipeline.net.client import Lane, Limits, Transport
from pipeline.providers.base import Request
from tests.machine.campaign import ITEMS, KEY, TRACE, Campaign
from tests.machine.conftest import Callsheet
from tests.machine.hosts import NAME, Certificate, Proxy, in_background, self_signed, serving
from tests.sandboxes import Sandbox
from tests.unit.run.rawserver import closed_port, public_trust

PROXIES = ("https_proxy", "http_proxy", "all_proxy", "no_proxy")
PAID = Request(method="POST", path="/v1", body=[{"taskType": "videoInference"}])
UNREACHABLE = {
    "no name": "cannot reach no-such-host.invalid: its name is not known here; check the address",
    "nobody there": "nobody answers there; check the address, the network and the proxy",
    "self-signed": "its certificate is not trusted; check the address, or name the proxy's in"
    " SSL_CERT_FILE",
    "proxy": f"cannot reach {NAME}: the proxy refuses; check HTTPS_PROXY, its user",
}


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Return a certificate that nobody knows."""
    return self_signed(tmp_path_factory.mktemp("tls"))


@contextmanager
def _unreachable(name: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """Give an address at which no request arrives."""
    monkeypatch: pytest.MonkeyPatch = request.getfixturevalue("monkeypatch")
    match name:
        case "no name":
            yield "https://no-such-host.invalid"
        case "nobody there":
            yield f"http://127.0.0.1:{closed_port()}"
        case "self-signed":
            tls = request.getfixturevalue("certificate").server()
            with in_background(_answer, tls=tls) as port:
                yield f"https://127.0.0.1:{port}"
        case "proxy":
            proxy = Proxy()
            with in_background(proxy.serve) as proxy.port:
                monkeypatch.setenv("HTTPS_PROXY", proxy.url)
                yield f"https://{NAME}"
            assert not any(KEY.encode() in head for head in proxy.seen)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer every request with an empty list."""
    while await reader.readuntil(b"\r\n\r\n"):
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")


@pytest.mark.parametrize("name", UNREACHABLE)
def test_a_provider_that_cannot_be_reached_costs_nothing(
    name: str, campaign: Campaign, callsheet: Callsheet, request: pytest.FixtureRequest
) -> None:
    """Exit 12: which host, why, and what to look at; nothing is in doubt, nothing reserved."""
    with _unreachable(name, request) as address:
        code, said = callsheet(*replace(campaign, address=address).words())

    assert 12 == code, said
    assert UNREACHABLE[name] in " ".join(said.split())
    assert TRACE not in said
    assert KEY not in said
    with Ledger.open(campaign.root) as ledger:
        records = list(ledger.records("cups"))
    assert ["held"] * ITEMS == [record.state for record in records]
    assert [0] * ITEMS == [int(record.reserved_usd * 100) for record in records]


def test_when_the_provider_is_back_the_run_goes_on(
    campaign: Campaign, sandbox: Sandbox, callsheet: Callsheet
) -> None:
    """What was held for want of a connection is made by the next run, once."""
    nowhere = replace(campaign, address=f"http://127.0.0.1:{closed_port()}")
    assert 12 == callsheet(*nowhere.words())[0]

    code, said = callsheet(*campaign.words())

    assert 0 == code, said
    assert ITEMS == len(sandbox.tasks("runware", KEY))


def test_a_proxy_is_never_asked_for_this_machine(
    campaign: Campaign, sandbox: Sandbox, callsheet: Callsheet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the environment says: loopback is reached directly, for orders and for clips."""
    for name in PROXIES[:3]:
        monkeypatch.setenv(name.upper(), f"http://127.0.0.1:{closed_port()}")

    code, said = callsheet(*campaign.words())

    assert 0 == code, said
    assert ITEMS == len(sandbox.tasks("runware", KEY))


async def test_the_environment_s_proxy_leads_to_a_real_host(
    certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Orders, polls and downloads go through its tunnel; what is said inside it cannot read."""
    proxy = Proxy()
    async with (
        serving(_answer, tls=certificate.server()) as proxy.leads_to,
        serving(proxy.serve) as proxy.port,
    ):
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        lane = Lane(provider="runware", key=KEY, hosts={"api": f"https://{NAME}"})
        link = Request(method="GET", path=f"https://{NAME}/clip.mp4", host="")
        async with Transport(tls=certificate.trust()) as transport:
            assert b"[]" == (await transport.submit(lane, PAID)).body
            assert b"[]" == (await transport.send(lane, PAID)).body
            async with transport.download(lane, link) as download:
                assert [b"[]"] == [chunk async for chunk in download.chunks()]

    assert len(proxy.seen) > 1
    assert {b"CONNECT api.provider.example:443"} == {h.split(b" HTTP")[0] for h in proxy.seen}
    assert not any(KEY.encode() in head for head in proxy.seen)


async def test_a_certificate_that_nobody_knows_ends_it_before_the_key_is_sent(
    certificate: Certificate,
) -> None:
    """A paid request is proven not sent; who trusts the certificate gets through."""
    async with serving(_answer, tls=certificate.server()) as port:
        lane = Lane(provider="runware", key=KEY, hosts={"api": f"https://127.0.0.1:{port}"})
        async with Transport(proxies={}, tls=public_trust(), limits=Limits()) as transport:
            with pytest.raises(NotSent, match="certificate is not trusted"):
                await transport.submit(lane, PAID)
            with pytest.raises(TransportFault, match="certificate is not trusted"):
                await transport.send(lane, PAID)
        async with Transport(proxies={}, tls=certificate.trust()) as transport:
            assert b"[]" == (await transport.submit(lane, PAID)).body


def test_a_provider_on_ipv6_alone_is_reached(
    campaign: Campaign, tmp_path: Path, callsheet: Callsheet
) -> None:
    """Orders, polls and clips over ::1, where nothing listens on 127.0.0.1."""
    with _sandbox_on_ipv6(tmp_path / "sandbox") as address:
        code, said = callsheet(*replace(campaign, address=address).words())

    assert 0 == code, said
    assert ITEMS == len(campaign.clips)


@contextmanager
def _sandbox_on_ipv6(state: Path) -> Iterator[str]:
    state.mkdir()
    scenario = state / "scenario.json"
    plain: dict[str, Any] = {"render": "plain", "timing": {"accept_s": 0, "run_s": 0}}
    scenario.write_text(json.dumps(plain), "utf-8")
    command = [sys.executable, "-m", "pipeline.sandbox", "--leash", "--host", "::1"]
    with subprocess.Popen(
        [*command, "--state", str(state), "--scenario", str(scenario)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            pytest.skip("this machine has no IPv6 loopback")
        try:
            yield json.loads(line)["providers"]["runware"]["base_url"]
        finally:
            process.terminate()
