"""`python -m models.native` builds the fused kernel, where there is a compiler; --required fails where there is none."""

import argparse
import sys

from models.native.library import NotBuilt, build, library


def main() -> int:
    """Build what is not there yet; 0 as well where that cannot be, for the equations run without it."""
    parser = argparse.ArgumentParser("python -m models.native", description="Build the fused kernel of the PyTorch runtime.")
    parser.add_argument("--required", action="store_true", help="fail where it cannot be built")
    required = parser.parse_args().required
    try:
        file = library() if library().is_file() else build()
    except (NotBuilt, OSError) as error:
        print(f"the fused kernel is not built, and PyTorch runs the equations as they stand: {error}", file=sys.stderr)
        return int(required)
    print(f"fused kernel in {file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
