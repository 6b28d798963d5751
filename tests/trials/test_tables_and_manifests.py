"""Tables and manifests as shops, spreadsheets, programs and people write them.

The trials 01 to 16, 22 and 23.
Each test has an input of its own in the shape of its trial, and what is expected there.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from pathlib import Path

from tests.manifests.planning import Planned, planned
from tests.unit.media.clips import write_image

PHOTOS = 'bundles: {b: {images: {view: {file: "{{ p.photo }}", say: the photo}}}}\n'
LOOK = """\
shots:
  - {id: look, for: t, use: [b], aspect_ratio: auto, prompt: "@view: {{ p.name }} turns."}
"""


def _plan(folder: Path, manifest: str, files: Mapping[str, str | bytes]) -> Planned:
    for name, content in files.items():
        data = content.encode() if isinstance(content, str) else content
        (folder / name).write_bytes(data)
    (folder / "m.yaml").write_text(f"callsheet: 1\nname: m\n{manifest}", "utf-8")
    return planned(folder / "m.yaml", folder / "assets")


def _told(found: Planned, folder: Path) -> list[str]:
    """Return slug and message of each finding, with its place but for the folder."""
    lines = (line.replace(f"{folder}/", "") for line in found.told)
    return list(lines)


def _hints(found: Planned) -> list[str]:
    return [finding.hint for finding in found.findings]


SHOP = """\
Handle,Title,Option1 Name,Option1 Value,Option2 Value,SKU,Price,Image Src,Status
scarf,Wool Scarf,Colour,Grey,Long,,49.00,https://img.example/s1.jpg,active
scarf,,,Grey,Short,,on request,https://img.example/s2.jpg,
scarf,,,Rust,Long,,52.00,https://img.example/s3.jpg,
scarf,,,,,,,https://img.example/s4.jpg,
tray,Ash Tray,Title,Default Title,,'7,39.00,https://img.example/t.jpg,active
jar,Jam Jar,Size,Small,,'7,9.00,https://img.example/j.jpg,draft
"""
TURN = 'shots: [{id: turn, for: v, prompt: "{{ v.title }}, {{ v.option1_value }}, turns."}]\n'


def test_01_one_clip_per_variant(tmp_path: Path) -> None:
    """A shop export as it is makes a clip of each variant; photo lines need no key and no price."""
    table = """\
tables:
  v:
    file: shop.csv
    key: [Handle, Option1 Value, Option2 Value]
    as: v
    columns: {Price: number?}
    fill_down: {columns: [Title, Status], within: Handle}
    where: "v.option1_value and v.status == 'active'"
"""
    shop = SHOP.replace("on request", "")

    found = _plan(tmp_path, table + TURN, {"shop.csv": shop})

    assert [] == found.told
    assert {
        "turn[scarf+Grey+Long]#1": "Wool Scarf, Grey, turns.",
        "turn[scarf+Grey+Short]#1": "Wool Scarf, Grey, turns.",
        "turn[scarf+Rust+Long]#1": "Wool Scarf, Rust, turns.",
        "turn[tray+Default%20Title]#1": "Ash Tray, Default Title, turns.",
    } == found.prompts


def test_01_what_is_written_first_names_the_way_that_works(tmp_path: Path) -> None:
    """Blank and double keys say which columns would do; a self-join is one finding."""
    by_sku = 'tables: {v: {file: shop.csv, key: SKU, as: v, where: "v.option1_value"}}\n'
    by_join = """\
tables:
  p: {file: shop.csv, key: Handle, group_by: Handle}
  v: {file: shop.csv, key: [Handle, Option1 Value, Option2 Value], as: v,
      where: "v.option1_value", join: {table: p, on: Handle}}
