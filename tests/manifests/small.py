"""Small manifests, right and wrong: each is a head and one part more."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

HEAD = 'callsheet: 1\nname: small\nbudget: {limit: 9 USD}\ndefaults: {aspect_ratio: "9:16"}\n'
SHOTS = "shots:\n  - id: s\n    prompt: A cup turns.\n"
TABLE = "tables: {t: {file: t.csv, key: sku}}\n"
"""Its file is `sku,name`, one row."""

GOOD = (
    SHOTS,
    SHOTS + "    takes: 2\n",
    SHOTS + '    duration: "{{ 5 + 5 }}"\n',
    SHOTS + "    provider: [runware, unifically]\n",
    SHOTS + "    tags: [hero, 9:16]\n",
    SHOTS + "    variants: {matrix: {mood: [calm, 3]}, exclude: [{mood: 3}]}\n",
    SHOTS
    + "    references: {frames: {first: https://cdn.example/a.png}}\n    aspect_ratio: auto\n",
    SHOTS + "vars: {a: 1, b: [x, {y: z}], when: 2026-03-01, ratio: 9:16}\n",
    SHOTS + "output: {path: '{{ shot.id }}_{{ cell }}_{{ take }}.{{ ext }}', show: all}\n",
    SHOTS + "policy: {stop: off, deadline: 2h, fallback: same_model}\n",
    SHOTS + "policy: {stop: {share: 12.5%}, purchases: 1, retries: {requests: 0}}\n",
    SHOTS + "providers: {runware: {concurrency: 1, submit_rate: 30/min, options: {}}}\n",
    SHOTS + "selectors: {hero: 'tag:hero'}\nfiles: {allow: [.]}\n",
    SHOTS + "profiles: {draft: {overrides: {mode: std, takes: 1}}}\n",
    SHOTS + "overrides: {mode: std}\n",
    SHOTS + TABLE,
    SHOTS + "    for: t\n" + TABLE,
    SHOTS + "    for: t\n" + TABLE.replace("sku}", "sku, as: cup, limit: 1, order_by: -name}"),
    SHOTS + TABLE.replace("sku}", "sku, columns: {name: {enum: [Cup, Jug]}}}"),
    SHOTS + TABLE.replace("sku}", 'sku, columns: {name: {list: text, separator: "|"}}}'),
    SHOTS + TABLE.replace("sku}", "sku, group_by: sku, fill_down: [name], encoding: utf-8}"),
    SHOTS + "bundles: {set: {images: {room: https://cdn.example/room.png}}}\n",
    '# a remark\n"shots": [{"id": "s", "prompt": "A cup turns."}]\n',
)
"""The editor underlines nothing, and check finds nothing."""

BAD = (
    "",
    "shots: []\n",
    "shots: [A cup turns.]\n",
    "shots: [{id: s}]\n",
    "shots: [{prompt: A cup turns.}]\n",
    "shots: [{id: a b, prompt: A cup turns.}]\n",
    SHOTS + "    promt: twice\n",
    SHOTS + "    takes: 0\n",
    SHOTS + "    takes: two\n",
    SHOTS + "    duration: 11\n",
    SHOTS + "    duration: 5.5\n",
    SHOTS + "    mode: best\n",
    SHOTS + "    provider: 5\n",
    SHOTS + "    provider: [runware, runware]\n",
    SHOTS + "    watermark: yes\n",
    SHOTS + "    use: set\n",
    SHOTS + "    tags: {a: b}\n",
    SHOTS + "    variants: {}\n",
    SHOTS + "    variants: {matrix: {mood: []}}\n",
    SHOTS + "    variants: {matrix: {mood: [calm, calm]}}\n",
    SHOTS + "    variants: {matrix: {'a b': [calm]}}\n",
    SHOTS + "    variants: {matrix: {mood: [{name: calm}]}}\n",
    SHOTS + "    variants: {matrix: {duration: [5, ten]}}\n",
    SHOTS + "    variants: {matrix: {mood: [calm]}, max_cells: 1000000}\n",
    SHOTS + "    references: {images: {room: {say: a room}}}\n",
    SHOTS + "    references: {images: {room: {file: a.png, each: '{{ row.a }}'}}}\n",
    SHOTS + "    references: {elements: {cup: {description: a cup}}}\n",
    SHOTS + "    references: {video: {file: a.mp4}}\n",
    SHOTS + "    references: {video: {file: a.mp4, role: model}}\n",
    SHOTS + "    references: {frames: {}}\n",
    SHOTS + "    output: {path: ''}\n",
    SHOTS + "budgets: {limit: 9 USD}\n",
    SHOTS + "policy: {purchases: 0}\n",
    SHOTS + "policy: {deadline: soon}\n",
    SHOTS + "providers: {runware: {concurrency: 0}}\n",
    SHOTS + "providers: {runware: {base_url: ftp://a.example}}\n",
    SHOTS + "overrides: [mode]\n",
    SHOTS + "vars: {a b: 1}\n",
    SHOTS + TABLE.replace(", key: sku", ""),
    SHOTS + TABLE.replace("sku}", "sku, columns: {name: words}}"),
    SHOTS + TABLE.replace("sku}", "sku, limit: 0}"),
    SHOTS + TABLE.replace("sku}", "sku, encoding: latin-1}"),
    SHOTS + "selectors: {hero: 5}\n",
    SHOTS + "name: small\n",
    SHOTS + "    prompt: '\n",
    SHOTS + "    extra: [runware\n",
    SHOTS.replace("A cup", "@front"),
    SHOTS.replace("A cup turns.", "{{ vars.a }}"),
)
"""The editor underlines something, and check finds an error."""

UNSAID: Mapping[str, str] = MappingProxyType(
    {
        "unknown-bundle": SHOTS + "    use: [set]\n",
        "unknown-table": SHOTS + "    for: t\n",
        "unknown-provider": SHOTS + "    provider: acme\n",
        "unknown-reference": SHOTS.replace("A cup", "'@front").replace("turns.", "turns.'"),
        "undefined-name": SHOTS.replace("cup", "{{ vars.a }}"),
        "template-syntax": SHOTS.replace("cup", "{{ vars.a"),
        "forbidden-template": SHOTS.replace("cup", "{{ 2 * 2 }}"),
        "duplicate-id": SHOTS + "  - {id: s, prompt: A jug turns.}\n",
        "missing-file": SHOTS + "tables: {t: {file: no.csv, key: sku}}\n",
        "unknown-column": SHOTS + TABLE.replace("sku", "nr"),
        "unequal-pairs": SHOTS + "    variants: {pairs: {a: [1, 2], b: [1]}}\n",
        "empty-exclude": SHOTS + "    variants: {matrix: {a: [1]}, exclude: [{a: 2}]}\n",
        "not-templatable": SHOTS + "vars: {a: '{{ b }}'}\n",
        "secret-in-manifest": SHOTS + "vars: {api_key: abc}\n",
        "prompt-long": SHOTS.replace("cup", "cup" * 900),
        "path-without-take": SHOTS + "    takes: 2\n    output: {path: 'a.{{ ext }}'}\n",
        "duration": SHOTS + "    duration: 7\n",
    }
)
"""Only check finds these, by slug."""
