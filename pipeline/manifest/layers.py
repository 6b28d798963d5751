"""Base files, the manifest, a profile and `--set` → one document, laid over each other in order.

Maps merge, lists replace, lists of maps with an `id` merge by it, `~` unsets. Every value keeps
the place it was written at, so a finding in a base file names the base file.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.allowed_paths import AllowedPaths, nearest_file, stored_path
from pipeline.domain import Written
from pipeline.errors import MediaFault
from pipeline.findings import Finding, Span, did_you_mean
from pipeline.foreign_text import redact
from pipeline.manifest.campaign_settings import folders_to_read
from pipeline.manifest.source_map import Node
from pipeline.manifest.yaml_loader import MAX_DEPTH, read_document, read_file

_WEB_ADDRESS = re.compile(r"(?:^|/)https?:/", re.IGNORECASE)
"""As it is in a path, which has no two slashes after each other."""
SET = "--set"
PROFILE = "--profile"
"""What findings call the options given on the command line."""
MAX_BASES = 32
MAX_FILE_BYTES = 40_000_000
"""As large as a table may be; a manifest is smaller."""


def contents(path: Path) -> bytes:
    """Return the bytes of a file that is no larger than a table may be; OSError for all else.

    A manifest names its tables and bases, and may have come from anywhere: a pipe, a device or a
    file of any size under such a name is refused before a byte of it is read.
    """
    # Opening a pipe waits for its other end, unless it is told not to.
    handle = os.open(stored_path(path), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        found = os.fstat(handle)
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        # Asked of what was opened, not of the name: between the two the file may be another.
        if not stat.S_ISREG(found.st_mode):
            raise OSError(errno.EINVAL, "it is a pipe or a device, not a file", str(path))
        if found.st_size > MAX_FILE_BYTES:
            message = f"it has {found.st_size:,} bytes; at most {MAX_FILE_BYTES:,} are read"
            raise OSError(errno.EFBIG, message, str(path))
        with os.fdopen(handle, "rb", closefd=False) as file:
            # One byte more than allowed: a file that has grown meanwhile is then refused as too
            # large.
            return file.read(MAX_FILE_BYTES + 1)
    finally:
        os.close(handle)


def slug_of(error: Exception) -> str:
    """Return the slug of the finding for a file that could not be read."""
    large = isinstance(error, OSError) and error.errno == errno.EFBIG
    return "too-large" if large else "missing-file"


def reason_of(error: Exception) -> str:
    """Return why a file could not be read, in the system's words or ours."""
    return (isinstance(error, OSError) and error.strerror) or "that is no name of a file"


def unreadable_file(
    error: Exception, path: Path, place: Span, message: str, *, hint: str = ""
) -> Finding:
    """Return the finding for a file that could not be read; `…` in its message is the reason.

    The hint is the file that was probably meant, of those in its folder, unless one is given.
    """
    if _WEB_ADDRESS.search(path.as_posix()):
        hint = "a web address is not read: download the file, and name that"
    near = "" if hint or path.exists() else nearest_file(path)
    return Finding(
        slug=slug_of(error),
        message=message.replace("…", reason_of(error)),
        span=place,
        hint=hint or (f"did you mean '{near}'?" if near else ""),
    )