"""

    sku = _plan(tmp_path, by_sku + TURN, {"shop.csv": SHOP})
    join = _plan(tmp_path, by_join + TURN, {"shop.csv": SHOP})

    assert [
        "shop.csv:2:35 (column SKU): empty-key: the key 'SKU' is blank in 3 rows",
        "shop.csv:7:25 (row '7, column SKU): duplicate-key: two rows have the key ''7'",
    ] == _told(sku, tmp_path)
    assert all("key: [Handle, Option1 Value, Option2 Value]" in hint for hint in _hints(sku))
    assert [
        "m.yaml:6:47: duplicate-header: both tables have 8 columns of the same name, as 'Title'"
    ] == _told(join, tmp_path)[:1]
    assert ["blank-value"] == [finding.slug for finding in join.findings[1:]]
    assert "fill_down: {columns: [...], within: Handle}" in _hints(join)[0]


def test_02_header_not_in_the_first_line(tmp_path: Path) -> None:
    """Where the key stands further down the finding says so, and `header` reads it from there."""
    feed = (
        "Template=custom\tVersion=2\tThe top 2 rows are for the shop's use only: do not change.\n"
        "SKU of the seller\tName of the product\tAddress of the main image\n"
        "item_sku\titem_name\tmain_image_url\n"
        "J-1\tJar, 1 l\thttps://img.example/1.jpg\nJ-2\tJar, 2 l\thttps://img.example/2.jpg\n"
    )
    shot = 'shots: [{id: turn, for: t, prompt: "{{ p.item_name }} turns."}]\n'
    table = "tables: {t: {file: feed.txt, key: item_sku, as: p}}\n"

    before = _plan(tmp_path, table + shot, {"feed.txt": feed})
    by_line = _plan(tmp_path, table.replace("as:", "header: 3, as:") + shot, {})
    by_word = _plan(tmp_path, table.replace("as:", "header: item_name, as:") + shot, {})

    assert [
        (
            "m.yaml:3:35: unknown-column: 'item_sku' stands in line 3 of the file, and its names"
            " are read from line 1"
        )
    ] == _told(before, tmp_path)
    assert ["is that the line with the names? write header: 3"] == _hints(before)
    for found in (by_line, by_word):
        assert [] == found.told
        assert {"turn[J-1]#1": "Jar, 1 l turns.", "turn[J-2]#1": "Jar, 2 l turns."} == found.prompts


def test_02_a_line_of_explanations_above_the_names(tmp_path: Path) -> None:
    """A catalogue's line of remarks, behind a byte order mark, hides no name either."""
    data = "\ufeff# Required | An id,# Required | A title. At most 200\nid,title\nM1,Mug\nM2,Bowl\n"
    shot = 'shots: [{id: turn, for: t, prompt: "{{ p.title }} turns."}]\n'
    table = "tables: {t: {file: c.csv, key: id, as: p}}\n"

    before = _plan(tmp_path, table + shot, {"c.csv": data})
    after = _plan(tmp_path, table.replace("as:", "header: 2, as:") + shot, {})

    assert ["is that the line with the names? write header: 2"] == _hints(before)
    assert ["turn[M1]#1", "turn[M2]#1"] == after.addresses


def _photos(cells: Mapping[str, str]) -> str:
    """Return a table of photos, each cell in quotes."""
    lines = (f'{sku},{sku} cup,"{cell}"\n' for sku, cell in cells.items())
    return "sku,name,photo\n" + "".join(lines)


TYPED = "tables: {t: {file: t.csv, key: sku, as: p, columns: {photo: image}}}\n"
UNTYPED = "tables: {t: {file: t.csv, key: sku, as: p}}\n"


