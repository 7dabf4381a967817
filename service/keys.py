"""Who may call: API keys as `Authorization: Bearer`, of which only hashes are kept, and what each of them may take.

A line of the file is the SHA-256 of a key in hexadecimal, then a name for people; `python -m service.keys NAME` makes both. The file is
read again when it changes, so that keys can be exchanged without a restart: add the new one, move the callers, remove the old one.
"""

import hashlib
import hmac
import secrets
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from service.errors import BadSetting, Overloaded, Unauthorized

LOOK_AGAIN_S = 1
DIGEST_LETTERS = 64


@dataclass
class Use:
    """What a key has taken: requests that run, and a bucket of those it may begin."""

    running: int = 0
    left: float = 0
    filled_at: float = field(default_factory=time.monotonic)
    is_new: bool = True


class Keys:
    """The keys of a file; `None`: no key is asked for."""

    def __init__(self, file: Path | None, rate: float = 0, concurrency: int = 0, clock: Callable[[], float] = time.monotonic) -> None:
        self.file, self.rate, self.concurrency, self.clock = file, rate, concurrency, clock
        self.names: dict[str, str] = {}
        self.uses: dict[str, Use] = {}
        self.looked_at, self.stamp = float("-inf"), (0, 0)
        if file is not None:
            self.names = read(file)

    def look_again(self) -> None:
        """Read the file if it has changed; one that cannot be read, or holds no key, changes nothing."""
        assert self.file is not None
        if self.clock() - self.looked_at < LOOK_AGAIN_S:
            return
        self.looked_at = self.clock()
        try:
            found = self.file.stat()
            stamp = (found.st_mtime_ns, found.st_size)
            if stamp != self.stamp:
                self.names, self.stamp = read(self.file), stamp
        except (OSError, BadSetting):
            return

    def enter(self, authorization: str) -> str:
        """Let a request in: the digest of its key, for `leave`; raises Unauthorized, or Overloaded where the key has taken too much."""
        digest = self.known(authorization)
        if digest:
            self.admit(self.uses.setdefault(digest, Use()))
        return digest

    def known(self, authorization: str) -> str:
        """The digest of a key that may call, empty where none is asked for; raises Unauthorized."""
        if self.file is None:
            return ""
        self.look_again()
        scheme, _, key = authorization.partition(" ")
        digest = hashlib.sha256(key.strip().encode("latin-1", "replace")).hexdigest()
        known = [each for each in self.names if hmac.compare_digest(each, digest)]
        if scheme.lower() != "bearer" or not known:
            raise Unauthorized("a key is required: Authorization: Bearer <key>" if not authorization else "the key is not known")
        return digest

    def admit(self, use: Use) -> None:
        """Count one more request of a key; raises Overloaded."""
        if self.concurrency and use.running >= self.concurrency:
            raise Overloaded(f"this key has {use.running} requests running, as many as it may")
        if self.rate:
            now = self.clock()
            most = max(1.0, self.rate)
            use.left = most if use.is_new else min(most, use.left + (now - use.filled_at) * self.rate)
            use.filled_at, use.is_new = now, False
            if use.left < 1:
                raise Overloaded(f"this key may make {self.rate:g} requests a second")
            use.left -= 1
        use.running += 1

    def leave(self, digest: str) -> None:
        """The request is over."""
        if digest:
            self.uses[digest].running -= 1


def read(file: Path) -> dict[str, str]:
    """Digests and names; raises BadSetting where the file has none, or a line that is no digest."""
    try:
        lines = [line.split(maxsplit=1) for line in file.read_text().splitlines() if line.strip() and not line.startswith("#")]
    except (OSError, UnicodeDecodeError) as error:
        raise BadSetting(f"GRADWIRE_API_KEYS_FILE: cannot read {file}: {error}") from None
    for number, line in enumerate(lines, 1):
        if len(line[0]) != DIGEST_LETTERS or set(line[0].lower()) - set("0123456789abcdef"):
            raise BadSetting(f"GRADWIRE_API_KEYS_FILE: key {number} of {file} is no SHA-256; `python -m service.keys NAME` makes one")
    if not lines:
        raise BadSetting(f"GRADWIRE_API_KEYS_FILE: {file} holds no key")
    return {line[0].lower(): line[1] if len(line) > 1 else "" for line in lines}


def main() -> int:
    """Make a key: the key on stdout, once and for its caller alone; its line for the file on stderr."""
    key = secrets.token_urlsafe(32)
    print(key)
    print(hashlib.sha256(key.encode()).hexdigest(), *sys.argv[1:], file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
