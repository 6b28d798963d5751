"""What it means that a host could not be reached, in words: what to look at."""

from __future__ import annotations

from urllib.parse import urlsplit

from pipeline.net.lane import Lane
from pipeline.providers.base import Request

_LOOK_AT = (
    (
        ("name or service not known", "name resolution", "nodename nor", "no address associated"),
        "its name is not known here; check the address, and whether this machine is online",
    ),
    (
        ("certificate_verify_failed",),
        "its certificate is not trusted; check the address, or name the proxy's in SSL_CERT_FILE",
    ),
    # OpenSSL begins a certificate's fault with "[SSL: " too, so this row comes after it.
    (("[ssl",), "it does not speak TLS as it should; check the address"),
    (("proxyerror",), "the proxy refuses; check HTTPS_PROXY, its user and its password"),
    (
        ("connection attempts failed", "connect call failed", "connection refused"),
        "nobody answers there; check the address, the network and the proxy",
    ),
    (
        ("unreachable",),
        "there is no way there; check the network, and whether it has IPv4 or IPv6 only",
    ),
    (
        ("connecttimeout", "connection timeout"),
        "nobody answers in time; check the network, a firewall, the proxy",
    ),
)
"""Parts of a library's own words, and what to look at; the first that fits."""


def explanation(told: str, lane: Lane, request: Request) -> str:
    """Return a failure as a library told it, with the host and what to look at where it is known.

    Where an address leads nowhere, a bare error number says neither which one nor what to do.
    """
    lowered = told.lower()
    for parts, advice in _LOOK_AT:
        if any(part in lowered for part in parts):
            base = lane.hosts.get(request.host, "") if request.host else request.path
            host = urlsplit(base).netloc.rpartition("@")[2] or "it"
            return f"cannot reach {host}: {advice} ({told})"
    return told
