#include "common/document.h"
#include "common/nearest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { ARENA_BYTES = 64 * 1024 * 1024 };

struct fixture {
    struct arena arena;
    struct document document;
    struct error err;
};

static int set_up(void **state)
{
    static struct fixture fixture;
    memset(&fixture, 0, sizeof(fixture));
    arena_init(&fixture.arena, ARENA_BYTES);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    arena_release(&fixture->arena);
    return 0;
}

static const struct node *parse(struct fixture *fixture, const char *text)
{
    if (!document_parse("f.yaml", bytes_of(text), &fixture->arena, &fixture->document,
                        &fixture->err)) {
        fail_msg("%s", fixture->err.text);
    }
    return fixture->document.root;
}

static void refused_bytes(struct fixture *fixture, struct bytes bytes, const char *code,
                          const char *text)
{
    struct document untouched = fixture->document;
    assert_false(
        document_parse("f.yaml", bytes, &fixture->arena, &fixture->document, &fixture->err));
    assert_string_equal(fixture->err.text, text);
    assert_string_equal(fixture->err.code, code);
    assert_int_equal(fixture->err.exit_code, EXIT_CONFIG);
    assert_int_equal(fixture->err.action, ERROR_STOP);
    assert_memory_equal(&untouched, &fixture->document, sizeof(untouched));
}

static void refused(struct fixture *fixture, const char *yaml, const char *code, const char *text)
{
    refused_bytes(fixture, bytes_of(yaml), code, text);
}

/* `unit` repeated; the caller frees nothing, the arena holds it. */
static char *repeated(struct fixture *fixture, const char *start, const char *unit, size_t times,
                      const char *end)
{
    size_t unit_len = strlen(unit);
    size_t size = strlen(start) + unit_len * times + strlen(end) + 1;
    char *text = arena_must_alloc(&fixture->arena, size);
    char *p = text + strlen(start);
    memcpy(text, start, strlen(start));
    for (size_t i = 0; i < times; i++, p += unit_len) {
        memcpy(p, unit, unit_len);
    }
    memcpy(p, end, strlen(end));
    return text;
}

static void nodes_know_their_place(void **state)
{
    const struct node *root = parse(*state, "name: crm\ntables:\n  - id: users\n    to: [a, b]\n");
    assert_int_equal(root->kind, NODE_MAPPING);
    assert_int_equal(root->count, 2);
    const struct node *tables = node_get(root, "tables");
    assert_int_equal(tables->kind, NODE_SEQUENCE);
    const struct node *to = node_get(tables->items[0], "to");
    assert_int_equal(to->items[1]->line, 4);
    assert_int_equal(to->items[1]->column, 13);
    assert_string_equal(to->items[1]->text.ptr, "b");
    assert_int_equal(tables->items[0]->pairs[1].key->line, 4);
    assert_int_equal(tables->items[0]->pairs[1].key->column, 5);
}

static void quotes_make_a_text(void **state)
{
    const struct node *root = parse(
        *state, "plain: 1\nquoted: \"1\"\nblock: |\n  1\ntagged: !!str 1\nother: !!int \"1\"\n");
    assert_false(node_get(root, "plain")->quoted);
    assert_true(node_get(root, "quoted")->quoted);
    assert_true(node_get(root, "block")->quoted);
    assert_true(node_get(root, "tagged")->quoted);
    assert_false(node_get(root, "other")->quoted);
    assert_string_equal(node_get(root, "block")->text.ptr, "1\n");
}

static void only_plain_nothing_is_null(void **state)
{
    const struct node *root =
        parse(*state, "a:\nb: ~\nc: null\nd: ''\ne: \"null\"\nf: nil\ng: []\n");
    assert_true(node_is_null(node_get(root, "a")));
    assert_true(node_is_null(node_get(root, "b")));
    assert_true(node_is_null(node_get(root, "c")));
    assert_false(node_is_null(node_get(root, "d")));
    assert_false(node_is_null(node_get(root, "e")));
    assert_false(node_is_null(node_get(root, "f")));
    assert_false(node_is_null(node_get(root, "g")));
    assert_false(node_is_null(NULL));
}

static void looking_into_nothing_finds_nothing(void **state)
{
    const struct node *root = parse(*state, "a: b\n");
    assert_null(node_get(NULL, "a"));
    assert_null(node_get(root, "b"));
    assert_null(node_get(node_get(root, "a"), "b"));
    assert_true(node_is_text(node_get(root, "a"), "b"));
    assert_false(node_is_text(root, "b"));
    assert_false(node_is_text(NULL, "b"));
}