def test_03_several_addresses_in_one_cell(tmp_path: Path) -> None:
    """Two addresses in a cell are never one: told at each cell, typed or not, with the way on."""
    one, two = "https://img.example/1.jpg", "https://img.example/2.jpg"
    data = _photos({"A": f"{one},{two}", "B": f"{one}|{two}", "C": f"{one} ; {two}"})

    typed = _plan(tmp_path, TYPED + PHOTOS + LOOK, {"t.csv": data})
    untyped = _plan(tmp_path, UNTYPED + PHOTOS + LOOK, {})

    assert [
        f"t.csv:{line}:9 (row {row}, column photo): bad-cell: this cell holds 2 addresses"
        for line, row in ((2, "A"), (3, "B"), (4, "C"))
    ] == _told(typed, tmp_path)
    assert [f"write {{list: image, separator: '{sign}'}}" for sign in ",|;"] == _hints(typed)
    assert ["wrong-media"] * 3 == [finding.slug for finding in untyped.findings]
    assert all("holds 2 addresses" in finding.message for finding in untyped.findings)
    assert [2, 3, 4] == [finding.span.line for finding in untyped.findings]


def test_04_an_address_that_is_no_picture(tmp_path: Path) -> None:
    """Links to share and endings of no picture are warned of, in the cell; others are not."""
    data = _photos(
        {
            "A": "https://drive.google.com/file/d/1AbC/view?usp=sharing",
            "B": "https://img.example/films/bowl.mp4",
            "C": "https://www.dropbox.com/s/abc/cup.jpg?dl=0",
            "D": "https://img.example/picture?id=7",
            "E": "https://img.example/cup.heic?format=jpg",
        }
    )

    found = _plan(tmp_path, TYPED + PHOTOS + LOOK, {"t.csv": data})

    assert [
        f"t.csv:{line}:9 (row {row}, column photo): warning: doubtful-address: {message}"
        for line, row, message in (
            (2, "A", "a link to share from Google Drive shows a page, not the file itself"),
            (3, "B", "Kling O1 takes images as JPEG or PNG; this address ends like MP4"),
            (4, "C", "a link to share from Dropbox shows a page, not the file itself"),
        )
    ] == _told(found, tmp_path)
    assert "uc?export=download" in _hints(found)[0]
    assert 5 == len(found.entries)


def test_05_attachment_cells(tmp_path: Path) -> None:
    """`name.jpg (address)` is the address in its brackets, one or several, typed or not."""
    one, two = "https://files.example/u/1.jpg", "https://files.example/u/2.jpg"
    data = _photos({"A": f"mug.jpg ({one})", "B": f"mug, old.jpg ({one}),b.jpg ({two})"})
    each = PHOTOS.replace("{file:", "{each:")
    listed = TYPED.replace("photo: image", "photo: {list: image}")
    look = LOOK.replace("@view", "@view_1")

    several = _plan(tmp_path, listed + each + look.replace("{ p.name", "{ p.sku"), {"t.csv": data})
    single = _plan(tmp_path, UNTYPED + PHOTOS + LOOK, {"t.csv": _photos({"A": f"m.jpg ({one})"})})

    assert {"look[A]#1": [one], "look[B]#1": [one, two]} == several.sources
    assert {"look[A]#1": [one]} == single.sources


def test_06_paths_that_need_a_prefix(tmp_path: Path) -> None:
    """`prefix` puts a text before each entry, and `map` hands the filter what it takes."""
    head = (
        'vars: {media: "https://shop.example/media"}\n'
        "tables: {t: {file: t.csv, key: sku, as: p, columns: {photo: {list: text}}}}\n"
    )
    data = _photos({"A": "/w/s/1.jpg,/w/s/2.jpg", "B": "/w/s/3.jpg"})
    wanted = {
        "look[A]#1": [
            "https://shop.example/media/w/s/1.jpg",
            "https://shop.example/media/w/s/2.jpg",
        ],
        "look[B]#1": ["https://shop.example/media/w/s/3.jpg"],
    }
    for template in ("prefix(vars.media)", "map('replace', '/w/s/', vars.media ~ '/w/s/')"):
        view = f'{{each: "{{{{ p.photo | {template} }}}}", say: the photo}}'
        bundle = f"bundles: {{b: {{images: {{view: {view}}}}}}}\n"

        found = _plan(tmp_path, head + bundle + LOOK.replace("@view", "@view_1"), {"t.csv": data})

        assert [] == found.told
        assert wanted == found.sources


