"""One run of a campaign that kills itself: `child.py MANIFEST ROOT BASE_URL NAME NTH`.

It dies by SIGKILL, as from outside, when it comes to the checkpoint of that name for the NTH time.
No name: it lives.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from pipeline.cli.options import Asked, Job, Spending
from pipeline.cli.running import make


class Bomb:
    """Goes off at one checkpoint."""

    def __init__(self, name: str, nth: int) -> None:
        self._name = name
        self._left = nth

    def __call__(self, name: str) -> None:
        """Count a checkpoint, and die at the one meant."""
        if name == self._name:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def main(manifest: str, root: str, base_url: str, name: str = "", nth: str = "1") -> int:
    """Run the campaign against the sandbox as against a real provider."""
    asked = Asked(manifest=Path(manifest), root=Path(root), base_urls=(base_url,))
    job = Job(asked=asked, spending=Spending(yes=True), checkpoint=Bomb(name, int(nth)))
    return int(make(job))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
