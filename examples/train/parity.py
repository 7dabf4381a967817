"""`make parity`: compare.py against the service at GRADWIRE_URL or, without one, one that is started for it and ended afterwards."""

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from demo import DemoError, service  # noqa: E402 - lies one folder up


def main() -> int:
    """Compare, with the options of compare.py."""
    log = HERE.parent.parent / "build" / "parity" / "service.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        with service(log) as url:
            return subprocess.call([sys.executable, HERE / "compare.py", "--url", url, *sys.argv[1:]])
    except DemoError as error:
        print(f"parity: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
