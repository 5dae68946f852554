/*
 * Names of topics, and the mapping's text that a run keeps.
 */
#include "common/arena.h"
#include "common/run_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct arena arena;

static int setup(void **state RH_UNUSED)
{
    arena_init(&arena, (size_t)16 << 20);
    return 0;
}

static int teardown(void **state RH_UNUSED)
{
    arena_release(&arena);
    return 0;
}

static struct run make(const char *const *ids, size_t count)
{
    static const struct settings settings = {.topics_prefix = "rowhaul", .name = "crm"};
    struct plan_table *tables = arena_must_alloc(&arena, count * sizeof(*tables));
    for (size_t i = 0; i < count; i++) {
        tables[i].id = ids[i];
    }
    struct run run = {.plan = {.tables = tables, .tables_count = count}};
    run_names_make(&settings, &arena, &run);
    return run;
}

static void a_topic_is_named_after_prefix_migration_and_table(void **state RH_UNUSED)
{
    const char *const ids[] = {"users", "Order items"};
    struct run run = make(ids, 2);
    assert_string_equal(run.topics[0].name, "rowhaul.crm.users");
    assert_string_equal(run.topics[1].name, "rowhaul.crm.Order_x20_items");
    assert_string_equal(run.state_topic, "rowhaul.crm.state");
    assert_string_equal(run.control_topic, "rowhaul.crm.control");
    assert_string_equal(run.group, "rowhaul.crm");
    assert_ptr_equal(run.topics[1].table, &run.plan.tables[1]);
}

static void names_that_metrics_cannot_tell_apart_end_in_a_hash(void **state RH_UNUSED)
{
    const char *const ids[] = {"a.b", "a_b", "ab"};
    struct run run = make(ids, 3);
    assert_int_equal(strlen(run.topics[0].name), strlen("rowhaul.crm.a.b_") + 16);
    assert_int_equal(strlen(run.topics[1].name), strlen("rowhaul.crm.a_b_") + 16);
    assert_string_equal(run.topics[2].name, "rowhaul.crm.ab");
    const size_t start = strlen("rowhaul.crm.a.b_");
    assert_string_not_equal(run.topics[0].name + start, run.topics[1].name + start);
}

static void an_id_that_looks_escaped_does_not_meet_the_escaped_one(void **state RH_UNUSED)
{
    const char *const ids[] = {"a b", "a_x20_b"};
    struct run run = make(ids, 2);
    assert_string_not_equal(run.topics[0].name, run.topics[1].name);
}

static void a_table_called_state_does_not_take_the_state_topic(void **state RH_UNUSED)
{
    const char *const ids[] = {"state", "control"};
    struct run run = make(ids, 2);
    assert_string_equal(run.state_topic, "rowhaul.crm.state");
    assert_string_not_equal(run.topics[0].name, run.state_topic);
    assert_string_not_equal(run.topics[1].name, run.control_topic);
}

static void a_name_has_at_most_249_bytes(void **state RH_UNUSED)
{
    char fits[238];
    memset(fits, 'x', sizeof(fits));
    fits[237] = '\0';
    char longer[239];
    memset(longer, 'x', sizeof(longer));
    longer[238] = '\0';
    const char *const ids[] = {fits, longer};
    struct run run = make(ids, 2);
    assert_int_equal(strlen(run.topics[0].name), 249);
    assert_string_equal(run.topics[0].name + strlen("rowhaul.crm."), fits);
    assert_int_equal(strlen(run.topics[1].name), 249);
    assert_int_equal(run.topics[1].name[232], '_');
}

static void partitions_are_numbered_over_all_topics(void **state RH_UNUSED)
{
    const char *const ids[] = {"a", "b", "c"};
    struct run run = make(ids, 3);
    run.topics[0].partitions = 12;
    run.topics[1].partitions = 1;
    run.topics[2].partitions = 3;
    run_partitions_number(&run);
    assert_int_equal(run.partitions_count, 16);
    assert_int_equal(run.topics[0].first_partition, 0);
    assert_int_equal(run.topics[1].first_partition, 12);
    assert_int_equal(run.topics[2].first_partition, 13);
    assert_ptr_equal(run_topic_find(&run, bytes_of("rowhaul.crm.b")), &run.topics[1]);
    assert_null(run_topic_find(&run, bytes_of("rowhaul.crm")));
}

