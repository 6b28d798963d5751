"""Clips and references on disk: by content, whole, and never lost."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from pipeline.domain import Media
from pipeline.errors import MediaFault, Unusable
from pipeline.storage import blobs, fs
from pipeline.storage.blobs import Store
from pipeline.storage.fs import making, signature, writing

OLD, NEW = b"the first clip", b"the second clip"
PATIENCE_S = 60


def sha(data: bytes) -> str:
    """Return a digest in hex."""
    return hashlib.sha256(data).hexdigest()


def kept(store: Store, data: bytes) -> str:
    """Put a clip into the store and return its digest."""
    part = store.part("job")
    part.write_bytes(data)
    store.adopt(part, sha(data), "mp4")
    return sha(data)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Give a store in a root that does not exist yet."""
    return Store(tmp_path / "outputs")


def test_a_clip_is_kept_by_its_content_read_only(store: Store) -> None:
    """A whole download moves to its digest's place and cannot be written any more."""
    digest = kept(store, OLD)

    place = store.root / ".callsheet" / "store" / digest[:2] / f"{digest}.mp4"
    assert place == store.path(digest, "mp4")
    assert OLD == place.read_bytes()
    assert 0o444 == stat.S_IMODE(place.stat().st_mode)
    assert store.has(digest, "mp4")
    assert not store.has(digest, "webm")
    assert not store.part("job").exists()


def test_what_lies_beside_the_ledger_is_the_owner_s(store: Store) -> None:
    """References may be confidential: nobody else may look into the folder."""
    kept(store, OLD)

    assert 0o700 == stat.S_IMODE((store.root / ".callsheet").stat().st_mode)


def test_the_same_clip_twice_is_one_file(store: Store) -> None:
    """A second download of the same bytes replaces the first, which heals a damaged one."""
    place = store.path(kept(store, OLD), "mp4")
    place.chmod(0o644)
    place.write_bytes(b"damaged")
    kept(store, OLD)

    assert OLD == place.read_bytes()


@pytest.mark.parametrize("name", ["../../escape", "a/b", "", ".", "x" * 300, "ünïcode"])
def test_any_name_is_a_safe_part(name: str, store: Store) -> None:
    """A provider's task id may hold anything; its part stays in the folder of parts."""
    part = store.part(name)
    part.touch()

    assert store.root / ".callsheet" / "parts" == part.parent
    assert part != store.part("another")


def test_an_output_path_shows_the_clip(store: Store) -> None:
    """The clip appears at the output path, folders made, nothing else left there."""
    digest = kept(store, OLD)
    target = store.root / "spring" / "spin" / "a.mp4"

    store.copy_out(digest, "mp4", target)
    store.copy_out(digest, "mp4", target)

    assert OLD == target.read_bytes()
    assert [target] == list(target.parent.iterdir())


def test_a_clip_that_was_deleted_is_shown_again(store: Store) -> None:
    """Deleting an output loses nothing: the store has it."""
    digest = kept(store, OLD)
    target = store.root / "a.mp4"
    store.copy_out(digest, "mp4", target)
    target.unlink()

    store.copy_out(digest, "mp4", target)
    assert OLD == target.read_bytes()


def test_a_new_clip_replaces_an_old_one_which_stays_in_the_store(store: Store) -> None:
    """What stood at the path and is in the store may be replaced."""
    old, new = kept(store, OLD), kept(store, NEW)
    target = store.root / "a.mp4"
    store.copy_out(old, "mp4", target)
    store.copy_out(new, "mp4", target)

    assert NEW == target.read_bytes()
    assert OLD == store.path(old, "mp4").read_bytes()


def test_a_known_clip_whose_store_copy_is_gone_is_put_back_first(store: Store) -> None:
    """The last copy of a clip that was paid for is never overwritten."""
    new = kept(store, NEW)
    target = store.root / "a.mp4"
    target.write_bytes(OLD)

    store.copy_out(new, "mp4", target, known=lambda digest: digest == sha(OLD))

    assert NEW == target.read_bytes()
    assert OLD == store.path(sha(OLD), "mp4").read_bytes()


@pytest.mark.parametrize("what", ["file", "symlink", "dangling", "folder"])
def test_a_foreign_file_is_never_replaced(what: str, store: Store, tmp_path: Path) -> None:
    """Whatever is not a clip of ours stays, and is told."""
    digest = kept(store, NEW)
    target = store.root / "a.mp4"
    (tmp_path / "theirs").write_bytes(b"theirs")
    match what:
        case "file":
            target.write_bytes(b"theirs")
        case "symlink":
            target.symlink_to(tmp_path / "theirs")
        case "dangling":
            target.symlink_to(tmp_path / "nowhere")
        case "folder":
            target.mkdir()

    with pytest.raises(MediaFault, match="not overwritten") as caught:
        store.copy_out(digest, "mp4", target)

    assert "foreign-file" == caught.value.slug
    assert b"theirs" == (tmp_path / "theirs").read_bytes()
    assert not (target.is_file() and target.read_bytes() == NEW)


@pytest.mark.parametrize("mode", [0o644, 0o444], ids=["half", "whole"])
def test_what_a_crash_left_beside_the_target_is_cleared(mode: int, store: Store) -> None:
    """A half-made copy of a process that ended does not stay for ever."""
    digest = kept(store, OLD)
    target = store.root / "a.mp4"
    left = store.root / ".a.mp4.part"
    left.write_bytes(b"half")
    left.chmod(mode)

    store.copy_out(digest, "mp4", target)

    assert [".callsheet", "a.mp4"] == sorted(path.name for path in store.root.iterdir())


