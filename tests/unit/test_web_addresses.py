"""Addresses as tables have them: almost right, wrapped, several in a cell, or those of a page."""

from __future__ import annotations

import pytest

from pipeline.web_addresses import (
    count_addresses,
    is_address,
    is_unencrypted,
    is_web_address,
    named_format,
    normal_address,
    page_behind,
    wrapped_addresses,
)

A, B = "https://a.example/1.jpg", "https://a.example/2.jpg"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("//cdn.example/A.jpg", "https://cdn.example/A.jpg"),
        ("//cdn.example:8443/A.jpg", "https://cdn.example:8443/A.jpg"),
        ("HTTPS://CDN.Example/A.JPG?X=Y#Z", "https://cdn.example/A.JPG?X=Y#Z"),
        ("https://User:Pass@CDN.example/a", "https://User:Pass@cdn.example/a"),
        ("https://a.example", "https://a.example"),
        ("https://a.example/?", "https://a.example/?"),
        ("//photos/a.jpg", "//photos/a.jpg"),
        ("photos/a.jpg", "photos/a.jpg"),
        ("ftp://A.example/a", "ftp://A.example/a"),
        ("https://[bad/a", "https://[bad/a"),
    ],
)
def test_scheme_and_host_are_the_same_in_capitals(written: str, read: str) -> None:
    """Only scheme and host are put into small letters, and what is right is not touched."""
    assert read == normal_address(written)
    assert read == normal_address(read)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (A, (1, "")),
        (f"{A},{B}", (2, ",")),
        (f"{A}|{B}|{A}", (3, "|")),
        (f"{A} ; {B}", (2, ";")),
        (f"{A}\n{B}", (2, "\n")),
        (f"{A},//a.example/2.jpg", (2, ",")),
        (f"https://cdn.example/fetch/w_300,h_300/{A}", (1, "")),
        (f"https://web.example/?url={A}", (1, "")),
        ("https://cdn.example/a,b;c.jpg", (1, "")),
        ("photos/a.jpg,photos/b.jpg", (0, "")),
    ],
)
def test_addresses_in_one_cell_are_counted(text: str, found: tuple[int, str]) -> None:
    """An address behind a slash or an equals sign belongs to the one before it."""
    assert found == count_addresses(text)


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        (f"mug.jpg ({A})", (A,)),
        (f"a, b.jpg ({A}), c.jpg ({B})", (A, B)),
        (f"![front]({A})", (A,)),
        (f'<img alt="x" src="{A}" width="3">', (A,)),
        (f'=IMAGE("{A}"; 1)', (A,)),
        (f'=HYPERLINK("{A}","front")', (A,)),
        (f"<{A}>", (A,)),
        (A, ()),
        ("mug (red).jpg", ()),
        (f"see {A}", ()),
        ("", ()),
    ],
)
def test_what_wraps_an_address_is_taken_off(cell: str, found: tuple[str, ...]) -> None:
    """Attachment cells, markdown, HTML and formulas hold an address; other text is left alone."""
    assert found == wrapped_addresses(cell)


@pytest.mark.parametrize(
    ("address", "whose"),
    [
        ("https://drive.google.com/file/d/1AbC/view?usp=sharing", "Google Drive"),
        ("https://drive.google.com/open?id=1AbC", "Google Drive"),
        ("https://drive.google.com/uc?export=download&id=1AbC", None),
        ("https://photos.app.goo.gl/abc", "Google Photos"),
        ("https://www.dropbox.com/s/abc/a.jpg?dl=0", "Dropbox"),
        ("https://www.dropbox.com/scl/fi/abc/a.jpg?rlkey=k&raw=1", None),
        ("https://1drv.ms/i/s!abc", "OneDrive"),
        ("https://shop.sharepoint.com/:i:/g/abc", "OneDrive"),
        ("https://www.icloud.com/photos/#abc", "iCloud"),
        ("https://we.tl/t-abc", "WeTransfer"),
        ("https://imgur.com/abc", "Imgur"),
        ("https://i.imgur.com/abc.jpg", None),
        ("https://github.com/o/r/blob/main/a.png", "GitHub"),
        ("https://raw.githubusercontent.com/o/r/main/a.png", None),
        ("https://commons.wikimedia.org/wiki/File:A.jpg", "Wikimedia"),
        ("https://upload.wikimedia.org/a/A.jpg", None),
        ("https://www.pinterest.co.uk/pin/123/", "Pinterest"),
        ("https://images.unsplash.com/photo-1", None),
        ("https://unsplash.com/photos/abc", "a photo site"),
        ("https://www.youtube.com/watch?v=abc", "YouTube"),
        ("https://cdn.shopify.com/s/files/a.jpg?v=1", None),
    ],
)
def test_links_to_share_show_a_page(address: str, whose: str | None) -> None:
    """The page around a file is told from the file itself, by host and path."""
    page = page_behind(address)

    assert whose == (page and page[0])
    assert page is None or page[1]


@pytest.mark.parametrize(
    ("address", "named"),
    [
        ("https://a.example/a.JPG?v=1", "jpeg"),
        ("https://a.example/a.heic", "heic"),
        ("https://a.example/a.heic?format=jpg", ""),
        ("https://res.example/f_auto/a.heic", ""),
        ("https://a.example/film.mp4", "mp4"),
        ("https://a.example/show.php?file=a.mp4", ""),
        ("https://a.example/a", ""),
        ("https://a.example/.png", "png"),
        ("https://a.example", ""),
    ],
)
def test_an_ending_names_a_format_unless_another_is_asked_for(address: str, named: str) -> None:
    """Image services hand out what the address asks for, whatever its name ends like."""
    assert named == named_format(address)


def test_what_is_an_address() -> None:
    """A text that says it is one, even where it is wrong; a path is none."""
    assert all(map(is_address, (A, "http:/x", "//a.example/b", "ftp://x")))
    assert not any(map(is_address, ("a.jpg", "//photos/a.jpg", "/w/s/a.jpg", "")))
    assert all(map(is_web_address, (A, "//a.example/b", "http://a.example")))
    assert not any(map(is_web_address, ("https://", "https://a b", "ftp://x", "https://[x/a")))
    assert is_unencrypted("http://a.example/a.jpg")
    assert not any(map(is_unencrypted, (A, "http://127.0.0.1:80/a", "http://localhost/a")))
