#include "cli/overview.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A run of two tables: users with two partitions, teams with one. */
struct fixture {
    struct arena arena;
    struct overview_table tables[2];
    struct overview_partition partitions[3];
    struct overview overview;
};

static void finish_table(struct overview_table *table, uint64_t rows)
{
    table->accounting.rows_read = table->accounting.rows_enqueued = rows;
    table->accounting.rows_estimate = table->accounting.accepted = rows;
    table->accounting.applied = rows;
    table->accounting.backfill_done = true;
    table->barrier_passed = true;
}

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture = (struct fixture){
        .tables = {{.id = "users"}, {.id = "teams"}},
        .partitions = {{.table = 0, .topic = "t.users", .partition = 0, .applied_lsn = "0/1"},
                       {.table = 0, .topic = "t.users", .partition = 1, .applied_lsn = "0/1"},
                       {.table = 1, .topic = "t.teams", .partition = 0, .applied_lsn = "0/2"}},
    };
    arena_init(&fixture.arena, 65536);
    fixture.overview = (struct overview){
        .migration = "crm",
        .run = "5f0c2b7a-91d3-4e68-b0a7-c4d21e3f8095",
        .state = "running",
        .tables_count = 2,
        .tables = fixture.tables,
        .partitions_count = 3,
        .partitions = fixture.partitions,
    };
    finish_table(&fixture.tables[0], 1304);
    finish_table(&fixture.tables[1], 20);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    arena_release(&fixture->arena);
    return 0;
}

static void assert_reason(const struct overview *overview, const char *expected)
{
    assert_false(overview->ready);
    for (size_t i = 0; i < overview->reasons_count; i++) {
        if (strcmp(overview->reasons[i], expected) == 0) {
            return;
        }
    }
    fail_msg("no reason is \"%s\"", expected);
}

static void a_table_goes_from_waiting_to_done(void **state)
{
    struct fixture *f = *state;
    struct overview_table *table = &f->tables[0];
    *table = (struct overview_table){.id = "users"};
    overview_judge(&f->overview, &f->arena);
    assert_int_equal(table->stage, TABLE_WAITING);
    table->accounting.rows_read = table->accounting.rows_enqueued = 1;
    overview_judge(&f->overview, &f->arena);
    assert_int_equal(table->stage, TABLE_BACKFILL);
    table->accounting.backfill_done = true;
    overview_judge(&f->overview, &f->arena);
    assert_int_equal(table->stage, TABLE_APPLYING);
    assert_reason(&f->overview, "table users: applying");
    table->barrier_passed = true;
    overview_judge(&f->overview, &f->arena);
    assert_int_equal(table->stage, TABLE_DONE);
}

static void messages_applied_before_the_first_heartbeat_are_a_backfill(void **state)
{
    struct fixture *f = *state;
    f->tables[0] = (struct overview_table){.id = "users", .accounting = {.accepted = 1}};
    overview_judge(&f->overview, &f->arena);
    assert_int_equal(f->tables[0].stage, TABLE_BACKFILL);
}

static void a_run_whose_tables_are_done_is_ready(void **state)
{
    struct fixture *f = *state;
    overview_judge(&f->overview, &f->arena);
    assert_true(f->overview.balanced);
    assert_true(f->overview.ready);
    assert_int_equal(f->overview.reasons_count, 0);
}

static void every_reason_against_a_cutover_is_named(void **state)
{
    struct fixture *f = *state;
    f->overview.barriers_missing = 2;
    overview_judge(&f->overview, &f->arena);
    assert_reason(&f->overview, "2 partitions have not applied the end barrier");
    f->overview.barriers_missing = 1;
    overview_judge(&f->overview, &f->arena);
    assert_reason(&f->overview, "1 partition has not applied the end barrier");

    f->overview.state = "paused";
    f->overview.reason = "too many rejects";
    f->tables[0].accounting.parked = 2;
    f->tables[1].accounting.rejected = 1;
    overview_judge(&f->overview, &f->arena);
    assert_reason(&f->overview, "the run is paused: too many rejects");
    assert_reason(&f->overview, "2 rows are parked");
    assert_reason(&f->overview, "1 row is rejected");
    assert_reason(&f->overview, "the accounting does not balance");

    f->overview.state = "failed";
    f->overview.reason = NULL;
    overview_judge(&f->overview, &f->arena);
    assert_reason(&f->overview, "the run is failed");
}

static void all_reasons_at_once_have_room(void **state)
{
    struct fixture *f = *state;
    f->tables[0] = (struct overview_table){.id = "users"};
    f->tables[1] = (struct overview_table){.id = "teams"};
    f->tables[0].accounting.parked = f->tables[0].accounting.rejected = 1;
    f->overview.state = "paused";
    f->overview.barriers_missing = 3;
    overview_judge(&f->overview, &f->arena);
    assert_int_equal(f->overview.reasons_count, 6);
}

static void oversize_rows_are_rejects(void **state)
{
    struct fixture *f = *state;
    f->tables[0].accounting.applied -= 3;
    f->tables[0].accounting.rejected = 2;
    f->tables[0].accounting.oversize = 1;
    overview_judge(&f->overview, &f->arena);
    assert_true(f->overview.balanced);
    assert_int_equal(f->overview.rejects, 3);
}

static void one_table_that_does_not_balance_is_enough(void **state)
{
    struct fixture *f = *state;
    f->tables[0].accounting.rows_dropped = 1;
    overview_judge(&f->overview, &f->arena);
    assert_false(f->overview.balanced);
}

