"""What happens to notices when things are killed, frozen and doubled: real processes, a fake platform, controls.

The suite's own run is small; `CHAOS=full` runs the numbers that are promised:

    CHAOS=full make test ARGS="tests/chaos -s"
"""

import os

FULL = os.environ.get("CHAOS") == "full"


def size(full: int, small: int) -> int:
    """How many of something: as promised, or enough to see that it works."""
    return full if FULL else small
