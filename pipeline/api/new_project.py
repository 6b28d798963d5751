"""A small campaign to start from: a manifest, a table and three photos, in a folder."""

from __future__ import annotations

from pathlib import Path

from pipeline.api.campaign_request import usage
from pipeline.api.project_file import FILE, project_of
from pipeline.starter import files_of

STARTER_MANIFEST = "campaign.yaml"


def write_starter(folder: Path) -> list[Path]:
    """Write the starter's files, and return their paths; InvalidInput where one is in the way.

    With them comes callsheet.toml, which makes the folder a project, unless it lies in one already.
    """
    files = dict(files_of())
    if project_of(folder / STARTER_MANIFEST).file is not None:
        del files[FILE]
    contents = {folder / name: content for name, content in files.items()}
    # All that is in the way is told at once, and before the first file is written.
    if folder.exists() and not folder.is_dir():
        raise usage(f"{folder} is a file, not a folder")
    there = [str(path) for path in contents if path.exists() or path.is_symlink()]
    if there:
        hint = "name another folder: callsheet init FOLDER"
        raise usage(f"would overwrite {', '.join(there)}", hint)
    for path, content in contents.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return list(contents)
