"""A target in trouble: nothing is rejected for it, the batch is tried again, and the run ends as it would have."""

import os
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "support"))
from e2e import Database, Session, check, main, wait_until
from sick import Patient


def under_a_lock(patient, table="letters"):
    session = Session(patient.target)
    session.sql("begin; lock table %s in access exclusive mode" % table)
    return session


def a_statement_that_takes_too_long_is_tried_again_with_smaller_batches(parts):
    # One second of tries a size: long enough to come down several sizes, and to drop what is in hand.
    patient = Patient(parts, apply={"statement_timeout": "200ms", "retries": 1, "retry_delay": "100ms"})
    patient.migration.watch({"public.letters": "id", "public.parcels": "id"})
    patient.start()
    with under_a_lock(patient):
        patient.wait_event("batch_retried", "57014")
        wait_until(lambda: len(patient.run.events("batch_retried")) >= 4, 20, "the second size of batch")
    patient.check_recovery()
    patient.migration.check_written_once()
    patient.migration.check_offsets_applied_once()


def a_lock_that_is_not_to_be_had_is_waited_for(parts):
    # What a trigger of the application asks for with NOWAIT is refused at once.
    patient = Patient(parts)
    patient.target.sql(
        """
        create table ledgers (id int);
        create function touch_ledger() returns trigger language plpgsql as
            $$ begin lock table ledgers in row exclusive mode nowait; return null; end $$;
        create trigger touch after insert on letters for each row execute function touch_ledger()"""
    )
    patient.start()
    with under_a_lock(patient, "ledgers"):
        patient.wait_event("batch_retried", "55P03")
    patient.check_recovery()


def the_victim_of_a_deadlock_tries_again(parts):
    patient = Patient(parts)
    patient.start()
    with Session(patient.target) as other:
        other.sql("set deadlock_timeout = '1h'")  # the worker finds it, and is the victim
        wait_until(lambda: meet_in_a_deadlock(other, patient.run), 60, "a batch with rows of both tables")
    patient.wait_event("batch_retried", "40P01")
    patient.check_recovery()


def meet_in_a_deadlock(other, run):
    """Takes the lock that the worker wants next, then wants what it has: the tables in the other order."""
    other.sql("begin; lock table parcels in share row exclusive mode")
    other.sql(
        """
        do $$ begin
            for i in 1 .. 100 loop
                exit when exists (select from pg_locks where relation = 'parcels'::regclass and not granted);
                perform pg_sleep(0.01);
            end loop;
        end $$"""
    )
    other.sql("lock table letters in share row exclusive mode; commit")
    return run.events("batch_retried", sqlstate="40P01")


def a_serialization_failure_is_tried_again(parts):
    patient = Patient(parts)
    patient.target.sql(
        "alter database \"%s\" set default_transaction_isolation = 'repeatable read'" % patient.target.name
    )
    patient.start()
    with Session(patient.target) as other:
        other.sql("begin isolation level read committed; update rowhaul.offsets set updated_at = now()")
        wait_until(lambda: somebody_waits(patient.target), 30, "the worker to wait for the ledger")
        other.sql("commit")
        patient.wait_event("batch_retried", "40001")
    patient.check_recovery()


def somebody_waits(database):
    return database.value(
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    ) != "0"


def cut_sessions(database):
    database.sql(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and application_name like 'rowhaul%'"
    )


def a_role_without_connections_left_is_tried_until_it_has_some(parts):
    owner = parts.target.database()
    role = parts.unique("e2e_role")
    owner.sql("create role %s login password 'pw'; alter database \"%s\" owner to %s" % (role, owner.name, role))
    owner.sql("alter schema public owner to %s" % role)
    parts.at_end(lambda: owner.sql("drop owned by %s; alter database \"%s\" owner to postgres; drop role %s"
                                   % (role, owner.name, role)))
    scheme, _, address = owner.url.rpartition("@")
    patient = Patient(parts, target=Database("postgresql://%s:pw@%s" % (role, address)))
    patient.start()
    owner.sql("alter role %s connection limit 0" % role)
    cut_sessions(owner)
    patient.wait_event("target_lost", "53300")
    owner.sql("alter role %s connection limit -1" % role)
    patient.check_recovery()


def a_target_that_became_read_only_is_waited_for(parts):
    patient = Patient(parts)
    patient.start()
    with read_only_server(parts, patient.target):
        patient.wait_event("target_lost", "25006")
        time.sleep(1)  # new sessions are read-only as well
        check(patient.run.is_running(), "the run has ended")
    patient.check_recovery()


class read_only_server:
    """What a primary does when its role is taken from it: sessions that are open become read-only too."""

    def __init__(self, parts, database):
        self.database = database
        parts.at_end(self._write)  # also when the test fails

    def _set(self, command):
        with Session(self.database) as session:
            session.sql("set default_transaction_read_only = off")
            session.sql(command)
            session.sql("select pg_reload_conf()")

    def _write(self):
        self._set("alter system reset default_transaction_read_only")

    def __enter__(self):
        self._set("alter system set default_transaction_read_only = on")

    def __exit__(self, *_):
        self._write()


def a_target_that_is_shut_down_in_good_order_is_waited_for(parts):
    patient = Patient(parts)
    patient.start()
    parts.restart("target")
    # Perhaps without 57P01: the server's farewell may come after the failure to send.
    patient.run.wait_event("target_lost", 40, program="rowhaul-worker")
    patient.check_recovery()


main(
    a_statement_that_takes_too_long_is_tried_again_with_smaller_batches,
    a_lock_that_is_not_to_be_had_is_waited_for,
    the_victim_of_a_deadlock_tries_again,
    a_serialization_failure_is_tried_again,
    a_role_without_connections_left_is_tried_until_it_has_some,
    a_target_that_became_read_only_is_waited_for,
    a_target_that_is_shut_down_in_good_order_is_waited_for,
)
