"""How this machine reaches a host: through which proxy, over which of the two ways out.

`one_shot` is httpx's own transport, one connection for one paid POST. `pool` is httpx-aiohttp's,
which scales. The proxies of the environment are honoured, except for this machine itself.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.request import getproxies_environment

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from httpx_aiohttp.transport import AiohttpResponseStream, map_aiohttp_exceptions
from yarl import URL

from pipeline.net.public_addresses import PublicResolver
from pipeline.web_addresses import is_loopback

_TRUSTED = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""The variables in which httpx is told of other certificates."""
_HEADER_BYTES = 65_536
"""Signed links in `Location` may be longer than aiohttp's 8,190."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long, how much and how many at most."""

    connect_s: float = 10.0
    read_s: float = 60.0
    """Longest silence while a reply is awaited or read."""
    total_s: float = 120.0
    """Longest time for one request and its reply; uploads get more by their size."""
    reply_bytes: int = 5_000_000
    clip_bytes: int = 2_000_000_000
    redirects: int = 5
    connections: int = 64
    """To one host, of what may be repeated: a host that hangs takes nobody else's."""

    def timeouts(self) -> dict[str, float | None]:
        """Return the limits in time as httpx's transports read them."""
        bounds = httpx.Timeout(self.read_s, connect=self.connect_s, pool=self.total_s)
        return bounds.as_dict()


class Connections:
    """The ways out of this machine, opened when first needed.

    `proxies` maps a scheme (`https`, `http`, `all`) to a proxy's URL and `no` to the hosts that
    need none, as `urllib` reads them from the environment, which is the default. `tls` replaces
    the usual trust in public certificates.
    """

    def __init__(
        self,
        limits: Limits,
        *,
        proxies: Mapping[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._limits = limits
        self._proxies = dict(getproxies_environment() if proxies is None else proxies)
        self._tls = tls or _public_trust(*map(os.environ.get, _TRUSTED))
        self._pools: dict[tuple[str, bool | None], ExactTransport] = {}

    def one_shot(self, url: httpx.URL) -> httpx.AsyncHTTPTransport:
        """Return a transport for one request: no connection is used twice, nothing is retried.

        Raises ValueError or ImportError for a proxy that cannot be spoken to.
        """
        return httpx.AsyncHTTPTransport(
            verify=self._tls,
            http2=False,
            # `_proxy` decides: the environment may name a proxy even for this machine.
            trust_env=False,
            retries=0,
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=0),
            proxy=self._proxy(url) or None,
        )

    def pool(self, url: httpx.URL, *, guard: bool | None) -> httpx.AsyncBaseTransport:
        """Return the transport for requests that may be repeated.

        `guard` None lets it reach any address: hosts that we chose. Otherwise only public
        addresses, and those of this machine if it is True.
        """
        proxy = self._proxy(url)
        # A proxy resolves names itself, and is often at a private address: there, only the
        # address as written can be judged (`addresses.refusal`).
        key = (proxy, None if proxy else guard)
        if key not in self._pools:
            self._pools[key] = ExactTransport(
                tls=self._tls, proxy=proxy, guard=key[1], connections=self._limits.connections
            )
        return self._pools[key]

    async def close(self) -> None:
        """Close every connection that is kept."""
        pools, self._pools = self._pools, {}
        for transport in pools.values():
            await transport.aclose()

    def _proxy(self, url: httpx.URL) -> str:
        listed = self._proxies.get("no", "").split(",")
        # `NO_PROXY` names hosts, and domains with all that is in them.
        direct = (name.strip().lstrip(".").lower() for name in listed)
        if is_loopback(url.host) or any(
            name and (name == "*" or f".{url.host}".endswith(f".{name}")) for name in direct
        ):
            return ""
        return self._proxies.get(url.scheme) or self._proxies.get("all", "")


@cache
def _public_trust(*_named: str | None) -> ssl.SSLContext:
    """Return the trust in public certificates, read once: it takes as long as a short command."""
    return httpx.create_ssl_context()


class ExactTransport(AiohttpTransport):
    """httpx-aiohttp's transport, sending each URL exactly as it is, and keeping no cookies.

    aiohttp rewrites a URL that it is given as text (`%2F` in a query becomes `/`, measured), which
    breaks links whose signature covers the query; a URL marked as encoded is left alone.
    """

    def __init__(
        self, *, tls: ssl.SSLContext, proxy: str, guard: bool | None, connections: int
    ) -> None:
        super().__init__(verify=tls, trust_env=False, proxy=httpx.Proxy(proxy) if proxy else None)
        self._guard = guard
        self._connections = connections

    def get_client(self) -> aiohttp.ClientSession:
        """Return the session that all requests share."""
        guard = self._guard
        connector = aiohttp.TCPConnector(
            limit=0,
            limit_per_host=self._connections,
            ssl=self.ssl_context,
            resolver=None if guard is None else PublicResolver(loopback=guard),
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            # `client.read_body` unpacks, within its limit; hashes and ranges are about a clip's own
            # bytes, and some object stores state a coding that is not there.
            auto_decompress=False,
            max_line_size=_HEADER_BYTES,
            max_field_size=_HEADER_BYTES,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request and return the reply, its body unread."""
        if not isinstance(self.client, aiohttp.ClientSession):
            self.client = self.get_client()
        proxy: dict[str, Any] = {}
        if self.proxy is not None:
            auth = aiohttp.BasicAuth(*self.proxy.auth) if self.proxy.auth else None
            proxy = {"proxy": str(self.proxy.url), "proxy_auth": auth}
        bounds = request.extensions.get("timeout", {})
        timeout = aiohttp.ClientTimeout(
            # aiohttp's `connect` includes the wait for a free connection; `sock_connect` does not.
            connect=bounds.get("pool"),
            sock_connect=bounds.get("connect"),
            sock_read=bounds.get("read"),
        )
        with map_aiohttp_exceptions():
            reply = await self.client.request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=request.headers,
                data=_data(request),
                allow_redirects=False,
                timeout=timeout,
                **proxy,
            )
        return httpx.Response(
            reply.status, headers=reply.raw_headers, stream=AiohttpResponseStream(reply)
        )


def _data(request: httpx.Request) -> Any:
    try:
        return request.content or None
    except httpx.RequestNotRead:
        # A file that is read while it is sent.
        return request.stream
