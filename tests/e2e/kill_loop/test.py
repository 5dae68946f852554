"""Every failpoint crashes and everything else is killed, in a random order: each row is written just once.

KILL_LOOP_SEED repeats the order of a failure. tests/soak/kill_loop.py goes on like this for half an hour.
"""

import os
import random
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
from e2e import main
from kill_loop import KillLoop


def every_fault_in_a_random_order_and_no_row_is_lost_or_written_twice(parts):
    seed = int(os.environ.get("KILL_LOOP_SEED") or random.randrange(1_000_000))
    print("  KILL_LOOP_SEED=%d" % seed, flush=True)
    KillLoop(parts, seed).sweep()


main(every_fault_in_a_random_order_and_no_row_is_lost_or_written_twice)
