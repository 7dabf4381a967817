"""`python -m service`, or `gradwire`."""

import signal
import sys

# Before the imports, which take seconds: process 1 of a container has no handler but its own, and would not hear a TERM until then.
# A worker begins here too. Once it serves, the server hears the signals.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

from service.start import main  # noqa: E402

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