@dataclass(slots=True, kw_only=True)
class Layers:
    """Reads the files of one manifest; keeps their texts and findings."""

    read: Callable[[Path], bytes]
    sources: dict[str, str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    allowed: AllowedPaths = field(default_factory=lambda: AllowedPaths(Path(), ()))
    """What the manifest itself lets be read, as far as its own text says."""
    documents: list[Node] = field(default_factory=list)
    """The documents as they are written, each after those it is laid over."""
    _bases_read: int = 0
    """In all, not in depth: two files that each name two bases twice would soon be thousands."""

    def document(self, path: Path, shown: str, inside: tuple[Path, ...] = ()) -> Node | None:
        """Return a manifest with the files it extends underneath, or None if it cannot be read.

        `inside` are the files that extend this one, the manifest first.
        """
        data = self.read(path)
        node, findings, text = read_file(data, shown=shown, folder=path.parent)
        # Kept before anything is judged: a finding quotes the line, also of a file that is no
        # manifest.
        self.sources[shown] = text
        self.findings += findings
        if node is None or not isinstance(node.value, Mapping):
            if node is not None:
                hint = "it begins with callsheet: 1; `callsheet init` writes one to start from"
                self._say("wrong-type", "a manifest is a map of keys", node.span, hint)
            return None
        if not inside:
            # The first file is the manifest; what it extends may not widen what may be read.
            self.allowed = AllowedPaths(path.parent, folders_to_read(node.get("files"), {shown}))
        extends = node.get("extends")
        listed = (extends.items() or (extends,)) if extends else ()
        merged: Node | None = None
        for base in listed:
            if isinstance(base.value, str) and base.value:
                under = self._base(base, (*inside, _real(path)))
                if under is not None:
                    merged = under if merged is None else merge(merged, under)
        # After what it extends: of a budget the lowest layer's word has to be known first.
        self.documents.append(node)
        return node if merged is None else merge(merged, node)

    def _base(self, base: Node, inside: tuple[Path, ...]) -> Node | None:
        path = base.folder / str(base.value)
        try:
            # Judged before it is opened: a finding quotes lines, and would show a private file.
            self.allowed.resolve(str(base.value), base.folder)
        except MediaFault as fault:
            self._say(fault.slug, fault.message, base.span, fault.hint)
            return None
        if _real(path) in inside:
            hint = "take one of the `extends` out"
            self._say("extends-loop", f"'{base.value}' extends itself", base.span, hint)
            return None
        # Counted before it is read, so that an endless tree of bases ends here.
        self._bases_read += 1
        if self._bases_read > MAX_BASES:
            # Told once, not for every base that is left out.
            if self._bases_read == MAX_BASES + 1:
                self._say("too-large", f"more than {MAX_BASES} files are extended", base.span)
            return None
        try:
            return self.document(path, display_path(base), inside)
        except (OSError, ValueError) as error:
            message = f"'{base.value}' cannot be read: …"
            self.findings.append(unreadable_file(error, path, base.span, message))
            return None

    def apply_profile(self, node: Node, profile: str) -> Node:
        """Return a document with one of its profiles laid over it."""
        profiles = dict(node.entries("profiles"))
        layer = profiles.get(profile)
        if layer is not None and isinstance(layer.value, Mapping):
            return merge(node, layer)
        typed = Span(file=PROFILE, end_column=len(profile) + 1)
        place = node.key_span("profiles") if node.get("profiles") else typed
        self.sources[PROFILE] = profile
        hint = did_you_mean(profile, profiles) or "the manifest has no profiles"
        self._say("unknown-profile", f"there is no profile '{profile}'", place, hint)
        return node

    def apply_overrides(self, node: Node, overrides: Sequence[str], folder: Path) -> Node:
        """Return a document with `path=value` options laid over it, in order."""
        # An option is one line of their common text: so its number in a finding is that of its
        # line.
        lines = [" ".join(override.split("\n")) for override in overrides]
        if lines:
            self.sources[SET] = "\n".join(lines)
        for index, line in enumerate(lines):
            path, sign, text = line.partition("=")
            place = Span(file=SET, line=index + 1, end_column=len(path) + 1)
            steps = [step.strip() for step in path.split(".")]
            if not sign or not all(steps) or len(steps) > MAX_DEPTH:
                self._say("bad-set", "--set takes path=value", place, "as in vars.season=autumn")
                continue
            # What stands before the value keeps places those of the whole option, line by line.
            before = "\n".join([*lines[:index], f"{path}="])
            # `--set path=` is an empty text. Read as YAML it would be nothing, which unsets the
            # key.
            value, found = read_document(text or "''", shown=SET, folder=folder, before=before)
            # On a command line the quotes that YAML wants are quotes too many.
            self.findings += [each for each in found if each.slug != "needs-quotes"]
            if value is not None:
                layer = _layer_of(node, steps, value, place)
                # Also `--set` may lower a limit and not lift it.
                self.documents.append(layer)
                node = merge(node, layer)
        return node

    def _say(self, slug: str, message: str, span: Span, hint: str = "") -> None:
        self.findings.append(Finding(slug=slug, message=message, span=span, hint=hint))


def merge(under: Node, over: Node) -> Node:
    """Return two documents as one, in which the second wins.

    Of `{a: 1, b: 2}` and `{b: 3}` it is `{a: 1, b: 3}`.
    """
    if isinstance(under.value, Mapping) and isinstance(over.value, Mapping):
        values, keys = dict(under.value), dict(under.keys)
        for key, node in over.value.items():
            values[key] = merge(values[key], node) if key in values else node
            keys[key] = over.key_span(key)
        return replace(over, value=values, keys=keys)
    # Without ids nothing says which entry is meant: the upper list stands alone.
    if not _has_ids(under) or not _has_ids(over):
        return over
    # The order of the layer below is kept; what is new comes after it.
    merged = list(under.items())
    places = {_id(item): index for index, item in enumerate(merged)}
    for item in over.items():
        index = places.get(_id(item))
        if index is None:
            merged.append(item)
        else:
            merged[index] = merge(merged[index], item)
    return replace(over, value=tuple(merged))


def without_unset(node: Node) -> Node:
    """Return a document without the keys that are unset: `~` means absent."""
    if isinstance(node.value, Mapping):
        values = {
            key: without_unset(item) for key, item in node.value.items() if item.value is not None
        }
        return replace(node, value=values)
    if isinstance(node.value, tuple):
        return replace(node, value=tuple(without_unset(item) for item in node.value))
    return node


def _id(node: Node) -> str:
    found = node.get("id")
    return found.value if found is not None and isinstance(found.value, str) else ""


def _has_ids(node: Node) -> bool:
    items = node.items()
    return bool(items) and all(_id(item) for item in items)


def _layer_of(node: Node, steps: Sequence[str], value: Node, place: Span) -> Node:
    """Return a value at the end of a path of keys, as a document to lay over another."""
    if not steps:
        return value
    here = node.get(steps[0])
    if _has_ids(node):
        # In a list of maps a step names the map's id: `shots.spin.takes=3`.
        here = next((item for item in node.items() if _id(item) == steps[0]), None)
    inner = _layer_of(here or value, steps[1:], value, place)
    if not _has_ids(node):
        return replace(value, value={steps[0]: inner}, keys={steps[0]: place}, span=place)
    if isinstance(inner.value, Mapping):
        own = replace(value, value=steps[0], span=place)
        keys = {**inner.keys, "id": place}
        inner = replace(inner, value={"id": own, **inner.value}, keys=keys)
    return replace(value, value=(inner,), span=place)


def list_values(node: Node, steps: tuple[str | int, ...] = ()) -> Iterator[Written]:
    """Yield each value of a document with its steps from the top and the place it comes from.

    Keys are starred; shots are named by their id instead of their number, where they have one.
    """
    children: list[tuple[str | int, Node]] = list(node.entries())
    children += [(_id(child) or number, child) for number, child in enumerate(node.items())]
    for step, child in children:
        yield from list_values(child, (*steps, step))
    if not children:
        value = redact(node.value) if isinstance(node.value, str) else node.plain()
        yield Written(steps=steps, value=value, span=node.span)


def display_path(node: Node) -> str:
    """Return a file's name as findings show it: as the file that names it is shown."""
    name = str(node.value)
    if node.source.shown == SET:
        return str(node.folder / name)
    return os.path.normpath(Path(node.source.shown).parent / name)


def _real(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):  # a loop of links, a NUL: reading it will tell
        return path
