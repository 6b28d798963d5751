"""Which addresses a link from a reply may lead to: public ones, over https.

A provider's reply is not ours: a link in it must not make this machine ask its own network. The
check is made on every address a name resolves to, where the connection takes it from, so that no
second look-up can give another answer.
"""

from __future__ import annotations

import ipaddress
import re
import socket

import aiohttp
import httpx
from aiohttp.abc import AbstractResolver, ResolveResult

from pipeline.errors import Forbidden
from pipeline.web_addresses import IpAddress, is_loopback, literal_address

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
# "2130706433", "127.1" and "0x7f.1" are addresses to the C library, though not to `ipaddress`.
_NUMERIC = re.compile(r"(0x[0-9a-f]*|[0-9]+)(\.(0x[0-9a-f]*|[0-9]+))*\.?", re.IGNORECASE)

# The name, and all names below it, are this machine's (RFC 6761, 6.3).
_LOCAL = re.compile(r"(.*\.)?localhost\.?", re.IGNORECASE)


def refusal(url: httpx.URL, *, loopback: bool) -> str:
    """Return why a link may not be followed as it is written; empty if it may.

    `loopback` allows this machine, by http too: a rehearsal's results are here.
    """
    if loopback and url.scheme in {"http", "https"} and is_loopback(url.host):
        return ""
    if url.scheme != "https":
        return f"it is {url.scheme or 'nothing'}, not https"
    if not url.host or url.userinfo:
        return "it names a user, or no host"
    address = literal_address(url.host)
    if address is not None:
        return "" if is_public(address) else "it leads to a private address"
    if _LOCAL.fullmatch(url.host) or _NUMERIC.fullmatch(url.host):
        return "it leads to a private address"
    return ""


def is_public(address: IpAddress) -> bool:
    """Tell whether an address is on the public internet, whatever it is wrapped in."""
    inner = address
    if isinstance(address, ipaddress.IPv6Address):
        # An IPv6-only network reaches IPv4 hosts through such an address (RFC 6052).
        translated = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None
        inner = translated or address.ipv4_mapped or address.sixtofour or address
    # Python calls the site-local addresses of old (fec0::/10) global.
    local = isinstance(inner, ipaddress.IPv6Address) and inner.is_site_local
    return inner.is_global and not (inner.is_multicast or inner.is_reserved or local)


class PublicResolver(AbstractResolver):
    """Resolves names, and refuses those with any address that is not public."""

    def __init__(self, *, loopback: bool) -> None:
        self._inner = aiohttp.ThreadedResolver()
        self._loopback = loopback

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return a name's addresses; Forbidden if one is private (loopback only if allowed)."""
        found = await self._inner.resolve(host, port, family)
        # The connection may take any of them: one private address among public ones is enough.
        for result in found:
            address = ipaddress.ip_address(result["host"])
            if not is_public(address) and not (self._loopback and is_loopback(str(address))):
                raise Forbidden("the link leads to a private address")
        return found

    async def close(self) -> None:
        """Release what the resolver holds."""
        await self._inner.close()
