"""`python -m pipeline.sandbox`: the sandbox by itself."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline.sandbox import serve


def main() -> None:
    """Serve as the arguments say."""
    parser = argparse.ArgumentParser(prog="callsheet sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--scenario", type=Path)
    parser.add_argument("--leash", action="store_true", help="end when standard input is closed")
    given = parser.parse_args()
    serve(
        given.host, given.port, state=given.state, scenario_path=given.scenario, leash=given.leash
    )


if __name__ == "__main__":
    main()
