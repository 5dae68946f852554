"""As tests/e2e/kill_loop, again and again with other seeds, for ROWHAUL_SOAK_MINUTES (default 30)."""

import os
import random
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
from e2e import main
from kill_loop import KillLoop

MINUTES = float(os.environ.get("ROWHAUL_SOAK_MINUTES") or 30)


def half_an_hour_of_faults_and_no_row_is_lost_or_written_twice(parts):
    deadline = time.monotonic() + MINUTES * 60
    sweeps = 0
    while sweeps == 0 or time.monotonic() < deadline:
        sweeps += 1
        seed = random.randrange(1_000_000)
        print("  sweep %d, KILL_LOOP_SEED=%d" % (sweeps, seed), flush=True)
        KillLoop(parts, seed).sweep()


main(half_an_hour_of_faults_and_no_row_is_lost_or_written_twice)
