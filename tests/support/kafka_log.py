"""kafka_log -- damage to a partition's log, done to the broker's own files while it does not run.

In:     the broker's data folder (KAFKA_LOG_DIR), the name of a topic, a partition in one segment.
Out:    the log without one of its batches, or without its end; the broker builds its indexes anew when it
        starts.
Never:  changes what it leaves: later batches keep their offsets, as after a compaction.

A segment is one record batch after the other: base offset (8 bytes), length of what follows (4).
Source: https://kafka.apache.org/documentation/#recordbatch
"""

import os
import struct

HEAD_BYTES = 12


def _segment(folder):
    (name,) = [name for name in os.listdir(folder) if name.endswith(".log")]
    return os.path.join(folder, name)


def _batches(log):
    found, at = [], 0
    while at + HEAD_BYTES <= len(log):
        _, length = struct.unpack_from(">qi", log, at)
        if length <= 0:
            break  # reserved by the broker, not written
        found.append(log[at : at + HEAD_BYTES + length])
        at += HEAD_BYTES + length
    return found


def _rewrite(data, topic, partition, keep):
    """Leaves those batches in the log that `keep` gives when it is given all of them."""
    folder = os.path.join(data, "%s-%d" % (topic, partition))
    segment = _segment(folder)
    with open(segment, "r+b") as file:  # in place: it stays its owner's
        batches = _batches(file.read())
        if len(batches) < 3:
            raise ValueError("%s has no batch between its first and its last" % segment)
        file.seek(0)
        file.write(b"".join(keep(batches)))
        file.truncate()
    for name in os.listdir(folder):
        if name.endswith((".index", ".timeindex", ".snapshot")):
            os.remove(os.path.join(folder, name))


def cut_out_batch(data, topic, partition):
    """Removes the batch in the middle of the log."""
    _rewrite(data, topic, partition, lambda all: all[: len(all) // 2] + all[len(all) // 2 + 1 :])


def cut_off_tail(data, topic, partition):
    """Removes the second half of the log's batches."""
    _rewrite(data, topic, partition, lambda all: all[: len(all) // 2])
