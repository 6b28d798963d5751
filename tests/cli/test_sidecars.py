"""A sidecar beside each clip: the same bytes wherever it is written, and nobody's file is lost."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pipeline.schemas import schema
from tests.cli import edits
from tests.processes import run_callsheet

MACHINES: tuple[Mapping[str, str], ...] = (
    {"PYTHONHASHSEED": "1", "TZ": "Asia/Kathmandu", "LC_ALL": "C"},
    {"PYTHONHASHSEED": "4711", "TZ": "America/St_Johns", "LC_ALL": "tr_TR.UTF-8"},
)
MINE = b'{"rating": 5}'


@pytest.fixture
def shop(finished: Path, tmp_path: Path) -> Path:
    """Return a copy of the finished campaign: to read from, not to work in."""
    return shutil.copytree(finished, tmp_path / "shop")


def _clips(shop: Path) -> list[Path]:
    return sorted((shop / "outputs" / "shop").rglob("*.mp4"))


def _sidecar(clip: Path) -> Path:
    return clip.with_name(f"{clip.name}.json")


def _told(clip: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_sidecar(clip).read_bytes())
    return found


def test_each_clip_tells_what_it_is_and_how_it_was_made(finished: Path) -> None:
    """Its sidecar is valid, of its bytes, and has what the provider got and what it cost."""
    validator = jsonschema.Draft202012Validator(schema("sidecar"))
    told = {}
    for clip in _clips(finished):
        found = _told(clip)
        assert [] == [fault.message for fault in validator.iter_errors(found)]
        assert hashlib.sha256(clip.read_bytes()).hexdigest() == found["sha256"]
        told[found["address"]] = found

    assert set(edits.ALL) == set(told)
    spin, frame = told["spin[A]#1"], told["open[calm]#1"]
    photo = hashlib.sha256((finished / "photos" / "A.jpg").read_bytes()).hexdigest()
    (front,) = spin["references"]
    (first,) = frame["references"]
    assert ("front", "image", "the cup") == (front["name"], front["role"], front["say"])
    assert [{"file": "A.jpg", "sha256": photo, "done": []}] == front["media"]
    (medium,) = first["media"]
    assert ("A.jpg", photo, 1) == (medium["file"], medium["sha256"], len(medium["done"]))
    assert "turns slowly in a warm mood" in spin["prompt"]
    assert "@front" not in spin["prompt"]
    assert (5, "runware", "reported") == (
        spin["settings"]["duration"],
        spin["provider"],
        spin["cost"]["source"],
    )
    assert 0 < spin["cost"]["usd"] < 1
    assert spin["task"]
    files = {"cups.csv", "house.yaml", "shop.yaml"}
    assert {
        name: hashlib.sha256((finished / name).read_bytes()).hexdigest() for name in files
    } == spin["inputs"]


def test_the_same_bytes_from_any_machine(finished: Path, shop: Path) -> None:
    """Hash seed, time zone, locale and folder change no byte; `report` writes what is missing."""
    first = [_sidecar(clip).read_bytes() for clip in _clips(finished)]
    assert len(edits.ALL) == len(first)

    for machine in MACHINES:
        for clip in _clips(shop):
            _sidecar(clip).unlink()
        subprocess.run(
            [sys.executable, "-m", "pipeline", "report", "shop.yaml"],
            env={**os.environ, **machine},
            cwd=shop,
            capture_output=True,
            check=True,
            timeout=120,
        )

        assert first == [_sidecar(clip).read_bytes() for clip in _clips(shop)]


def test_only_what_is_a_sidecar_of_another_clip_is_replaced(shop: Path) -> None:
    """What a person has under that name stays: a file, a link, a sidecar with a note in it."""
    clips = {_told(clip)["address"]: clip for clip in _clips(shop)}
    places = {address: _sidecar(clip) for address, clip in clips.items()}
    before = {address: place.read_bytes() for address, place in places.items()}
    mine, noted, linked, other, emptied, moved = edits.ALL
    places[mine].write_bytes(MINE)
    note = json.dumps({**json.loads(before[noted]), "note": "for the shop"}).encode()
    places[noted].write_bytes(note)
    places[linked].unlink()
    places[linked].symlink_to("nowhere")
    # As after a loss of power, and as when a clip was replaced by another.
    places[emptied].write_bytes(b"")
    places[other].write_bytes(before[linked])
    # A clip that a person has moved away needs none.
    clips[moved].unlink()
    places[moved].unlink()

    done = run_callsheet(["report", "shop.yaml"], folder=shop)

    assert 0 == done.returncode, done.stdout + done.stderr
    assert (MINE, note) == (places[mine].read_bytes(), places[noted].read_bytes())
    assert places[linked].is_symlink()
    assert not places[linked].exists()
    assert not places[moved].exists()
    for address in (other, emptied):
        assert before[address] == places[address].read_bytes()
    assert [] == list((shop / "outputs" / "shop").rglob(".*.part"))
