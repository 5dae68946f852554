/*
 * run_names -- the names of a run's topics and group. Pure: no catalog, no Kafka.
 */
#include "common/run_parts.h"

#include <string.h>

/* Names the tables' topics may not take. */
static const char state_suffix[] = "state";
static const char control_suffix[] = "control";

/* Kafka's metric names turn '.' into '_', so brokers refuse or warn about such neighbours. */
static bool metrics_collide(const char *a, const char *b)
{
    while (*a != '\0' && *b != '\0') {
        char left = *a == '.' ? '_' : *a;
        char right = *b == '.' ? '_' : *b;
        if (left != right) {
            return false;
        }
        a++;
        b++;
    }
    return *a == *b;
}

static bool collides(const struct run *run, const char *const *plain, size_t index)
{
    for (size_t i = 0; i < run->topics_count; i++) {
        if (i != index && metrics_collide(plain[i], plain[index])) {
            return true;
        }
    }
    return metrics_collide(plain[index], run->state_topic) ||
           metrics_collide(plain[index], run->control_topic);
}

void run_names_make(const struct settings *settings, struct arena *arena, struct run *run)
{
    const char *prefix = settings->topics_prefix;
    const char *migration = settings->name;
    run->migration = arena_must_strdup(arena, migration);
    run->state_topic = kafka_topic_name(arena, prefix, migration, state_suffix);
    run->control_topic = kafka_topic_name(arena, prefix, migration, control_suffix);
    run->group = arena_must_printf(arena, "%s.%s", prefix, migration);
    run->topics_count = run->plan.tables_count;
    run->topics = arena_must_alloc(arena, (run->topics_count + 1) * sizeof(*run->topics));
    const char **plain = arena_must_alloc(arena, (run->topics_count + 1) * sizeof(*plain));
    for (size_t i = 0; i < run->topics_count; i++) {
        plain[i] = kafka_topic_name(arena, prefix, migration, run->plan.tables[i].id);
    }
    for (size_t i = 0; i < run->topics_count; i++) {
        const struct plan_table *table = &run->plan.tables[i];
        run->topics[i].table = table;
        run->topics[i].name = collides(run, plain, i)
                                  ? kafka_topic_name_hashed(arena, prefix, migration, table->id)
                                  : plain[i];
    }
}

void run_partitions_number(struct run *run)
{
    run->partitions_count = 0;
    for (size_t i = 0; i < run->topics_count; i++) {
        REQUIRE(run->topics[i].partitions > 0);
        run->topics[i].first_partition = run->partitions_count;
        run->partitions_count += run->topics[i].partitions;
    }
}

const struct run_topic *run_topic_find(const struct run *run, struct bytes topic)
{
    for (size_t i = 0; i < run->topics_count; i++) {
        if (bytes_is(topic, run->topics[i].name)) {
            return &run->topics[i];
        }
    }
    return NULL;
}