static void an_alias_is_the_anchored_node(void **state)
{
    const struct node *root = parse(*state, "a: &x {b: c}\nd: *x\ne: [*x, *x]\n");
    assert_ptr_equal(node_get(root, "a"), node_get(root, "d"));
    assert_ptr_equal(node_get(root, "a"), node_get(root, "e")->items[1]);
}

static void aliases_need_an_anchor_that_is_finished(void **state)
{
    refused(*state, "a: *x\nb: &x 1\n", "RH-3006",
            "f.yaml:1:4: alias \"x\" has no anchor above it");
    refused(*state, "a: &x\n  b: *x\n", "RH-3006",
            "f.yaml:2:6: alias \"x\" stands inside its own anchor");
    refused(*state, "a: &x 1\nb: &x 2\n", "RH-3006",
            "f.yaml:2:4: anchor \"x\" is already defined at line 1, column 4");
}

static void anchors_are_limited(void **state)
{
    struct fixture *fixture = *state;
    struct buffer buffer;
    buffer_init(&buffer, &fixture->arena, 1024 * 1024);
    for (int i = 0; i < 4096; i++) {
        write_format(&buffer, "- &a%d x\n", i);
    }
    (void)parse(fixture, buffer_text(&buffer));
    write_text(&buffer, "- &last x\n");
    refused(fixture, buffer_text(&buffer), "RH-3005",
            "f.yaml:4097:3: file has more than 4096 anchors");
}

static void a_key_that_stands_twice_is_refused_with_both_places(void **state)
{
    refused(*state, "a: 1\nb: 2\n\"a\": 3\n", "RH-3003",
            "f.yaml:3:1: key \"a\" is already at line 1, column 1");
    /* The first that is one too many, not the first by name. */
    refused(*state, "z: 1\na: 1\nz: 2\na: 2\n", "RH-3003",
            "f.yaml:3:1: key \"z\" is already at line 1, column 1");
    (void)parse(*state, "a: {a: 1}\nA: 2\n");
}

static void yaml_that_is_left_out_says_so(void **state)
{
    refused(*state, "a: &a {b: c}\nd:\n  <<: *a\n", "RH-3004",
            "f.yaml:3:3: merge keys (\"<<\") are not supported");
    assert_string_equal(((struct fixture *)*state)->err.hint,
                        "write the keys out, or use an alias for a whole value");
    refused(*state, "a: 1\n---\nb: 2\n", "RH-3004", "f.yaml:2:1: file has more than one document");
    refused(*state, "[a]: 1\n", "RH-3004", "f.yaml:1:1: a key must be a text");
    refused(*state, "a: !!timestamp 2026-01-01\n", "RH-3004",
            "f.yaml:1:4: tag \"tag:yaml.org,2002:timestamp\" is not supported here");
    refused(*state, "a: !secret x\n", "RH-3004",
            "f.yaml:1:4: tag \"!secret\" is not supported here");
    refused(*state, "a: !!map x\n", "RH-3004",
            "f.yaml:1:4: tag \"tag:yaml.org,2002:map\" is not supported here");
    (void)parse(*state, "a: !!int 1\nb: !!seq [c]\nd: !!map {e: f}\ng: ! h\n\"<<\": i\n");
}

static void an_empty_file_is_refused(void **state)
{
    refused(*state, "", "RH-3002", "f.yaml:1:1: file is empty");
    refused(*state, "# comment\n", "RH-3002", "f.yaml:1:1: file is empty");
    refused(*state, "---\n...\n", "RH-3002", "f.yaml:1:1: file is empty");
    refused(*state, "\xEF\xBB\xBF", "RH-3002", "f.yaml:1:1: file is empty");
}

static void a_byte_order_mark_and_carriage_returns_are_accepted(void **state)
{
    const struct node *root = parse(*state, "\xEF\xBB\xBF"
                                            "a: b\r\nc: d\r\n");
    assert_int_equal(root->pairs[0].key->column, 1);
    assert_int_equal(root->pairs[1].key->line, 2);
    assert_true(node_is_text(node_get(root, "a"), "b"));
}

