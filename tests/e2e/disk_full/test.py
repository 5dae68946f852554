"""A full disk on the target: batches wait until there is room again, and no row is rejected for it.

The disk is a small file system in memory, which only root may mount.
"""

import os
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
from e2e import Database, Skip, check, main, wait_until
from sick import TARGET, Patient

DISK = "8m"
PIECE = b"\0" * (64 << 10)


class SmallDisk:
    """A tablespace on a file system of its own, and ballast that fills what is left of it."""

    def __init__(self, parts):
        pgdata = parts.environment["TARGET_PGDATA"]
        self.path = os.path.join(os.path.dirname(os.path.dirname(pgdata)), parts.unique("disk"))
        self.ballast = os.path.join(self.path, "ballast")
        self._mount(os.stat(pgdata))
        parts.at_end(self._unmount)
        self.tablespace = parts.unique("disk")
        self.target = parts.target.database()
        self.target.sql("create tablespace %s location '%s'" % (self.tablespace, self.path))
        parts.at_end(self._drop)

    def _mount(self, owner):
        os.mkdir(self.path)
        options = "size=%s,mode=0700,uid=%d,gid=%d" % (DISK, owner.st_uid, owner.st_gid)
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", self.path], capture_output=True, encoding="utf-8"
        )
        if mounted.returncode != 0:
            os.rmdir(self.path)
            raise Skip("cannot mount a small file system: " + mounted.stderr.strip())

    def _unmount(self):
        def gone():
            return subprocess.run(["umount", self.path], capture_output=True).returncode == 0

        wait_until(gone, 20, "nobody to use %s" % self.path)
        os.rmdir(self.path)

    def _drop(self):
        self.free()
        self.target.drop()
        server = Database(self.target.url.rpartition("/")[0] + "/postgres")
        server.sql("drop tablespace " + self.tablespace)

    def fill(self):
        with open(self.ballast, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(PIECE)
            except OSError:
                pass  # full

    def free(self):
        if os.path.exists(self.ballast):
            os.remove(self.ballast)


def batches_wait_until_there_is_room(parts):
    disk = SmallDisk(parts)
    patient = Patient(
        parts, target=disk.target, target_sql="set default_tablespace = %s; %s" % (disk.tablespace, TARGET)
    )
    patient.start()
    disk.fill()
    patient.wait_event("target_lost", "53100")
    time.sleep(2)  # it stays full, whatever is tried
    check(patient.run.is_running(), "the run has ended")
    disk.free()
    patient.check_recovery()


main(batches_wait_until_there_is_room)
