#include "common/wire.h"

#include "tests/unit/common/vectors.h"

#define COLUMNS_MAX 8

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 24);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_release(&arena);
    return 0;
}

/* ---- vectors ---- */

struct sample {
    char name[64];
    struct wire_message message;
    struct value columns[COLUMNS_MAX];
    struct bytes key, value;
};

static enum wire_kind kind_named(const char *name)
{
    static const enum wire_kind kinds[] = {WIRE_ROW,       WIRE_DEL,     WIRE_HELLO,
                                           WIRE_HEARTBEAT, WIRE_BARRIER, WIRE_OVERSIZE};
    for (size_t i = 0; i < RH_COUNT(kinds); i++)
        if (strcmp(wire_kind_name(kinds[i]), name) == 0)
            return kinds[i];
    fail_msg("kind %s", name);
    return WIRE_ROW;
}

static void read_column(struct vectors *vectors, struct sample *sample)
{
    struct value *column = &sample->columns[sample->message.row.count++];
    assert_true(sample->message.row.count <= COLUMNS_MAX);
    column->kind = (enum value_kind)vectors_word(vectors)[0];
    column->bytes = column->kind == VALUE_NULL ? BYTES_EMPTY : vectors_bytes(vectors, &arena);
}

/* Fields whose size is not that of u64 are narrowed here. */
static void read_number(struct vectors *vectors, const char *field, struct wire_message *message)
{
    struct wire_header *header = &message->header;
    struct wire_progress *progress = &message->progress;
    const struct {
        const char *name;
        uint64_t *to;
    } fields[] = {
        {"generation", &header->generation},
        {"sequence", &header->sequence},
        {"lsn", &header->lsn},
        {"fingerprint", &header->source_fingerprint},
        {"oversize_bytes", &message->oversize_bytes},
        {"previous", &message->previous},
        {"acked", &message->acked},
        {"barrier", &message->barrier},
        {"rows_read", &progress->rows_read},
        {"rows_enqueued", &progress->rows_enqueued},
        {"rows_dropped", &progress->rows_dropped},
        {"rows_filtered", &progress->rows_filtered},
        {"rows_estimate", &progress->rows_estimate},
    };
    for (size_t i = 0; i < RH_COUNT(fields); i++) {
        if (strcmp(fields[i].name, field) == 0) {
            *fields[i].to = vectors_u64(vectors);
            return;
        }
    }
    if (strcmp(field, "flags") == 0)
        header->flags = (uint16_t)vectors_u64(vectors);
    else if (strcmp(field, "source_epoch") == 0)
        header->source_epoch = (uint32_t)vectors_u64(vectors);
    else if (strcmp(field, "index") == 0)
        header->index = (uint32_t)vectors_u64(vectors);
    else if (strcmp(field, "commit_us") == 0)
        header->commit_us = vectors_i64(vectors);
    else if (strcmp(field, "done") == 0)
        progress->done = vectors_u64(vectors) == 1;
    else
        fail_msg("field %s", field);
}

static void read_sample(struct vectors *vectors, struct sample *sample)
{
    *sample = (struct sample){0};
    (void)snprintf(sample->name, sizeof(sample->name), "%s", vectors_word(vectors));
    sample->message.row.values = sample->columns;
    for (;;) {
        const char *field = vectors_next(vectors);
        assert_non_null(field);
        if (strcmp(field, "end") == 0)
            return;
        if (strcmp(field, "kind") == 0)
            sample->message.header.kind = kind_named(vectors_word(vectors));
        else if (strcmp(field, "run") == 0)
            memcpy(sample->message.header.run, vectors_bytes(vectors, &arena).ptr, RUN_ID_BYTES);
        else if (strcmp(field, "column") == 0)
            read_column(vectors, sample);
        else if (strcmp(field, "last_key") == 0)
            sample->message.progress.last_key = vectors_bytes(vectors, &arena);
        else if (strcmp(field, "key") == 0)
            sample->key = vectors_bytes(vectors, &arena);
        else if (strcmp(field, "value") == 0)
            sample->value = vectors_bytes(vectors, &arena);
        else
            read_number(vectors, field, &sample->message);
    }
}

typedef void sample_check(const struct sample *sample);