def test_06_a_filter_that_is_given_too_little_says_what_it_takes(tmp_path: Path) -> None:
    """The cause is named, and not the types of columns."""
    shot = "shots: [{id: s, prompt: \"{{ 'a b' | replace('a') }} turns.\"}]\n"

    found = _plan(tmp_path, shot, {})

    assert [
        "m.yaml:3:29: bad-template-value: a filter here is given too few values, or too many"
    ] == _told(found, tmp_path)
    assert ["write replace(old, new)"] == _hints(found)


def test_07_spreadsheet_errors(tmp_path: Path) -> None:
    """A failed formula is told in each cell that a template reads, and in no other."""
    data = "sku,name,colour,unused\nS1,Mug,red,#N/A\nS2,#REF!,blue,x\nS3,Bowl,#N/A,#DIV/0!\n"
    shot = 'shots: [{id: s, for: t, prompt: "A {{ p.colour }} {{ p.name }} turns."}]\n'

    found = _plan(tmp_path, UNTYPED + shot, {"t.csv": data})

    told = "formula-error: the cell holds {}, and the clip would be made with it"
    assert [
        f"t.csv:3:4 (row S2, column name): {told.format('#REF!')}",
        f"t.csv:4:9 (row S3, column colour): {told.format('#N/A')}",
    ] == _told(found, tmp_path)


def test_08_a_delimiter_too_many(tmp_path: Path) -> None:
    """Where every line ends with one, the blank cell is none; a single one stays an error."""
    shot = 'shots: [{id: s, for: t, prompt: "{{ p.name }} turns."}]\n'

    good = _plan(tmp_path, UNTYPED + shot, {"t.csv": "sku,name\nA,Mug,\nB,Bowl, \nC,Cup,\n"})
    bad = _plan(tmp_path, UNTYPED + shot, {"t.csv": "sku,name\nA,Mug,\nB,Cup,\nC,Bowl,blue\n"})
    shifted = _plan(tmp_path, UNTYPED + shot, {"t.csv": "sku,name,a\nA,Mug,\nB,Bowl, blue,\n"})
    single = _plan(tmp_path, UNTYPED + shot, {"t.csv": "sku,name\nA,Mug\nB,,\n"})

    assert [] == good.told
    assert ["s[A]#1", "s[B]#1", "s[C]#1"] == good.addresses
    told = "ragged-row: the row has 3 cells, the header 2 cells"
    assert [f"t.csv:4:8: {told}"] == _told(bad, tmp_path)
    assert [
        "t.csv:3:14: ragged-row: the row has 4 cells, the header 3 cells"
    ] == _told(shifted, tmp_path)  # fmt: skip
    assert [f"t.csv:3:4: {told}"] == _told(single, tmp_path)
    assert "the last cells are blank" in _hints(shifted)[0]


def test_09_a_feed_that_is_no_table(tmp_path: Path) -> None:
    """XML and JSON are one finding each, which says where a table is to be had."""
    shot = 'shots: [{id: s, for: t, prompt: "{{ p.name }} turns."}]\n'
    feeds = {
        "XML": '<?xml version="1.0"?>\n<rss><item><id>1</id><title>Mug, red</title></item></rss>\n',
        "JSON": '[\n  {"sku": "A", "name": "Mug, red"}\n]\n',
    }
    for name, feed in feeds.items():
        for mark in ("", "\ufeff"):
            found = _plan(tmp_path, UNTYPED + shot, {"t.csv": mark + feed})

            assert [f"t.csv:1:1: bad-encoding: this is {name}, not CSV"] == _told(found, tmp_path)
            assert "CSV or TSV" in _hints(found)[0]


