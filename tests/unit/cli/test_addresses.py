"""Where keys come from."""

from __future__ import annotations

from pathlib import Path

from pipeline.api.credentials import environment


def test_a_key_file_is_read_as_editors_write_it(tmp_path: Path) -> None:
    """A byte order mark, a Windows line end, quotes and `export` are no part of name or key."""
    keys = tmp_path / "keys.env"
    keys.write_bytes(b"\xef\xbb\xbfRUNWARE_API_KEY=one\r\n# no\r\nexport EVOLINK_API_KEY='two'\r\n")

    read = environment({}, keys)

    assert {"RUNWARE_API_KEY": "one", "EVOLINK_API_KEY": "two"} == read