static void each_message(sample_check *check)
{
    struct vectors vectors;
    vectors_open(&vectors);
    int count = 0;
    for (const char *word; (word = vectors_next(&vectors)) != NULL;) {
        if (strcmp(word, "message") != 0)
            continue;
        struct sample sample;
        read_sample(&vectors, &sample);
        check(&sample);
        count++;
    }
    vectors_close(&vectors);
    assert_int_equal(count, 13);
}

/* ---- checks ---- */

static void write_message(struct buffer *out, const struct wire_message *message)
{
    const struct wire_header *header = &message->header;
    switch (header->kind) {
    case WIRE_ROW:
    case WIRE_DEL:
        write_wire_row(out, header, message->row.values, message->row.count);
        return;
    case WIRE_OVERSIZE:
        write_wire_oversize(out, header, message->row.values, message->row.count,
                            message->oversize_bytes);
        return;
    case WIRE_HELLO:
        write_wire_hello(out, header, message->previous, message->acked);
        return;
    case WIRE_HEARTBEAT:
        write_wire_heartbeat(out, header, message->acked, &message->progress);
        return;
    case WIRE_BARRIER:
        write_wire_barrier(out, header, message->barrier, message->acked, &message->progress);
        return;
    }
}

static void written_is_the_vector(const struct sample *sample)
{
    struct buffer out;
    buffer_init(&out, &arena, 1000);
    write_message(&out, &sample->message);
    assert_false(out.failed);
    assert_int_equal(out.len, sample->value.len);
    assert_memory_equal(out.ptr, sample->value.ptr, out.len);
}

static void assert_headers_equal(const struct wire_header *a, const struct wire_header *b)
{
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->flags, b->flags);
    assert_memory_equal(a->run, b->run, RUN_ID_BYTES);
    assert_int_equal(a->generation, b->generation);
    assert_int_equal(a->sequence, b->sequence);
    assert_int_equal(a->source_epoch, b->source_epoch);
    assert_int_equal(a->lsn, b->lsn);
    assert_int_equal(a->index, b->index);
    assert_true(a->commit_us == b->commit_us);
    assert_int_equal(a->source_fingerprint, b->source_fingerprint);
}

static void assert_progress_equal(const struct wire_progress *a, const struct wire_progress *b)
{
    assert_int_equal(a->rows_read, b->rows_read);
    assert_int_equal(a->rows_enqueued, b->rows_enqueued);
    assert_int_equal(a->rows_dropped, b->rows_dropped);
    assert_int_equal(a->rows_filtered, b->rows_filtered);
    assert_int_equal(a->rows_estimate, b->rows_estimate);
    assert_int_equal(a->done, b->done);
    assert_true(bytes_equal(a->last_key, b->last_key));
}

static void read_is_the_fields(const struct sample *sample)
{
    struct error err;
    struct wire_header header;
    struct wire_message message;
    assert_true(read_wire_header(sample->value, &header, &err));
    assert_headers_equal(&header, &sample->message.header);
    assert_true(read_wire_message(sample->value, &arena, &message, &err));
    assert_headers_equal(&message.header, &sample->message.header);
    assert_int_equal(message.row.count, sample->message.row.count);
    for (size_t i = 0; i < message.row.count; i++) {
        assert_int_equal(message.row.values[i].kind, sample->columns[i].kind);
        assert_true(bytes_equal(message.row.values[i].bytes, sample->columns[i].bytes));
    }
    assert_int_equal(message.oversize_bytes, sample->message.oversize_bytes);
    assert_int_equal(message.previous, sample->message.previous);
    assert_int_equal(message.acked, sample->message.acked);
    assert_int_equal(message.barrier, sample->message.barrier);
    assert_progress_equal(&message.progress, &sample->message.progress);
}

static void refuse(struct bytes value)
{
    struct error err;
    struct wire_message message = {.acked = 4711};
    assert_false(read_wire_message(value, &arena, &message, &err));
    assert_int_equal(err.action, ERROR_STOP);
    assert_int_equal(err.exit_code, EXIT_STATE);
    assert_string_equal(err.code, "WIRE_MALFORMED");
    assert_non_null(err.hint);
    assert_int_equal(message.acked, 4711);
}

/* Each in a block of its own size, so that AddressSanitizer sees a read beyond. */
static void no_prefix_is_a_message(const struct sample *sample)
{
    for (size_t len = 0; len < sample->value.len; len++) {
        struct arena own;
        arena_init(&own, sample->value.len + 1);
        refuse(bytes_copy(&own, (struct bytes){sample->value.ptr, len}));
        arena_release(&own);
    }
}