static void bytes_that_are_no_text_are_refused_with_their_place(void **state)
{
    refused(*state, "a: b\nc: \xC3\x28\n", "RH-3001", "f.yaml:2:5: invalid trailing UTF-8 octet");
    refused(*state, "a: b\nc: x\x01\n", "RH-3001",
            "f.yaml:2:5: control characters are not allowed");
    refused_bytes(*state, BYTES_LITERAL("a: b\nc: d\0e\n"), "RH-3001",
                  "f.yaml:2:5: file has a NUL byte");
    refused_bytes(*state,
                  BYTES_LITERAL("\xFF\xFE"
                                "ab"),
                  "RH-3001", "f.yaml:1:1: invalid leading UTF-8 octet");
    refused(*state, "a: \"b\\0\"\n", "RH-3001", "f.yaml:1:4: text has a NUL character");
}

static void syntax_errors_are_libyamls_with_our_place(void **state)
{
    refused(*state, "a: b\n c: d\n", "RH-3001",
            "f.yaml:2:3: mapping values are not allowed in this context");
    refused(*state, "a: [b\n", "RH-3001",
            "f.yaml:2:1: did not find expected ',' or ']' (while parsing a flow sequence, line 1)");
    refused(*state, "a:\n\tb: c\n", "RH-3001",
            "f.yaml:2:1: found character that cannot start any token (while scanning for the next "
            "token, line 2)");
    assert_string_equal(((struct fixture *)*state)->err.hint,
                        "indent with spaces, YAML does not allow tabs here");
}

static void depth_64_is_accepted_and_65_refused(void **state)
{
    struct fixture *fixture = *state;
    char *fits = repeated(fixture, repeated(fixture, "", "[", 63, "x"), "]", 63, "");
    (void)parse(fixture, fits);
    char *deeper = repeated(fixture, repeated(fixture, "", "[", 64, "x"), "]", 64, "");
    refused(fixture, deeper, "RH-3005", "f.yaml:1:65: values are nested more than 64 deep");
}

static void depth_counts_through_aliases(void **state)
{
    struct fixture *fixture = *state;
    char *anchored = repeated(fixture, repeated(fixture, "a: &x ", "[", 61, "x"), "]", 61, "\n");
    (void)parse(fixture, repeated(fixture, anchored, "b: [*x]\n", 1, ""));
    refused(fixture, repeated(fixture, anchored, "b: [[*x]]\n", 1, ""), "RH-3005",
            "f.yaml:2:6: values are nested more than 64 deep");
}

static void the_200000th_value_is_the_last(void **state)
{
    struct fixture *fixture = *state;
    (void)parse(fixture, repeated(fixture, "[", "x,", 199999, "]"));
    refused(fixture, repeated(fixture, "[", "x,", 200000, "]"), "RH-3005",
            "f.yaml:1:400000: file has more than 200000 values");
}

static void aliases_cannot_multiply_a_small_file(void **state)
{
    struct fixture *fixture = *state;
    char *hundred = repeated(fixture, "a: &a [", "x, ", 999, "x]\n");
    (void)parse(fixture,
                repeated(fixture, repeated(fixture, hundred, "b: [", 1, ""), "*a, ", 198, "]\n"));
    refused(fixture,
            repeated(fixture, repeated(fixture, hundred, "b: [", 1, ""), "*a, ", 200, "]\n"),
            "RH-3005", "f.yaml:2:801: file has more than 200000 values, aliases written out");
}

static void a_file_over_10_mib_is_refused(void **state)
{
    struct fixture *fixture = *state;
    const size_t limit = 10 * 1024 * 1024;
    char *text = arena_must_alloc(&fixture->arena, limit + 1);
    memset(text, ' ', limit + 1);
    text[0] = 'x';
    assert_true(document_parse("f.yaml", (struct bytes){text, limit}, &fixture->arena,
                               &fixture->document, &fixture->err));
    refused_bytes(fixture, (struct bytes){text, limit + 1}, "RH-3005",
                  "f.yaml:1:1: file is larger than 10 MiB");
}

static void a_full_arena_is_a_failure_not_a_crash(void **state)
{
    struct fixture *fixture = *state;
    struct arena small;
    arena_init(&small, 64 * 1024);
    char *text = repeated(fixture, "", "- abcdefghijklmnop\n", 2000, "");
    assert_false(
        document_parse("f.yaml", bytes_of(text), &small, &fixture->document, &fixture->err));
    assert_non_null(strstr(fixture->err.text, ": file needs more memory than it may have"));
    assert_string_equal(fixture->err.code, "RH-3005");
    arena_release(&small);
}

