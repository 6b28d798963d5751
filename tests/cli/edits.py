"""A finished campaign, and edits of it: what a person does to a manifest between two runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from PIL import Image

MANIFEST = """\
callsheet: 1
name: shop
extends: [house.yaml]
vars: {season: spring}
tables: {cups: {file: cups.csv, key: sku, as: cup}}
defaults: {provider: [runware], aspect_ratio: "9:16"}
bundles:
  look: {images: {front: {file: "{{ cup.photo }}", say: the cup}}}
shots:
  - id: tag
    for: cups
    prompt: "{{ cup.name }} for {{ cup.price }} euro in {{ vars.season }} light, no text."
  - id: spin
    for: cups
    use: [look]
    aspect_ratio: auto
    prompt: "@front turns slowly in a {{ vars.mood }} mood, no text."
  - id: open
    references: {frames: {first: photos/A.jpg, fit: crop}}
    prompt: "The picture comes alive, {{ variant.mood }}, no text."
    variants: {matrix: {mood: [calm, bold]}}
profiles: {draft: {overrides: {mode: pro}}}
budget: {limit: 40 USD}
"""
HOUSE = """\
vars: {mood: warm}
defaults: {duration: 5}
"""
TABLE = """\
sku,name,price,stock,photo
A,Alba,12,7,photos/A.jpg
B,Brera,15,9,photos/B.jpg
"""
TAGS = ("tag[A]#1", "tag[B]#1")
SPINS = ("spin[A]#1", "spin[B]#1")
OPENS = ("open[calm]#1", "open[bold]#1")
ALL = (*TAGS, *SPINS, *OPENS)

SPIN = "  - id: spin\n    for: cups\n"
"""How a shot begins, to write more into it."""
Act = Callable[[Path], None]


def write_shop(folder: Path) -> None:
    """Write the campaign: a manifest on a base, a table, two photos."""
    (folder / "photos").mkdir(parents=True)
    for name, text in (("shop.yaml", MANIFEST), ("house.yaml", HOUSE), ("cups.csv", TABLE)):
        (folder / name).write_text(text, "utf-8")
    for sku, colour in (("A", "red"), ("B", "blue"), ("C", "green")):
        write_photo(folder / f"photos/{sku}.jpg", colour)


def write_photo(path: Path, colour: str, comment: str = "from the studio") -> None:
    """Write a photo; another comment gives other bytes of the same length."""
    Image.new("RGB", (800, 1000), colour).save(path, "JPEG", comment=comment.encode())


def swap(old: str, new: str, file: str = "shop.yaml") -> Act:
    """Return an edit that puts one text in place of another, once, in a file."""

    def act(folder: Path) -> None:
        text = (folder / file).read_text("utf-8")
        assert old in text, old
        (folder / file).write_text(text.replace(old, new, 1), "utf-8")

    return act


def write(file: str, text: str) -> Act:
    """Return an edit that writes a file anew."""

    def act(folder: Path) -> None:
        (folder / file).write_text(text, "utf-8")

    return act


def both(*acts: Act) -> Act:
    """Return an edit of several."""

    def act(folder: Path) -> None:
        for each in acts:
            each(folder)

    return act


def rename_photo(folder: Path) -> None:
    """Give the photo of A another name, on the disk and in the table."""
    (folder / "photos/A.jpg").rename(folder / "photos/alba.jpg")
    for file in ("cups.csv", "shop.yaml"):
        swap("photos/A.jpg", "photos/alba.jpg", file)(folder)


def touch_photo(folder: Path) -> None:
    """Make the photo of A a new file of the same bytes."""
    path = folder / "photos/A.jpg"
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content)
    os.utime(path, (1, 1))


def retouch_photo(folder: Path) -> None:
    """Change the bytes of the photo of A, and neither its size nor its time."""
    path = folder / "photos/A.jpg"
    before = path.stat()
    write_photo(path, "red", "from the street")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)


def lay_out_at(folder: str) -> Act:
    """Return an edit that gives the clips of `spin` another path."""
    path = f"{folder}{{{{ row_key }}}}.{{{{ ext }}}}"
    return swap(SPIN, f'{SPIN}    output: {{path: "{path}"}}\n')


def nothing(folder: Path) -> None:
    """Leave the files as they are: something else is another."""
    del folder


@dataclass(frozen=True, kw_only=True)
class Why:
    """What `why` says of one item: the part, what it was and is, and where it is written."""

    address: str
    part: str
    old: str
    new: str
    place: str
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class Edit:
    """An edit, what each item's class is after it, and what `why` says of one."""

    name: str
    act: Act = nothing
    profile: str | None = None
    overrides: tuple[str, ...] = ()
    other_library: bool = False
    """Pictures that are made to fit come out with other bytes."""
    classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Addresses by class; of all others nothing is said but `nothing`."""
    orphaned: tuple[str, ...] = ()
    why: Why | None = None
    """A changed part, where something is bought again."""
    beside: Why | None = None
    """What is another and in no key."""


AGAIN, BUYS, LAID = "buys_again", "buys", "lays_out_again"

EDITS = (
    Edit(name="nothing at all"),
    Edit(name="white space", act=swap("shots:\n", "\n\nshots:   \n")),
    Edit(name="a comment", act=swap("shots:\n", "# what the client wants\nshots:\n")),
    Edit(name="space at the end of a prompt", act=swap('light, no text."', 'light, no text.  "')),
    Edit(
        name="rows reordered",
        act=write("cups.csv", "\n".join([*TABLE.splitlines()[::2], TABLE.splitlines()[1], ""])),
    ),
    Edit(
        name="columns reordered",
        act=write(
            "cups.csv",
            "photo,sku,stock,name,price\nphotos/A.jpg,A,7,Alba,12\nphotos/B.jpg,B,9,Brera,15\n",
        ),
    ),
    Edit(
        name="a column renamed",
        act=both(swap("sku,name", "sku,title", "cups.csv"), swap("cup.name", "cup.title")),
    ),
    Edit(
        name="a photo's file renamed",
        act=rename_photo,
        beside=Why(
            address="spin[A]#1",
            part="references",
            detail="image 1",
            old="@front A.jpg",
            new="@front alba.jpg",
            place="cups.csv:2, column photo",
        ),
    ),
    Edit(
        name="a reference renamed",
        act=both(swap("front: {file", "face: {file"), swap("@front", "@face")),
        beside=Why(
            address="spin[A]#1",
            part="references",
            detail="image 1",
            old="@front A.jpg",
            new="@face A.jpg",
            place="cups.csv:2, column photo",
        ),
    ),
    Edit(name="a bundle renamed", act=both(swap("  look:", "  cup:"), swap("[look]", "[cup]"))),
    Edit(name="a tag", act=swap(SPIN, f"{SPIN}    tags: [hero]\n")),
    Edit(
        name="how many at once",
        act=swap("budget:", "providers: {runware: {concurrency: 2}}\nbudget:"),
    ),
    Edit(name="the limit", act=swap("40 USD", "60 USD")),
    Edit(
        name="another provider",
        act=swap("[runware]", "[inference, runware]"),
        beside=Why(address="tag[A]#1", part="provider", old="runware", new="inference", place=""),
    ),
    Edit(name="a cell that no prompt uses", act=swap("12,7", "12,8", "cups.csv")),
    Edit(
        name="a price that a prompt uses",
        act=swap("12,7", "13,7", "cups.csv"),
        classes={AGAIN: ("tag[A]#1",)},
        why=Why(
            address="tag[A]#1",
            part="prompt",
            detail="cup.price",
            old="Alba for 12 euro",
            new="Alba for 13 euro",
            place="cups.csv:2, column price",
        ),
    ),
    Edit(
        name="a name",
        act=swap("Brera", "Bormio", "cups.csv"),
        classes={AGAIN: ("tag[B]#1",)},
        why=Why(
            address="tag[B]#1",
            part="prompt",
            detail="cup.name",
            old="Brera for 15 euro",
            new="Bormio for 15 euro",
            place="cups.csv:3, column name",
        ),
    ),
    Edit(
        name="a prompt's own text",
        act=swap("turns slowly", "turns quickly"),
        classes={AGAIN: SPINS},
        why=Why(
            address="spin[B]#1",
            part="prompt",
            old="turns slowly in a warm mood",
            new="turns quickly in a warm mood",
            place="shop.yaml:17",
        ),
    ),
    Edit(
        name="the duration of one shot",
        act=swap("  - id: tag\n", "  - id: tag\n    duration: 10\n"),
        classes={AGAIN: TAGS},
        why=Why(
            address="tag[A]#1", part="settings.duration", old="5", new="10", place="shop.yaml:11"
        ),
    ),
    Edit(
        name="a duration written as its default",
        act=both(
            swap("defaults: {duration: 5}\n", "", "house.yaml"),
            swap("  - id: tag\n", "  - id: tag\n    duration: 5\n"),
        ),
    ),
    Edit(
        name="a duration in a column",
        act=write(
            "cups.csv",
            "sku,name,price,stock,photo,_duration\n"
            "A,Alba,12,7,photos/A.jpg,\nB,Brera,15,9,photos/B.jpg,10\n",
        ),
        classes={AGAIN: ("tag[B]#1", "spin[B]#1")},
        why=Why(
            address="spin[B]#1",
            part="settings.duration",
            old="5",
            new="10",
            place="cups.csv:3, column _duration",
        ),
    ),
    Edit(
        name="the ratio of one shot",
        act=swap("  - id: tag\n", '  - id: tag\n    aspect_ratio: "1:1"\n'),
        classes={AGAIN: TAGS},
        why=Why(
            address="tag[A]#1",
            part="settings.aspect_ratio",
            old="9:16",
            new="1:1",
            place="shop.yaml:11",
        ),
    ),
    Edit(
        name="a pin to the provider",
        act=swap("  - id: tag\n", "  - id: tag\n    pin_provider: true\n"),
        classes={AGAIN: TAGS},
        why=Why(
            address="tag[B]#1", part="provider", old="nothing", new="runware", place="shop.yaml:11"
        ),
    ),
    Edit(
        name="a product added",
        act=swap("B,Brera", "C,Como,19,2,photos/C.jpg\nB,Brera", "cups.csv"),
        classes={BUYS: ("tag[C]#1", "spin[C]#1")},
    ),
    Edit(
        name="a product removed",
        act=swap("B,Brera,15,9,photos/B.jpg\n", "", "cups.csv"),
        orphaned=("tag[B]#1", "spin[B]#1"),
    ),
    Edit(name="a photo touched", act=touch_photo),
    Edit(
        name="a photo's bytes, at equal size and time",
        act=retouch_photo,
        classes={AGAIN: ("spin[A]#1", *OPENS)},
        why=Why(
            address="spin[A]#1",
            part="references",
            detail="image 1 (front)",
            old="A.jpg",
            new="A.jpg",
            place="cups.csv:2, column photo",
        ),
    ),
    Edit(
        name="another photo for a row",
        act=swap("photos/A.jpg", "photos/C.jpg", "cups.csv"),
        classes={AGAIN: ("spin[A]#1",)},
        why=Why(
            address="spin[A]#1",
            part="references",
            detail="image 1 (front)",
            old="A.jpg",
            new="C.jpg",
            place="cups.csv:2, column photo",
        ),
    ),
    Edit(
        name="another first frame",
        act=swap("first: photos/A.jpg", "first: photos/B.jpg"),
        classes={AGAIN: OPENS},
        why=Why(
            address="open[bold]#1",
            part="references",
            detail="first 1",
            old="crop 9:16",
            new="crop 9:16",
            place="shop.yaml:19",
        ),
    ),
    Edit(
        name="a frame padded, not cropped",
        act=swap("fit: crop", "fit: pad"),
        classes={AGAIN: OPENS},
        why=Why(
            address="open[calm]#1",
            part="references",
            detail="first 1",
            old="crop 9:16",
            new="pad 9:16",
            place="shop.yaml:19",
        ),
    ),
    Edit(name="a newer version of the library that fits frames", other_library=True),
    Edit(
        name="what is said of a reference",
        act=swap("say: the cup", "say: the mug"),
        classes={AGAIN: SPINS},
        why=Why(
            address="spin[A]#1",
            part="references",
            detail="image 1 (front)",
            old='said to be "the cup"',
            new='said to be "the mug"',
            place="cups.csv:2, column photo",
        ),
    ),
    Edit(
        name="a profile",
        profile="draft",
        classes={BUYS: ALL},
        why=Why(
            address="tag[A]#1", part="settings.mode", old="std", new="pro", place="shop.yaml:22"
        ),
    ),
    Edit(
        name="a setting by --set",
        overrides=("defaults.duration=10",),
        classes={AGAIN: ALL},
        why=Why(
            address="open[calm]#1", part="settings.duration", old="5", new="10", place="--set:1"
        ),
    ),
    Edit(
        name="a variable by --set",
        overrides=("vars.season=autumn",),
        classes={AGAIN: TAGS},
        why=Why(
            address="tag[A]#1",
            part="prompt",
            detail="vars.season",
            old="spring light",
            new="autumn light",
            place="--set:1",
        ),
    ),
    Edit(
        name="a variable of a base file",
        act=swap("warm", "cool", "house.yaml"),
        classes={AGAIN: SPINS},
        why=Why(
            address="spin[A]#1",
            part="prompt",
            detail="vars.mood",
            old="warm mood",
            new="cool mood",
            place="house.yaml:1",
        ),
    ),
    Edit(
        name="a setting of a base file",
        act=swap("duration: 5", "duration: 10", "house.yaml"),
        classes={AGAIN: ALL},
        why=Why(
            address="spin[B]#1", part="settings.duration", old="5", new="10", place="house.yaml:2"
        ),
    ),
    Edit(
        name="an axis value added",
        act=swap("[calm, bold]", "[calm, wild, bold]"),
        classes={BUYS: ("open[wild]#1",)},
    ),
    Edit(
        name="one take more",
        act=swap("  - id: tag\n", "  - id: tag\n    takes: 2\n"),
        classes={BUYS: ("tag[A]#2", "tag[B]#2")},
    ),
    Edit(
        name="a shot renamed",
        act=swap("id: tag", "id: label"),
        classes={LAID: ("label[A]#1", "label[B]#1")},
        orphaned=TAGS,
    ),
    Edit(
        name="another output path",
        act=lay_out_at("turn/"),
        classes={LAID: SPINS},
        beside=Why(
            address="spin[A]#1", part="path", old="spin/A/t1.mp4", new="turn/A.mp4", place=""
        ),
    ),
    Edit(name="the campaign renamed", act=swap("name: shop", "name: store"), classes={LAID: ALL}),
)