static const struct node *parse(const char *text)
{
    struct document document;
    struct error err;
    if (!document_parse("test.yaml", bytes_of(text), &arena, &document, &err)) {
        fail_msg("%s\nin\n%s", err.text, text);
    }
    return document.root;
}

static const char *kept(const char *text)
{
    const struct document document = {"test.yaml", (struct node *)(uintptr_t)parse(text)};
    return run_mapping_text(&document, &arena);
}

static void assert_same_node(const struct node *a, const struct node *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->count, b->count);
    switch (a->kind) {
    case NODE_SCALAR:
        assert_true(bytes_equal(a->text, b->text));
        /* A plain text that no number, truth or null can be may be quoted, which means the same. */
        assert_true(a->quoted == b->quoted || strcmp(a->text.ptr, "-") == 0 ||
                    a->text.ptr[strspn(a->text.ptr, "0123456789.+-eEtrufalsn~")] != '\0');
        return;
    case NODE_SEQUENCE:
        for (size_t i = 0; i < a->count; i++) {
            assert_same_node(a->items[i], b->items[i]);
        }
        return;
    case NODE_MAPPING:
        for (size_t i = 0; i < a->count; i++) {
            assert_same_node(a->pairs[i].key, b->pairs[i].key);
            assert_same_node(a->pairs[i].value, b->pairs[i].value);
        }
        return;
    }
}

static void the_kept_mapping_has_no_servers_and_no_passwords(void **state RH_UNUSED)
{
    const char *text = kept("version: 1\nname: m\nsource: {url: \"postgresql://u:secret@h/d\"}\n"
                            "target: {url: 'host=h password=secret'}\n"
                            "kafka: {sasl.password: secret}\nvars: {a: 1}\ntables: [{from: t}]\n");
    assert_null(strstr(text, "secret"));
    assert_string_equal(text, "version: 1\nname: m\nvars:\n  a: 1\ntables:\n  -\n    from: t\n");
}

static void the_kept_mapping_reads_back_as_the_same_document(void **state RH_UNUSED)
{
    static const char text[] =
        "name: m\n"
        "vars: {company: {name: Bestays Realty, phone: \"+66\", hours: Mon-Fri 9am-6pm}, n: ~, e: "
        "}\n"
        "tables:\n"
        "  - &first\n"
        "    id: 'it''s'\n"
        "    from: [public, \"a.b\"]\n"
        "    where: {deleted_at: null, \"odd: key\": yes, quoted: \"null\"}\n"
        "    to: []\n"
        "    more: {}\n"
        "    text: |\n"
        "      several\n"
        "      \"lines\" with \\ and\ttab\n"
        "    folded: one\n"
        "\n"
        "      two\n"
        "    price: 2.50\n"
        "    name: \"${company.name} # no comment\"\n"
        "    thai: \xe0\xb8\xaa\xe0\xb8\xa7\xe0\xb8\xb1\xe0\xb8\xaa\n"
        "    dashes: [-, a, {x: -}, [-]]\n"
        "    nested: [[1, [2, {a: [3]}]], []]\n"
        "    control: \"\\x01\\x7f\\e\"\n"
        "    ? \n"
        "    : the key is nothing\n"
        "    breaks: \"a\\Nb\\L\\P\"\n"
        "    refused in the open: \"\\x80\\uFEFF\\uFFFE\"\n"
        "  - *first\n";
    const struct node *before = parse(text);
    const char *written = kept(text);
    const struct node *after = parse(written);
    assert_same_node(node_get(before, "vars"), node_get(after, "vars"));
    assert_same_node(node_get(before, "tables"), node_get(after, "tables"));
    assert_string_equal(kept(written), written);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_topic_is_named_after_prefix_migration_and_table),
        cmocka_unit_test(names_that_metrics_cannot_tell_apart_end_in_a_hash),
        cmocka_unit_test(an_id_that_looks_escaped_does_not_meet_the_escaped_one),
        cmocka_unit_test(a_table_called_state_does_not_take_the_state_topic),
        cmocka_unit_test(a_name_has_at_most_249_bytes),
        cmocka_unit_test(partitions_are_numbered_over_all_topics),
        cmocka_unit_test(the_kept_mapping_has_no_servers_and_no_passwords),
        cmocka_unit_test(the_kept_mapping_reads_back_as_the_same_document),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
