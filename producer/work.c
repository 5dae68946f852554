#include "producer/work.h"

void work_init(struct work *work, size_t tables_max, struct arena *arena)
{
    *work = (struct work){.tables = arena_must_alloc(arena, tables_max * sizeof(*work->tables))};
}

void work_reset(struct work *work)
{
    work->tables_count = work->first = 0;
}

void work_add(struct work *work, const struct plan_table *table)
{
    size_t to = work->tables_count++;

    for (; to > 0 && work->tables[to - 1].table->source->bytes < table->source->bytes; to--) {
        work->tables[to] = work->tables[to - 1];
    }
    work->tables[to] = (struct table_work){.table = table};
}

static bool is_taken(const struct table_work *table)
{
    return table->state == TABLE_DIVIDED && table->ranges_taken == table->ranges_count;
}

struct work_item work_take(struct work *work)
{
    struct work_item item = {.kind = WORK_ENDED};

    while (work->first < work->tables_count && is_taken(&work->tables[work->first])) {
        work->first++;
    }
    for (size_t i = work->first; i < work->tables_count; i++) {
        struct table_work *table = &work->tables[i];

        switch (table->state) {
        case TABLE_WAITS:
            table->state = TABLE_AT_DIVISION;
            return (struct work_item){.kind = WORK_DIVIDE, .table = table};
        case TABLE_AT_DIVISION:
            item.kind = WORK_WAIT;
            break;
        case TABLE_DIVIDED:
            if (!is_taken(table)) {
                return (struct work_item){WORK_RANGE, table, table->ranges_taken++};
            }
            break;
        }
    }
    return item;
}

void work_divided(struct table_work *table, size_t ranges_count)
{
    REQUIRE(table->state == TABLE_AT_DIVISION && ranges_count > 0);
    table->state = TABLE_DIVIDED;
    table->ranges_count = ranges_count;
}