static void pending_is_summed_over_a_table_and_unknown_when_a_part_is(void **state)
{
    struct fixture *f = *state;
    f->partitions[0].high_offset = 10;
    f->partitions[0].next_offset = 4;
    f->partitions[1].high_offset = 3;
    f->partitions[2].high_offset = OFFSET_UNKNOWN;
    f->partitions[2].next_offset = 4;
    overview_judge(&f->overview, &f->arena);
    assert_int_equal(f->tables[0].pending, 9);
    assert_int_equal(f->tables[1].pending, OFFSET_UNKNOWN);
}

static void the_generation_is_the_highest_of_the_partitions(void **state)
{
    struct fixture *f = *state;
    f->partitions[1].generation = 3;
    f->partitions[2].generation = 2;
    overview_judge(&f->overview, &f->arena);
    assert_int_equal(f->overview.generation, 3);
}

static void the_json_has_its_fixed_names(void **state)
{
    struct fixture *f = *state;
    f->overview.tables_count = 1;
    f->overview.partitions_count = 1;
    f->partitions[0].next_offset = 4;
    f->partitions[0].high_offset = OFFSET_UNKNOWN;
    f->tables[0].accounting.parked = 1;
    f->tables[0].accounting.applied--;
    overview_judge(&f->overview, &f->arena);
    json_t *json = overview_to_json(&f->overview);
    char *text = json_dumps(json, JSON_COMPACT);
    assert_string_equal(
        text,
        "{\"migration\":\"crm\",\"run\":\"5f0c2b7a-91d3-4e68-b0a7-c4d21e3f8095\","
        "\"state\":\"running\",\"generation\":0,\"tables\":[{\"id\":\"users\",\"state\":\"done\","
        "\"rows_read\":1304,\"rows_enqueued\":1304,\"rows_dropped\":0,\"rows_filtered\":0,"
        "\"rows_estimate\":1304,\"accepted\":1304,\"applied\":1303,\"unchanged\":0,\"deleted\":0,"
        "\"folded\":0,\"filtered\":0,\"deduplicated\":0,\"superseded\":0,\"rejected\":0,"
        "\"parked\":1,\"oversize\":0,\"skipped\":0,\"rows_written\":0,\"bytes_applied\":0,"
        "\"pending\":null}],\"partitions\":[{\"topic\":\"t.users\",\"partition\":0,"
        "\"next_offset\":4,\"high_offset\":null,\"epoch\":0,\"owner\":null,\"generation\":0,"
        "\"sequence\":0,\"applied_lsn\":\"0/1\"}],\"accounting\":{\"balanced\":true},"
        "\"rejects\":0,\"parked\":1,\"lag_bytes\":null,\"lag_seconds\":null,"
        "\"cutover\":{\"ready\":false,\"reasons\":[\"1 row is parked\"]}}");
    free(text);
    json_decref(json);
}

static void assert_prints(struct overview *overview, const char *expected)
{
    char *text = NULL;
    size_t len = 0;
    FILE *stream = open_memstream(&text, &len);
    assert_non_null(stream);
    overview_print(overview, stream);
    assert_int_equal(fclose(stream), 0);
    assert_string_equal(text, expected);
    free(text);
}

static void the_text_says_whether_one_can_cut_over(void **state)
{
    struct fixture *f = *state;
    overview_judge(&f->overview, &f->arena);
    assert_prints(&f->overview,
                  "crm: run 5f0c2b7a-91d3-4e68-b0a7-c4d21e3f8095, running, generation 0\n"
                  "\n"
                  "table  state    done   rows     of  rate  ETA  pending  rejects  parked\n"
                  "users  done   100.0%  1,304  1,304     -    -        0        0       0\n"
                  "teams  done   100.0%     20     20     -    -        0        0       0\n"
                  "\n"
                  "accounting: balanced\n"
                  "cutover: ready: backfilled\n");
}

static void the_text_of_a_busy_run_has_rates_and_estimates(void **state)
{
    struct fixture *f = *state;
    f->tables[0] = (struct overview_table){
        .id = "users",
        .accounting = {.rows_read = 700,
                       .rows_enqueued = 700,
                       .rows_estimate = 1000,
                       .accepted = 612,
                       .applied = 612},
        .per_second = 10,
    };
    f->tables[1] = (struct overview_table){.id = "teams", .accounting = {.rows_estimate = 5000}};
    f->partitions[0].high_offset = 88;
    overview_judge(&f->overview, &f->arena);
    assert_prints(&f->overview,
                  "crm: run 5f0c2b7a-91d3-4e68-b0a7-c4d21e3f8095, running, generation 0\n"
                  "\n"
                  "table  state      done  rows     of  rate  ETA  pending  rejects  parked\n"
                  "users  backfill  61.2%   612  1,000  10/s  39s       88        0       0\n"
                  "teams  waiting       -     0  5,000     -  TBD        0        0       0\n"
                  "\n"
                  "accounting: balanced\n"
                  "cutover: not ready: table users: backfill; table teams: waiting\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_table_goes_from_waiting_to_done, set_up, tear_down),
        cmocka_unit_test_setup_teardown(messages_applied_before_the_first_heartbeat_are_a_backfill,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_run_whose_tables_are_done_is_ready, set_up, tear_down),
        cmocka_unit_test_setup_teardown(every_reason_against_a_cutover_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(all_reasons_at_once_have_room, set_up, tear_down),
        cmocka_unit_test_setup_teardown(oversize_rows_are_rejects, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_table_that_does_not_balance_is_enough, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(pending_is_summed_over_a_table_and_unknown_when_a_part_is,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_generation_is_the_highest_of_the_partitions, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_json_has_its_fixed_names, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_text_says_whether_one_can_cut_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_text_of_a_busy_run_has_rates_and_estimates, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
