"""Web addresses as tables have them: almost right, wrapped, several in a cell, or those of a page.

Nothing is fetched: what an address gives is known when a provider asks for it, and then the clip
is paid for. So what its text shows is said before.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from pipeline.errors import MediaFault

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
MAX_ADDRESS = 2_048
BEGINNING = "it begins with https://"
UNENCRYPTED = "write https://, or save the file beside the table: no provider has to fetch http://"
_WEB = re.compile(r"https?:", re.IGNORECASE)
# A host has a dot in its name: `//photos/a.jpg` is a path.
_WITHOUT_SCHEME = re.compile(r"//(?:[\w-]+\.)+[\w-]+(?::\d+)?(?:/|$)")
# Behind a slash or an equals sign an address belongs to the one before it, as that of its origin.
_NEXT = re.compile(r"\s*([,;|\s])\s*(?=(?:https?:)?//)", re.IGNORECASE)
_ADDRESS = r"(?P<address>(?:https?:)?//[^\s()<>\"']+)"
# How table tools, web pages and spreadsheets write an address that they show as something else.
_WRAPPERS = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"[^()\n]*? ?\({_ADDRESS}\)",
        rf"!?\[[^\]\n]*\]\({_ADDRESS}\)",
        rf"<img\b[^<>]*?\bsrc=[\"']{_ADDRESS}[\"'][^<>]*>",
        rf"=(?:IMAGE|HYPERLINK)\(\"{_ADDRESS}\"[^()]*\)",
        rf"<{_ADDRESS}>",
    )
)
_BETWEEN = re.compile(r"\s*[,;|]?\s*")


def is_address(text: str) -> bool:
    """Tell whether a text is meant as a web address: it says so, or begins with `//host.name/`."""
    return "://" in text or bool(_WEB.match(text) or _WITHOUT_SCHEME.match(text))


def normal_address(text: str) -> str:
    """Return an address with its scheme, and scheme and host in small letters (RFC 3986, 6.2.2).

    `normal_address("//CDN.example/A.jpg")` is `https://cdn.example/A.jpg`; what is no web address
    comes back as it is, and so does what needs nothing.
    """
    if _WITHOUT_SCHEME.match(text):
        text = f"https:{text}"
    try:
        parts = urlsplit(text)
    except ValueError:
        return text
    user, at, host = parts.netloc.rpartition("@")
    # A user's name before the host keeps its case: there it counts.
    netloc = f"{user}{at}{host.lower()}"
    # One that is right already is not put together anew: its key in the ledger is its text.
    if parts.scheme not in {"http", "https"} or text.startswith(f"{parts.scheme}://{netloc}"):
        return text
    return urlunsplit(parts._replace(netloc=netloc))


def is_web_address(text: str) -> bool:
    """Tell whether a text is the address of something on the web, whole and without spaces."""
    try:
        parts = urlsplit(normal_address(text))
        web = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        return False
    return (
        web and len(text) <= MAX_ADDRESS and not re.search(r"[\x00-\x20\x7f\x85\u2028\u2029]", text)
    )


def is_loopback(host: str) -> bool:
    """Tell whether a host as written in a URL is this machine."""
    address = literal_address(host)
    return host.lower() == "localhost" if address is None else address.is_loopback


def literal_address(host: str) -> IpAddress | None:
    """Return the IP address that a host is written as; None for a name."""
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


def is_unencrypted(text: str) -> bool:
    """Tell whether an address is http: and leads away from this machine."""
    with suppress(ValueError):
        parts = urlsplit(text)
        # On this machine nobody can listen in.
        return parts.scheme == "http" and not is_loopback(parts.hostname or "")
    return False


def count_addresses(text: str) -> tuple[int, str]:
    """Return how many addresses stand in a text one after another, and what parts the first two.

    `count_addresses("https://a.example/1.jpg|https://a.example/2.jpg")` is `(2, "|")`.
    """
    if not is_address(text):
        return 0, ""
    found = _NEXT.findall(text)
    return 1 + len(found), found[0] if found else ""


def wrapped_addresses(text: str) -> tuple[str, ...]:
    """Return the addresses in a cell that wraps each in something else; none where it does not.

    Of `mug.jpg (https://a.example/1.jpg),cup.jpg (https://a.example/2.jpg)` it is these two.
    """
    found: list[str] = []
    place = 0
    while place < len(text):
        match = next(filter(None, (wrap.match(text, place) for wrap in _WRAPPERS)), None)
        if match is None:
            return ()
        found.append(match["address"])
        between = _BETWEEN.match(text, match.end())
        place = between.end() if between else match.end()
    return tuple(found)


def only_address(text: str, wrapped: Sequence[str], media_type: str) -> str:
    """Return the one web address in a text; MediaFault where there is none, or are several."""
    count, separator = (len(wrapped), ",") if wrapped else count_addresses(text)
    if count > 1:
        hint = (
            f"take one of them, as with {{list: {media_type}, separator: '{separator}'}} for the"
            " column and | first in the template"
        )
        raise MediaFault("wrong-media", f"{text!r} holds {count} addresses", hint)
    url = normal_address(wrapped[0] if wrapped else text)
    if not is_web_address(url):
        raise MediaFault("wrong-media", f"{url!r} is no web address", BEGINNING)
    if is_unencrypted(url):
        raise MediaFault("wrong-media", f"{url!r} begins with http://", UNENCRYPTED)
    return url


_DRIVE = "write https://drive.google.com/uc?export=download&id=ID, with the ID of the link"
_WIKIMEDIA = "write https://commons.wikimedia.org/wiki/Special:FilePath/NAME"
_SAVE = "save the file beside the table, or give the address of the file itself"
# Where people keep and find files → whose links show a page, and the form that gives the file.
_PAGES: tuple[tuple[re.Pattern[str], str, str], ...] = tuple(
    (re.compile(f"https?://(?:www\\.)?{pattern}"), whose, form)
    for pattern, whose, form in (
        (r"drive\.google\.com/(?:file/|open\b)", "Google Drive", _DRIVE),
        (r"(?:drive\.google\.com/drive|docs\.google\.com)\b", "Google Drive", _SAVE),
        (r"photos\.(?:google\.com|app\.goo\.gl)/", "Google Photos", _SAVE),
        # With raw=1 or dl=1 the link gives the file itself.
        (r"dropbox\.com/(?!.*[?&](?:raw|dl)=1\b)", "Dropbox", "write raw=1 in place of dl=0"),
        (r"(?:1drv\.ms|onedrive\.live\.com|[\w-]+\.sharepoint\.com)/", "OneDrive", _SAVE),
        (r"(?:share\.)?icloud\.com/", "iCloud", _SAVE),
        (r"(?:wetransfer\.com|we\.tl)/", "WeTransfer", _SAVE),
        (r"(?:[\w-]+\.)*box\.com/s/", "Box", _SAVE),
        (r"imgur\.com/(?:a|gallery)/", "Imgur", _SAVE),
        (r"imgur\.com/\w+$", "Imgur", "write https://i.imgur.com/ID.jpg, with the ID of the link"),
        (r"github\.com/[^/]+/[^/]+/blob/(?!.*[?&]raw=)", "GitHub", "write raw in place of blob"),
        (r"gitlab\.com/.+/-/blob/", "GitLab", "write raw in place of blob"),
        (r"(?:commons\.wikimedia|[a-z]+\.wikipedia)\.org/wiki/\w+:", "Wikimedia", _WIKIMEDIA),
        (r"(?:unsplash|pexels|pixabay|flickr)\.com/(?:[a-z-]+/)?photos?/", "a photo site", _SAVE),
        (r"(?:instagram\.com/(?:p|reel)|facebook\.com)/", "a social network", _SAVE),
        (r"(?:[a-z]+\.)?pinterest\.[a-z.]+/pin/", "Pinterest", _SAVE),
        (r"(?:canva\.com/design|figma\.com|notion\.so|airtable\.com)/", "a web tool", _SAVE),
        (r"(?:youtube\.com/(?:watch|shorts)|youtu\.be/)", "YouTube", _SAVE),
        (r"(?:vimeo\.com/\d+|tiktok\.com/@)", "a video site", _SAVE),
    )
)
_ENDINGS: Mapping[str, str] = {
    **dict.fromkeys(("jpg", "jpeg", "jfif"), "jpeg"),
    **dict.fromkeys(("tif", "tiff"), "tiff"),
    **dict.fromkeys(("heic", "heif"), "heic"),
    **dict.fromkeys(("htm", "html"), "html"),
    **dict.fromkeys(("mp4", "m4v"), "mp4"),
    **{
        ending: ending
        for ending in (
            *("png", "webp", "gif", "avif", "bmp", "svg", "psd", "eps", "dng"),
            *("mov", "webm", "avi", "mkv", "pdf", "zip"),
        )
    },
}
# Image services hand out another format than the name's where the address asks for it.
_CONVERTS = re.compile(r"(?:^|[/,])f_(?:auto|jpg|png)\b")
_ASKED = frozenset({"format", "fm", "f", "output", "auto"})


@lru_cache(maxsize=20_000)  # an address is that of all cells and takes of its row
def page_behind(address: str) -> tuple[str, str] | None:
    """Return whose link to share an address is, and what to write instead; None for any other."""
    for pattern, whose, form in _PAGES:
        if pattern.match(address):
            return whose, form
    return None


@lru_cache(maxsize=20_000)
def named_format(address: str) -> str:
    """Return the format that an address ends like, such as `heic`; empty where it names none."""
    parts = urlsplit(address)
    name, dot, ending = parts.path.rpartition(".")
    asked = any(key.lower() in _ASKED for key, _ in parse_qsl(parts.query))
    if not name or not dot or asked or _CONVERTS.search(parts.path):
        return ""
    return _ENDINGS.get(ending.lower(), "")
