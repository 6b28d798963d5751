"""A store that several machines share: what one pushed another pulls, and nothing is bought."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer

from pipeline.domain import Media
from pipeline.errors import MediaFault, Unusable
from pipeline.storage.blobs import Store
from pipeline.storage.object_store import SharedStore
from tests.machine.campaign import Campaign
from tests.machine.conftest import Callsheet
from tests.sandboxes import Sandbox

BUCKET = "campaigns"


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """Return the address of an S3 server on loopback."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["folder", "s3"])
def shared(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the address of an empty shared store: a folder, or a bucket on a real S3 server."""
    if request.param == "folder":
        return str(tmp_path / "shared")
    endpoint = request.getfixturevalue("s3")
    keys = {"AWS_ACCESS_KEY_ID": "invented", "AWS_SECRET_ACCESS_KEY": "invented"}
    more = {"AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": "true", "AWS_REGION": "us-east-1"}
    for name, value in {**keys, **more}.items():
        monkeypatch.setenv(name, value)
    bucket = f"{BUCKET}-{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:12]}"
    _client(endpoint).create_bucket(Bucket=bucket)
    return f"s3://{bucket}/spring"


def _client(endpoint: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id="invented",
        aws_secret_access_key="invented",
    )


def clone(campaign: Campaign, folder: Path) -> Campaign:
    """Return the campaign as a colleague has it out of Git: manifest, table and lock file."""
    if not (campaign.folder / ".git").is_dir():
        _git(campaign.folder, "init")
        _git(campaign.folder, "add", "cups.yaml", "cups.csv", "cups.lock.yaml")
        _git(campaign.folder, "commit", "-m", "made in June")
    _git(folder.parent, "clone", str(campaign.folder), folder.name)
    return Campaign(folder, campaign.address)


def _git(folder: Path, *words: str) -> None:
    identity = ("-c", "user.name=ann", "-c", "user.email=ann@example.org")
    subprocess.run(["git", *identity, *words], cwd=folder, capture_output=True, check=True)


def place(campaign: Campaign) -> tuple[str, ...]:
    """Return the words that say which campaign, in which root."""
    return (str(campaign.folder / "cups.yaml"), "--root", str(campaign.root))


def digests(campaign: Campaign) -> dict[str, str]:
    """Return the SHA-256 of each clip at its output path."""
    return {
        str(clip.relative_to(campaign.root)): hashlib.sha256(clip.read_bytes()).hexdigest()
        for clip in campaign.clips
    }


def test_the_s3_server_refuses_a_second_conditional_put(s3: str) -> None:
    """The witness is strict: what exists already is answered with 412."""
    client = _client(s3)
    client.create_bucket(Bucket="strict")
    client.put_object(Bucket="strict", Key="a", Body=b"one", IfNoneMatch="*")

    with pytest.raises(ClientError) as refused:
        client.put_object(Bucket="strict", Key="a", Body=b"two", IfNoneMatch="*")

    assert 412 == refused.value.response["ResponseMetadata"]["HTTPStatusCode"]
    assert b"one" == client.get_object(Bucket="strict", Key="a")["Body"].read()


def test_another_machine_has_the_same_bytes_for_nothing(
    finished: Campaign,
    callsheet: Callsheet,
    sandbox: Sandbox,
    tmp_path: Path,
    shared: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A pushes; B, with a home of its own and no key, pulls and runs the lock: the same digests.

    No request is sent, and `verify` fails by name after one byte has changed.
    """
    assert 0 == callsheet("store", "push", *place(finished), shared)[0]
    code, printed = callsheet("store", "push", *place(finished), shared)
    assert (0, True) == (code, "0 clips pushed, 2 there already" in printed)
    other = clone(finished, tmp_path / "b")
    before = sandbox.ledger()
    for name in ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "home-of-ben"))
    monkeypatch.delenv("RUNWARE_API_KEY")

    code, printed = callsheet("store", "pull", *place(other), shared)
    assert (0, True) == (code, "2 clips pulled" in printed), printed
    code, printed = callsheet("run", *place(other), "--locked")

    assert 0 == code, printed
    assert digests(finished) == digests(other)
    assert before == sandbox.ledger()
    for campaign in (finished, other):
        assert 0 == callsheet("verify", *place(campaign))[0]
    clip = other.clips[0]
    content = bytearray(clip.read_bytes())
    content[len(content) // 2] ^= 1
    clip.chmod(0o600)
    clip.write_bytes(content)
    code, printed = callsheet("verify", *place(other))
    assert 15 == code
    assert "still[" in printed


def test_what_is_wrong_is_named(finished: Campaign, callsheet: Callsheet, tmp_path: Path) -> None:
    """A damaged clip is not pushed, one that is missing is named, and nothing is overwritten."""
    shared = tmp_path / "shared"
    whole, damaged = sorted((finished.root / ".callsheet" / "store").glob("*/*"))
    damaged.chmod(0o600)
    damaged.write_bytes(damaged.read_bytes()[::-1])
    code, printed = callsheet("store", "push", *place(finished), str(shared))
    assert (15, True) == (code, "damaged, and not pushed: still[" in printed)

    other = clone(finished, tmp_path / "b")
    code, printed = callsheet("store", "pull", *place(other), str(shared))
    assert (10, True) == (code, f"not in {shared}: still[" in printed)
    (there,) = shared.glob("*/*")
    assert there.name == whole.name
    there.chmod(0o600)
    there.write_bytes(b"something else")
    code, printed = callsheet("store", "push", *place(finished), str(shared))
    assert (12, True) == (code, "move it away, then push again" in printed)
    assert b"something else" == there.read_bytes()
    third = clone(finished, tmp_path / "c")
    code, printed = callsheet("store", "pull", *place(third), str(shared))
    assert (12, True) == (code, "is damaged" in printed)
    assert not list((third.root / ".callsheet" / "store").glob("*/*"))


def test_an_address_with_a_password_is_refused(finished: Campaign, callsheet: Callsheet) -> None:
    """It would stand in logs and in the shell's history; what is said does not quote it."""
    code, printed = callsheet("store", "push", *place(finished), "s3://ann:secret@campaigns/spring")

    assert (12, True) == (code, "no user and no password" in printed)
    assert "secret" not in printed


def test_a_rehearsal_is_never_shared(
    campaign: Campaign, callsheet: Callsheet, tmp_path: Path
) -> None:
    """Neither its clips, nor a root that was made by one."""
    manifest = str(campaign.folder / "cups.yaml")

    code, printed = callsheet("store", "push", manifest, "--rehearse", str(tmp_path / "shared"))

    assert (3, True) == (code, "a rehearsal's clips" in printed)
    assert not (tmp_path / "shared").exists()


def test_a_reference_comes_from_the_store_where_its_file_is_not(
    shared: str, tmp_path: Path
) -> None:
    """The driver puts it there as it was planned; a node has its bytes, and asks for no path.

    What was not found as it was planned is the same finding as where the file is at hand.
    """
    photo = tmp_path / "cup.png"
    photo.write_bytes(b"a photo")
    digest = hashlib.sha256(b"a photo").hexdigest()
    medium = Media(media_type="image", source=str(photo), local=True, digest=digest)
    driver, store = Store(tmp_path / "driver"), SharedStore(shared, make=True)
    store.require_writable()
    for _ in range(2):
        store.push_reference(driver.keep_asset(medium), digest)
    photo.write_bytes(b"another one")
    node = Store(tmp_path / "node", SharedStore(shared).copy_reference)

    assert b"a photo" == node.keep_asset(medium).read_bytes()
    other = Media(media_type="image", source=str(photo), local=True, digest="0" * 64)
    for each in (driver, node):
        with pytest.raises(MediaFault, match="after it was checked") as changed:
            each.keep_asset(other)
        assert "media-changed" == changed.value.slug


def test_a_clip_goes_through_the_store_with_its_still(shared: str, tmp_path: Path) -> None:
    """Also where several bring the same one at once: each finds it whole, and nothing is left."""
    content = bytes(range(256)) * 4096
    sha256 = hashlib.sha256(content).hexdigest()
    (tmp_path / "clip.mp4").write_bytes(content)
    node, root = Store(tmp_path / "node"), Store(tmp_path / "root")
    assert node.keep_clip(tmp_path / "clip.mp4", sha256, "mp4")
    node.poster(sha256).parent.mkdir(parents=True)
    node.poster(sha256).write_bytes(b"a still")
    store = SharedStore(shared, make=True)
    assert not store.give_clip(root, sha256, "mp4")
    store.take_clip(node, sha256, "mp4")
    node.delete(node.path(sha256, "mp4"))
    # Another task has brought the same bytes, and found them dropped.
    store.take_clip(node, sha256, "mp4")

    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: store.give_clip(root, sha256, "mp4"), range(16)))

    assert [True] * 16 == found
    assert content == root.path(sha256, "mp4").read_bytes()
    assert b"a still" == root.poster(sha256).read_bytes()
    assert not list(root.part("any").parent.iterdir())