static void nothing_may_follow(const struct sample *sample)
{
    struct buffer out;
    buffer_init(&out, &arena, 1000);
    write_bytes(&out, sample->value);
    write_u8(&out, 0);
    refuse(buffer_bytes(&out));
    write_bytes(&out, sample->value);
    refuse(buffer_bytes(&out));
}

/* Whatever byte is wrong: refused or read, but never beyond the end (AddressSanitizer). */
static void any_byte_may_be_wrong(const struct sample *sample)
{
    struct error err;
    struct wire_message message;
    char *bytes = arena_alloc_bytes(&arena, sample->value.len);
    struct bytes value = {bytes, sample->value.len};
    for (size_t i = 0; i < value.len; i++) {
        memcpy(bytes, sample->value.ptr, value.len);
        for (int wrong = 0; wrong < 256; wrong++) {
            bytes[i] = (char)wrong;
            struct arena_mark mark = arena_mark(&arena);
            if (!read_wire_message(value, &arena, &message, &err))
                assert_int_equal(err.action, ERROR_STOP);
            arena_rollback(&arena, mark);
        }
    }
}

static void vectors_are_written_byte_for_byte(void **state)
{
    (void)state;
    each_message(written_is_the_vector);
}

static void vectors_are_read_field_for_field(void **state)
{
    (void)state;
    each_message(read_is_the_fields);
}

static void every_prefix_of_a_message_is_refused(void **state)
{
    (void)state;
    each_message(no_prefix_is_a_message);
}

static void bytes_after_a_message_are_refused(void **state)
{
    (void)state;
    each_message(nothing_may_follow);
}

static void no_single_wrong_byte_leads_astray(void **state)
{
    (void)state;
    each_message(any_byte_may_be_wrong);
}

static void what_must_be_refused_is_refused_with_its_reason(void **state)
{
    (void)state;
    struct vectors vectors;
    vectors_open(&vectors);
    int count = 0;
    for (const char *word; (word = vectors_next(&vectors)) != NULL;) {
        if (strcmp(word, "refused") != 0)
            continue;
        struct error err;
        struct wire_message message;
        bool version = strncmp(vectors_word(&vectors), "version", 7) == 0;
        assert_false(read_wire_message(vectors_bytes(&vectors, &arena), &arena, &message, &err));
        assert_string_equal(err.text, vectors.rest);
        assert_string_equal(err.code, version ? "WIRE_VERSION" : "WIRE_MALFORMED");
        assert_int_equal(err.action, ERROR_STOP);
        assert_int_equal(err.exit_code, EXIT_STATE);
        count++;
    }
    vectors_close(&vectors);
    assert_int_equal(count, 24);
}

static void keys_of_the_vectors_are_empty_except_for_data(void **state)
{
    (void)state;
    struct vectors vectors;
    vectors_open(&vectors);
    for (const char *word; (word = vectors_next(&vectors)) != NULL;) {
        if (strcmp(word, "message") != 0)
            continue;
        struct sample sample;
        read_sample(&vectors, &sample);
        assert_int_equal(sample.key.len > 0, sample.message.row.count > 0);
    }
    vectors_close(&vectors);
}

/* ---- beyond the vectors ---- */

static const struct wire_header row_header = {
    .kind = WIRE_ROW, .flags = WIRE_PAGE, .generation = 1, .sequence = 1};

static void a_row_has_up_to_65535_columns(void **state)
{
    (void)state;
    struct value *values = arena_alloc(&arena, UINT16_MAX * sizeof(*values));
    assert_non_null(values);
    for (size_t i = 0; i < UINT16_MAX; i++)
        values[i].kind = VALUE_NULL;
    struct buffer out;
    struct wire_message message;
    struct error err;
    buffer_init(&out, &arena, 1 << 20);
    write_wire_row(&out, &row_header, values, UINT16_MAX);
    assert_int_equal(out.len, WIRE_HEADER_BYTES + 2 + UINT16_MAX);
    assert_true(read_wire_message(buffer_bytes(&out), &arena, &message, &err));
    assert_int_equal(message.row.count, UINT16_MAX);
}