def test_10_numbers_keep_their_form(tmp_path: Path) -> None:
    """In a text a number stands as it was written; compared and formatted it is a number."""
    text = "only {{ vars.price }}, {{ vars.whole }}, {{ vars.list | join(' ') }},"
    text += " {{ vars.price | money('€') }}{% if vars.price > 40 %}, dear{% endif %}."
    head = f"vars: {{price: 49.90, whole: 5.0, list: [1.10, 2]}}\nshots: [{{id: s, prompt: '{text}'"
    axis = "shots: [{id: s, prompt: '{{ variant.size }} l', variants: {matrix: {size: [1.50]}}"

    prompts = _plan(tmp_path, head.replace("('€')", '("€")').replace("(' ')", '(" ")') + "}]\n", {})
    cells = _plan(tmp_path, axis + "}]\n", {})

    assert {"s#1": "only 49.90, 5.0, 1.10 2, €49.90, dear."} == prompts.prompts
    assert {"s[1-50]#1": "1.50 l"} == cells.prompts


def test_11_a_prompt_cut_by_a_comment(tmp_path: Path) -> None:
    """The `#` that cuts a text is warned of where it stands; a remark behind a blank is not."""
    shots = (
        "shots:\n"
        "  - id: a\n    prompt: A mug in #c2452d turns\n"
        "  - id: b  # the second\n    prompt: A mug turns  # quickly\n    mode: pro #fast\n"
    )

    found = _plan(tmp_path, shots, {})

    assert [
        (
            "m.yaml:5:22: warning: cut-by-comment: the rest of the line is a comment, and no part"
            " of this text"
        )
    ] == _told(found, tmp_path)


def test_12_placeholders_of_other_tools(tmp_path: Path) -> None:
    """A column's name in another tool's braces is told, with how it is written here."""
    text = "A {name} [Name] %name% <name> for ${CAMPAIGN} in {blue} [sic] 100 % {{ p.name }}"
    shot = f'shots: [{{id: s, for: t, prompt: "{text}"}}]\n'

    found = _plan(tmp_path, UNTYPED + shot, {"t.csv": "sku,name\nA,Mug\n"})

    sent = "is sent as it stands: a value has two braces on each side"
    assert [
        f"template-syntax: '{written}' {sent}"
        for written in ("{name}", "[Name]", "%name%", "<name>", "${CAMPAIGN}")
    ] == [line.partition(": ")[2] for line in _told(found, tmp_path)]
    assert ["did you mean {{ p.name }}?"] * 4 == _hints(found)[:4]
    assert "--set vars.campaign=" in _hints(found)[4]


def test_13_hidden_characters(tmp_path: Path) -> None:
    """A character that nobody sees is named at its own line."""
    key = "shots:\n  - id: s\n    prompt: a mug turns\n    dura\u200btion: 5\n"
    blank = "shots:\n  - id: s\n    prompt:\u00a0 a mug turns\n    duration: 5\n"

    in_key = _plan(tmp_path, key, {})

    assert ["m.yaml:6:5: unknown-key: a shot has no 'dura\\u200btion'"] == _told(in_key, tmp_path)
    assert "zero width space (U+200B)" in _hints(in_key)[0]
    assert "m.yaml:5:12: yaml-syntax: a no-break space (U+00A0) stands here" in _refused(
        tmp_path, blank
    )


def _refused(folder: Path, manifest: str) -> str:
    """Return the first finding of a manifest that cannot be read at all."""
    from pipeline.errors import InvalidInput  # noqa: PLC0415 - by this helper alone
    from pipeline.findings import render  # noqa: PLC0415 - the same

    try:
        _plan(folder, manifest, {})
    except InvalidInput as refusal:
        return render(refusal.findings[0], {}).replace(f"{folder}/", "")
    raise AssertionError(manifest)