def test_an_object_with_other_bytes_is_damaged(tmp_path: Path) -> None:
    """It is no finding of the item: the store is at fault, and that ends the run."""
    (tmp_path / "shared" / "assets").mkdir(parents=True)
    (tmp_path / "shared" / "assets" / ("0" * 64)).write_bytes(b"something else")
    medium = Media(media_type="image", source="cup.png", local=True, digest="0" * 64)
    node = Store(tmp_path / "node", SharedStore(str(tmp_path / "shared")).copy_reference)

    with pytest.raises(Unusable, match="is damaged"):
        node.keep_asset(medium)


def test_a_run_puts_back_what_the_root_lacks(
    finished: Campaign,
    callsheet: Callsheet,
    sandbox: Sandbox,
    shared: str,
) -> None:
    """Whoever began a run on a cluster may have died before the clips came: the next run has them.

    Nothing is asked of a provider; without the store they are missed, and bought by nobody.
    """
    before, sent = digests(finished), sandbox.ledger()
    assert 0 == callsheet("store", "push", *place(finished), shared)[0]
    for clip in [*finished.clips, *Store(finished.root).clips()]:
        clip.unlink()
    words = ("run", *place(finished), "--yes")
    assert 15 == callsheet(*words)[0]
    (finished.folder / "callsheet.toml").write_text(f'root = "root"\nstore = "{shared}"\n', "utf-8")
    assert 15 == callsheet(*words, "--store", "")[0]

    code, printed = callsheet(*words)

    assert (0, True) == (code, "put back from the shared store: 2 clips" in printed), printed
    assert before == digests(finished)
    assert sent == sandbox.ledger()
    code, printed = callsheet(*words)
    assert (0, True) == (code, "nothing to do: 2 items are there" in printed)
