#include "common/sql_text.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct arena arena;

static int open_arena(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 20);
    return 0;
}

static int close_arena(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

static const char *name(const char *text)
{
    struct buffer buffer;

    buffer_init(&buffer, &arena, 1000);
    sql_name(&buffer, text);
    return buffer_text(&buffer);
}

static const char *literal(struct bytes value)
{
    struct buffer buffer;

    buffer_init(&buffer, &arena, 1000);
    sql_literal(&buffer, value);
    return buffer_text(&buffer);
}

#define NAME_OF_63_BYTES "123456789012345678901234567890123456789012345678901234567890123"

static void names_are_always_quoted(void **state)
{
    (void)state;
    assert_string_equal(name("users"), "\"users\"");
    assert_string_equal(name("Order Items"), "\"Order Items\"");
    assert_string_equal(name("na\"me"), "\"na\"\"me\"");
    assert_string_equal(name("\""), "\"\"\"\"");
    assert_string_equal(name("\"\""), "\"\"\"\"\"\"");
    assert_string_equal(name("it's\\"), "\"it's\\\"");
    assert_string_equal(name("größe"), "\"größe\"");
    assert_string_equal(name(NAME_OF_63_BYTES), "\"" NAME_OF_63_BYTES "\"");
}

static void a_qualified_name_quotes_both_parts(void **state)
{
    struct buffer buffer;

    (void)state;
    buffer_init(&buffer, &arena, 1000);
    sql_qualified(&buffer, "pub.lic", "a\"b");
    assert_string_equal(buffer_text(&buffer), "\"pub.lic\".\"a\"\"b\"");
}

static void literals_double_quotes_and_escape_backslashes(void **state)
{
    (void)state;
    assert_string_equal(literal(BYTES_EMPTY), "''");
    assert_string_equal(literal(bytes_of("plain")), "'plain'");
    assert_string_equal(literal(bytes_of("it's")), "'it''s'");
    assert_string_equal(literal(bytes_of("''")), "''''''");
    assert_string_equal(literal(bytes_of("C:\\temp")), "E'C:\\\\temp'");
    assert_string_equal(literal(bytes_of("\\'")), "E'\\\\'''");
    assert_string_equal(literal(bytes_of("line\nbreak")), "'line\nbreak'");
    assert_string_equal(literal((struct bytes){"abc", 2}), "'ab'");
    assert_string_equal(literal((struct bytes){NULL, 0}), "''");
}

static bool aborts(const char *bad_name, struct bytes bad_value)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        (void)close(STDERR_FILENO); /* the message is not ours */
        if (bad_name != NULL)
            name(bad_name);
        else
            literal(bad_value);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void what_postgresql_would_cut_or_refuse_is_a_bug(void **state)
{
    (void)state;
    assert_true(aborts("", BYTES_EMPTY));
    assert_true(aborts(NAME_OF_63_BYTES "4", BYTES_EMPTY));
    assert_true(aborts(NULL, BYTES_LITERAL("a\0b")));
    assert_false(aborts(NAME_OF_63_BYTES, BYTES_EMPTY));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_always_quoted),
        cmocka_unit_test(a_qualified_name_quotes_both_parts),
        cmocka_unit_test(literals_double_quotes_and_escape_backslashes),
        cmocka_unit_test(what_postgresql_would_cut_or_refuse_is_a_bug),
    };

    return cmocka_run_group_tests(tests, open_arena, close_arena);
}