static void a_file_that_cannot_be_opened_is_a_usage_error(void **state)
{
    struct fixture *fixture = *state;
    assert_false(
        document_read("/nowhere/f.yaml", &fixture->arena, &fixture->document, NULL, &fixture->err));
    assert_string_equal(fixture->err.text,
                        "could not open file \"/nowhere/f.yaml\": No such file or directory");
    assert_int_equal(fixture->err.exit_code, EXIT_USAGE);
    assert_string_equal(fixture->err.code, "RH-2001");
    assert_false(document_read("/", &fixture->arena, &fixture->document, NULL, &fixture->err));
    assert_string_equal(fixture->err.text, "could not read file \"/\": Is a directory");
    assert_int_equal(fixture->err.exit_code, EXIT_USAGE);
}

static void a_file_is_read_whole(void **state)
{
    struct fixture *fixture = *state;
    char path[] = "/tmp/document_test_XXXXXX";
    char *text = repeated(fixture, "", "- abcdefghijklmnop\n", 10000, "");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
    struct bytes read = BYTES_EMPTY;
    assert_true(document_read(path, &fixture->arena, &fixture->document, &read, &fixture->err));
    assert_int_equal(unlink(path), 0);
    assert_true(bytes_is(read, text));
    assert_int_equal(fixture->document.root->count, 10000);
    assert_string_equal(fixture->document.name, path);
}

static void an_error_about_a_node_begins_with_its_place(void **state)
{
    struct fixture *fixture = *state;
    const struct node *root = parse(fixture, "a: b\nc: d\n");
    assert_false(document_error(&fixture->document, node_get(root, "c"), &fixture->err,
                                "cannot be \"%s\"", "d"));
    assert_string_equal(fixture->err.text, "f.yaml:2:4: cannot be \"d\"");
    assert_int_equal(fixture->err.exit_code, EXIT_CONFIG);
    assert_int_equal(fixture->err.action, ERROR_STOP);
    assert_false(document_error(&fixture->document, NULL, &fixture->err, "is %s", "bad"));
    assert_string_equal(fixture->err.text, "f.yaml: is bad");
}

static const char *nearest(const char *name)
{
    static const char *const names[] = {"user", "users", "title", "created_at", "id", "usre2"};
    return nearest_name(name, names, sizeof(names) / sizeof(names[0]));
}

static void the_nearest_name_is_within_a_third(void **state)
{
    (void)state;
    assert_string_equal(nearest("user"), "user");
    assert_string_equal(nearest("User"), "user");
    assert_string_equal(nearest("CREATED_AT"), "created_at");
    assert_string_equal(nearest("suers"), "users"); /* neighbours exchanged */
    assert_string_equal(nearest("titel"), "title");
    assert_string_equal(nearest("craeted_ta"), "created_at"); /* two of ten */
    assert_string_equal(nearest("crxxted_xt"), "created_at"); /* three of ten */
    assert_null(nearest("crxxtxd_xt"));                       /* four of ten */
    assert_string_equal(nearest("ix"), "id");                 /* at least one */
    assert_null(nearest("xy"));
    assert_null(nearest(""));
    assert_null(nearest("a_name_that_is_so_long_that_nobody_would_ever_write_it_twice_in_a_file"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nodes_know_their_place),
        TEST(quotes_make_a_text),
        TEST(only_plain_nothing_is_null),
        TEST(looking_into_nothing_finds_nothing),
        TEST(an_alias_is_the_anchored_node),
        TEST(aliases_need_an_anchor_that_is_finished),
        TEST(anchors_are_limited),
        TEST(a_key_that_stands_twice_is_refused_with_both_places),
        TEST(yaml_that_is_left_out_says_so),
        TEST(an_empty_file_is_refused),
        TEST(a_byte_order_mark_and_carriage_returns_are_accepted),
        TEST(bytes_that_are_no_text_are_refused_with_their_place),
        TEST(syntax_errors_are_libyamls_with_our_place),
        TEST(depth_64_is_accepted_and_65_refused),
        TEST(depth_counts_through_aliases),
        TEST(the_200000th_value_is_the_last),
        TEST(aliases_cannot_multiply_a_small_file),
        TEST(a_file_over_10_mib_is_refused),
        TEST(a_full_arena_is_a_failure_not_a_crash),
        TEST(a_file_that_cannot_be_opened_is_a_usage_error),
        TEST(a_file_is_read_whole),
        TEST(an_error_about_a_node_begins_with_its_place),
        TEST(the_nearest_name_is_within_a_third),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