def test_what_another_process_is_making_stays_until_that_is_killed(tmp_path: Path) -> None:
    """Whoever makes the same file meanwhile has one of their own; then the name is free again."""
    part = tmp_path / "a.part"
    program = f"""
from pathlib import Path
from pipeline.storage.fs import making
with making(Path({str(part)!r})) as new:
    new.write_bytes(b"theirs")
    print(new, flush=True)
    input()
"""
    words = [sys.executable, "-c", program]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert f"{part}\n" == other.stdout.readline()

        with making(part) as own:
            assert (tmp_path / "a.par1", b"theirs") == (own, part.read_bytes())
        assert [part] == list(tmp_path.iterdir())
        other.kill()
        other.wait()

    with making(part) as own:
        assert (part, b"") == (own, part.read_bytes())
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("what", ["copied out", "put into the store"])
def test_two_that_make_the_same_file_do_not_meet(
    what: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One is whole while the other is half-way: the file is whole at every moment, and both end."""
    digest, target = sha(OLD), store.root / "a.mp4"
    act: Callable[[], object]
    if what == "copied out":
        act, made = partial(store.copy_out, kept(store, OLD), "mp4", target), target
    else:
        store.root.mkdir()
        target.write_bytes(OLD)
        act, made = partial(store.keep_clip, target, digest, "mp4"), store.path(digest, "mp4")
    main, half, go = threading.current_thread(), threading.Event(), threading.Event()
    copy_clip, ioctl = fs.copy_clip, fcntl.ioctl

    def copy(source: Path, new: Path, sha256: str) -> bool:
        whole = copy_clip(source, new, sha256)
        if threading.current_thread() is main:
            others.append(pool.submit(act))
            assert half.wait(PATIENCE_S)
        return whole

    def stop_half_way(new: int, request: int, old: int) -> int:
        # Before a byte is written, it is asked for a reflink.
        if threading.current_thread() is not main:
            half.set()
            assert go.wait(PATIENCE_S)
        return ioctl(new, request, old)

    monkeypatch.setattr(blobs, "copy_clip", copy)
    monkeypatch.setattr(fcntl, "ioctl", stop_half_way)
    others: list[Future[object]] = []
    with ThreadPoolExecutor() as pool:
        try:
            act()
            between = made.read_bytes()
        finally:
            go.set()
        others[0].result()

    assert (OLD, OLD) == (between, made.read_bytes())
    assert [made.name] == [path.name for path in made.parent.iterdir() if path.is_file()]
    assert [] == list(store.part("x").parent.iterdir())


def test_two_that_take_out_the_same_copy_both_find_it_gone(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one is faster at the last moment."""
    digest, target = kept(store, OLD), store.root / "a.mp4"
    store.copy_out(digest, "mp4", target)
    looks: list[str] = []

    def look(found: os.stat_result) -> str:
        looks.append(signature(found))
        if len(looks) == 2:
            assert store.take_out(target, digest)
        return looks[-1] if len(looks) < 3 else looks[0]

    monkeypatch.setattr(blobs, "signature", look)

    assert store.take_out(target, digest)
    assert not target.exists()


def reference(path: Path, data: bytes) -> Media:
    """Return a local reference as the plan saw it."""
    return Media(
        media_type="image", source=str(path), local=True, digest=sha(data), bytes=len(data)
    )


def test_a_reference_is_kept_as_it_was_planned(store: Store, tmp_path: Path) -> None:
    """A copy by digest serves every later upload, even when the file is gone."""
    source = tmp_path / "front.png"
    source.write_bytes(b"pixels")
    media = reference(source, b"pixels")

    place = store.keep_asset(media)
    source.unlink()

    assert place == store.keep_asset(media) == store.asset(media.digest)
    assert b"pixels" == place.read_bytes()
    assert 0o444 == stat.S_IMODE(place.stat().st_mode)
    assert [place] == list(place.parent.iterdir())


def test_a_reference_that_changed_since_the_plan_is_refused(store: Store, tmp_path: Path) -> None:
    """Bytes that were not checked and priced are not sent."""
    source = tmp_path / "front.png"
    source.write_bytes(b"other pixels")
    media = reference(source, b"pixels")

    with pytest.raises(MediaFault, match="changed after it was checked") as caught:
        store.keep_asset(media)

    assert "media-changed" == caught.value.slug
    assert [] == list(store.asset("x").parent.iterdir())


def test_a_reference_that_is_gone_is_told(store: Store, tmp_path: Path) -> None:
    """A file that cannot be read is a fault of the file, not of the disk."""
    with pytest.raises(MediaFault) as caught:
        store.keep_asset(reference(tmp_path / "gone.png", b""))

    assert "missing-file" == caught.value.slug


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "make room"),
        (errno.EDQUOT, "make room"),
        (errno.EROFS, "--root"),
        (errno.EACCES, "--root"),
        (errno.EMFILE, "ulimit"),
        (errno.EIO, "check it"),
        (errno.EBUSY, "see to it"),
    ],
)
def test_a_disk_that_does_not_allow_it_says_what_to_do(number: int, advice: str) -> None:
    """Full, read-only, broken: the path, the reason and the way out, in one sentence."""
    with pytest.raises(Unusable, match=rf"cannot write /x: .*{advice}"), writing(Path("/x")):
        raise OSError(number, os.strerror(number))


def test_a_root_that_is_a_file_is_unusable(tmp_path: Path) -> None:
    """A store that cannot be made is told as such."""
    (tmp_path / "outputs").write_bytes(b"")

    with pytest.raises(Unusable, match="cannot write"):
        Store(tmp_path / "outputs").part("x")
