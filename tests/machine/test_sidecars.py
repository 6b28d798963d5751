"""A clip that is made again is told of anew; what is told of the others stays."""

from __future__ import annotations

import hashlib
import json

from tests.machine.campaign import TABLE, Campaign
from tests.machine.conftest import Callsheet


def test_a_clip_that_is_made_again_gets_a_new_sidecar(
    finished: Campaign, callsheet: Callsheet
) -> None:
    """It tells of the new clip and of the table it was made by; the other is not touched."""
    places = [clip.with_name(f"{clip.name}.json") for clip in finished.clips]
    before = [place.read_bytes() for place in places]
    (finished.folder / "cups.csv").write_text(TABLE.replace("Brera", "Burano"), "utf-8")

    code, said = callsheet(*finished.words())

    assert 0 == code, said
    kept, new = [place.read_bytes() for place in places]
    told, old = json.loads(new), json.loads(before[1])
    table = (finished.folder / "cups.csv").read_bytes()
    assert before[0] == kept
    assert "Burano" in told["prompt"]
    assert hashlib.sha256(finished.clips[1].read_bytes()).hexdigest() == told["sha256"]
    assert hashlib.sha256(table).hexdigest() == told["inputs"]["cups.csv"]
    for name in ("sha256", "key", "task"):
        assert old[name] != told[name]
    # To whoever looks for what is not Callsheet's, they are no strangers.
    for command in ("verify", "run"):
        code, said = callsheet(*finished.words(command))
        assert 0 == code, said
    assert "nothing to do: 2 items are there" in said
    assert [kept, new] == [place.read_bytes() for place in places]


def test_a_clip_that_is_not_shown_has_no_sidecar(finished: Campaign, callsheet: Callsheet) -> None:
    """Nothing is written into the store; what told of a clip that was taken out goes with it."""
    manifest = finished.folder / "cups.yaml"
    manifest.write_text(f"{manifest.read_text('utf-8')}output: {{show: approved}}\n", "utf-8")
    place = (str(manifest), "--root", str(finished.root))
    assert 0 == callsheet("approve", *place, "still[A]#1")[0]

    code, said = callsheet(*finished.words())

    assert 0 == code, said
    told = [json.loads(file.read_bytes()) for file in finished.root.rglob("*.mp4.json")]
    assert ["still[A]#1"] == [each["address"] for each in told]
    store = finished.root / ".callsheet" / "store"
    assert {".mp4"} == {file.suffix for file in store.rglob("*") if file.is_file()}