def test_14_paths_from_windows(tmp_path: Path) -> None:
    """Of a path with backslashes, or in another case, the file that was meant is told."""
    (tmp_path / "photos").mkdir()
    write_image(tmp_path / "photos/new.jpg", (400, 400))
    data = _photos({"A": "photos\\new.jpg", "B": "Photos/new.jpg", "C": "photos/nwe.jpg"})

    found = _plan(tmp_path, TYPED + PHOTOS + LOOK, {"t.csv": data})

    assert ["missing-file"] * 3 == [finding.slug for finding in found.findings]
    assert ["did you mean 'photos/new.jpg'?"] * 3 == _hints(found)


def test_15_a_manifest_written_by_a_program(tmp_path: Path) -> None:
    """JSON's two escapes for an emoji are one character, and places behind it are right."""
    shots = '"shots": [{"id": "s", "prompt": "A \\u00e9 mug \\ud83e\\uded6 turns"%s}]}'
    (tmp_path / "m.json").write_text('{"callsheet": 1, "name": "m", ' + shots % "", "utf-8")
    wrong = shots.replace("turns", "{{ x }}") % ""
    (tmp_path / "w.json").write_text('{"callsheet": 1, "name": "m", ' + wrong, "utf-8")

    found = planned(tmp_path / "m.json", tmp_path / "assets")
    told = planned(tmp_path / "w.json", tmp_path / "assets")

    assert {"s#1": "A é mug \N{TEAPOT} turns"} == found.prompts
    line = (tmp_path / "w.json").read_text("utf-8")
    assert [line.index("x }}") + 1] == [finding.span.column for finding in told.findings]


def test_16_names_from_a_mac(tmp_path: Path) -> None:
    """A file is found whose name is stored with its accents apart; of two equal ones, neither."""
    apart = unicodedata.normalize("NFD", "grün.jpg")
    (tmp_path / "fotos").mkdir()
    write_image(tmp_path / "fotos" / apart, (400, 400))
    data = _photos({"A": "fotos/grün.jpg"})

    found = _plan(tmp_path, TYPED + PHOTOS + LOOK, {"t.csv": data})

    assert [] == found.told
    assert {"look[A]#1": [str(tmp_path / "fotos" / apart)]} == found.sources


def test_16_a_table_with_such_a_name(tmp_path: Path) -> None:
    """A table and a base file are found like a photo."""
    shot = 'shots: [{id: s, for: t, prompt: "{{ p.name }} turns."}]\n'
    table = UNTYPED.replace("t.csv", "tür.csv")
    name = unicodedata.normalize("NFD", "tür.csv")

    found = _plan(tmp_path, table + shot, {name: "sku,name\nA,Mug\n"})

    assert {"s[A]#1": "Mug turns."} == found.prompts


def test_22_a_star_and_a_backslash(tmp_path: Path) -> None:
    """A value that begins with `*`, and a backslash in double quotes, are told in words."""
    star = "shots:\n  - id: s\n    prompt: *slowly* a mug turns\n"
    backslash = 'shots:\n  - id: s\n    prompt: "C:\\Users\\me turns"\n'

    starred = _plan(tmp_path, star, {})

    assert [
        "m.yaml:5:13: needs-quotes: a value that begins with '*' needs quotes"
    ] == _told(starred, tmp_path)  # fmt: skip
    assert ['write: prompt: "*slowly* a mug turns"'] == _hints(starred)
    assert (
        "m.yaml:5:18: yaml-syntax: in double quotes a backslash begins an escape, and this is none"
        in _refused(tmp_path, backslash)
    )


def test_23_addresses_almost_right(tmp_path: Path) -> None:
    """`//host/…` is https, and scheme and host are the same in capitals; the path is not."""
    data = _photos({"A": "//cdn.shop.example/f/mug.jpg", "B": "HTTPS://IMG.EXAMPLE/BOWL.JPG"})

    for table in (TYPED, UNTYPED):
        found = _plan(tmp_path, table + PHOTOS + LOOK, {"t.csv": data})

        assert [] == found.told
        assert {
            "look[A]#1": ["https://cdn.shop.example/f/mug.jpg"],
            "look[B]#1": ["https://img.example/BOWL.JPG"],
        } == found.sources
