/*
 * A run of two tables, built in place: `users`, key (id), three partitions; `events`, key (tenant,
 * nr), two partitions and a condition.
 */
#ifndef RH_TESTS_UNIT_PRODUCER_FIXTURE_H
#define RH_TESTS_UNIT_PRODUCER_FIXTURE_H

#include "common/run.h"

#include <string.h>

#define FIXTURE_PARTITIONS 5

struct fixture {
    struct run run;
    struct settings settings;
    struct catalog_column columns[5];
    struct catalog_table sources[2];
    const struct catalog_column *wire[5];
    struct plan_table tables[2];
    struct run_topic topics[2];
    size_t keys[3];
    enum key_kind key_kinds[3];
};

static void fixture_columns(struct fixture *f)
{
    static const struct catalog_column columns[] = {
        {.name = "id", .type = "bigint", .base_type = "bigint", .type_name = "int8"},
        {.name = "na\"me", .type = "text", .base_type = "text", .type_name = "text"},
        {.name = "tenant", .type = "text", .base_type = "text", .type_name = "text"},
        {.name = "nr", .type = "numeric(10,2)", .base_type = "numeric", .type_name = "numeric"},
        {.name = "body", .type = "text", .base_type = "text", .type_name = "text"},
    };

    memcpy(f->columns, columns, sizeof(columns));
    for (size_t i = 0; i < 5; i++) {
        f->columns[i].type_schema = "pg_catalog";
        f->columns[i].type_type = 'b';
        f->columns[i].collation_deterministic = true;
        f->wire[i] = &f->columns[i];
    }
    f->keys[0] = 0;
    f->keys[1] = 0;
    f->keys[2] = 1;
    f->key_kinds[0] = KEY_VERBATIM;
    f->key_kinds[1] = KEY_VERBATIM;
    f->key_kinds[2] = KEY_NUMERIC;
}

static inline void fixture_init(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    fixture_columns(f);
    f->sources[0] = (struct catalog_table){.schema = "public",
                                           .name = "users",
                                           .kind = 'r',
                                           .rows_estimate = 10,
                                           .columns_count = 2,
                                           .columns = &f->columns[0]};
    f->sources[1] = (struct catalog_table){.schema = "public",
                                           .name = "events",
                                           .kind = 'p',
                                           .rows_estimate = 20,
                                           .columns_count = 3,
                                           .columns = &f->columns[2]};
    f->tables[0] = (struct plan_table){.index = 0,
                                       .id = "users",
                                       .source = &f->sources[0],
                                       .columns_count = 2,
                                       .columns = &f->wire[0],
                                       .key_count = 1,
                                       .key = &f->keys[0],
                                       .key_kinds = &f->key_kinds[0],
                                       .where_sql = ""};
    f->tables[1] = (struct plan_table){.index = 1,
                                       .id = "events",
                                       .source = &f->sources[1],
                                       .columns_count = 3,
                                       .columns = &f->wire[2],
                                       .key_count = 2,
                                       .key = &f->keys[1],
                                       .key_kinds = &f->key_kinds[1],
                                       .where_sql = "\"body\" IS NOT NULL",
                                       .level = 1};
    f->topics[0] = (struct run_topic){&f->tables[0], "test.m.users", 3, 0};
    f->topics[1] = (struct run_topic){&f->tables[1], "test.m.events", 2, 3};
    memset(f->run.id, 7, RUN_ID_BYTES);
    f->run.migration = "m";
    f->run.system_identifier = "1";
    f->run.plan = (struct plan){.name = "m",
                                .source_fingerprint = 42,
                                .tables_count = 2,
                                .tables = f->tables,
                                .levels_count = 2};
    f->run.topics = f->topics;
    f->run.topics_count = 2;
    f->run.partitions_count = FIXTURE_PARTITIONS;
    f->run.state_topic = "test.m.state";
    f->settings.name = "m";
    f->settings.topics_prefix = "test";
    f->settings.topics_max_message_bytes = 1024;
    f->settings.topics_oversize = OVERSIZE_REJECT;
    f->settings.backfill_checkpoint_ms = 1000;
    f->settings.backfill_queue_bytes = (uint64_t)16 << 20;
}

#endif