static void a_row_that_memory_cannot_hold_is_an_ordinary_failure(void **state)
{
    (void)state;
    struct value values[COLUMNS_MAX];
    for (size_t i = 0; i < COLUMNS_MAX; i++)
        values[i] = (struct value){.kind = VALUE_NULL};
    struct buffer out;
    buffer_init(&out, &arena, 1000);
    write_wire_row(&out, &row_header, values, COLUMNS_MAX);

    struct arena small;
    struct wire_message message;
    struct error err;
    arena_init(&small, COLUMNS_MAX * sizeof(struct value) - 1);
    assert_false(read_wire_message(buffer_bytes(&out), &small, &message, &err));
    assert_int_equal(err.action, ERROR_RETRY);
    assert_string_equal(err.text, "ROW message of 8 columns does not fit into memory");
    arena_release(&small);
    arena_init(&small, COLUMNS_MAX * sizeof(struct value));
    assert_true(read_wire_message(buffer_bytes(&out), &small, &message, &err));
    arena_release(&small);
}

static void row_values_borrow_from_the_message(void **state)
{
    (void)state;
    struct value value = {.kind = VALUE_TEXT, .bytes = BYTES_LITERAL("abc")};
    struct buffer out;
    struct wire_message message;
    struct error err;
    buffer_init(&out, &arena, 1000);
    write_wire_row(&out, &row_header, &value, 1);
    assert_true(read_wire_message(buffer_bytes(&out), &arena, &message, &err));
    assert_ptr_equal(message.row.values[0].bytes.ptr, out.ptr + out.len - 3);
}

static void run_ids_are_uuids_in_text(void **state)
{
    (void)state;
    static const unsigned char run[RUN_ID_BYTES] = {0x5f, 0x0c, 0x2b, 0x7a, 0x91, 0xd3, 0x4e, 0x68,
                                                    0xb0, 0xa7, 0xc4, 0xd2, 0x1e, 0x3f, 0x80, 0x95};
    unsigned char read[RUN_ID_BYTES];
    char text[37];
    run_id_format(run, text);
    assert_string_equal(text, "5f0c2b7a-91d3-4e68-b0a7-c4d21e3f8095");
    assert_true(run_id_parse(text, read));
    assert_memory_equal(read, run, RUN_ID_BYTES);
    memset(read, 0, sizeof(read));
    assert_true(run_id_parse("5F0C2B7A-91D3-4E68-B0A7-C4D21E3F8095", read));
    assert_memory_equal(read, run, RUN_ID_BYTES);
}

static void what_is_no_uuid_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "5",
        "5f0c2b7a-91d3-4e68-b0a7-c4d21e3f809",
        "5f0c2b7a-91d3-4e68-b0a7-c4d21e3f80955",
        "5f0c2b7a91d34e68b0a7c4d21e3f8095",
        "5f0c2b7a-91d3-4e68-b0a7-c4d21e3f809g",
        "5f0c2b7-a91d3-4e68-b0a7-c4d21e3f8095",
        "{5f0c2b7a-91d3-4e68-b0a7-c4d21e3f8095}",
    };
    unsigned char run[RUN_ID_BYTES] = {1, 2, 3}, before[RUN_ID_BYTES];
    memcpy(before, run, sizeof(run));
    for (size_t i = 0; i < RH_COUNT(wrong); i++) {
        assert_false(run_id_parse(wrong[i], run));
        assert_memory_equal(run, before, RUN_ID_BYTES);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_are_written_byte_for_byte),
        cmocka_unit_test(vectors_are_read_field_for_field),
        cmocka_unit_test(every_prefix_of_a_message_is_refused),
        cmocka_unit_test(bytes_after_a_message_are_refused),
        cmocka_unit_test(no_single_wrong_byte_leads_astray),
        cmocka_unit_test(what_must_be_refused_is_refused_with_its_reason),
        cmocka_unit_test(keys_of_the_vectors_are_empty_except_for_data),
        cmocka_unit_test(a_row_has_up_to_65535_columns),
        cmocka_unit_test(a_row_that_memory_cannot_hold_is_an_ordinary_failure),
        cmocka_unit_test(row_values_borrow_from_the_message),
        cmocka_unit_test(run_ids_are_uuids_in_text),
        cmocka_unit_test(what_is_no_uuid_is_refused_and_changes_nothing),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
