#include "common/wire.h"

#include <inttypes.h>
#include <string.h>

static const struct kind {
    enum wire_kind kind;
    const char *name;
    uint16_t flags; /* those it may have */
    bool starts;    /* sequence 0, otherwise from 1 */
} kinds[] = {
    {WIRE_ROW, "ROW", WIRE_PAGE, false},           {WIRE_DEL, "DEL", WIRE_PAGE, false},
    {WIRE_OVERSIZE, "OVERSIZE", WIRE_PAGE, false}, {WIRE_HELLO, "HELLO", 0, true},
    {WIRE_HEARTBEAT, "HEARTBEAT", 0, false},       {WIRE_BARRIER, "BARRIER", 0, false},
};

static const struct kind *kind_find(uint8_t letter)
{
    for (size_t i = 0; i < RH_COUNT(kinds); i++) {
        if ((uint8_t)kinds[i].kind == letter) {
            return &kinds[i];
        }
    }
    return NULL;
}

const char *wire_kind_name(enum wire_kind kind)
{
    const struct kind *found = kind_find((uint8_t)kind);
    REQUIRE(found != NULL);
    return found->name;
}

bool wire_kind_is_data(enum wire_kind kind)
{
    return kind == WIRE_ROW || kind == WIRE_DEL || kind == WIRE_OVERSIZE;
}

static bool malformed(struct error *err, const char *kind, const char *what)
{
    return error_stop(err, EXIT_STATE, "WIRE_MALFORMED", "%s message %s", kind, what);
}

/* What both readers say about bytes that no writer of ours made; a version's error has its own. */
static bool refused(struct error *err)
{
    bool hinted = err->code == NULL || strcmp(err->code, "WIRE_MALFORMED") != 0;
    return hinted ? false
                  : error_hint(err, "something else writes to this topic: take its access away, "
                                    "then start over with rowhaul cleanup and run");
}

/* ---- header ---- */

void write_wire_header(struct buffer *out, const struct wire_header *header)
{
    const struct kind *kind = kind_find((uint8_t)header->kind);
    REQUIRE(kind != NULL && (header->flags & ~kind->flags) == 0);
    REQUIRE(header->generation > 0 && (header->sequence == 0) == kind->starts);
    write_u8(out, WIRE_VERSION);
    write_u8(out, (uint8_t)header->kind);
    write_u16(out, header->flags);
    write_bytes(out, (struct bytes){(const char *)header->run, RUN_ID_BYTES});
    write_u64(out, header->generation);
    write_u64(out, header->sequence);
    write_u32(out, header->source_epoch);
    write_u64(out, header->lsn);
    write_u32(out, header->index);
    write_i64(out, header->commit_us);
    write_u64(out, header->source_fingerprint);
}

/* Before the length: another version may have another header. */
static bool check_version(struct bytes value, struct error *err)
{
    if (value.len == 0) {
        return error_stop(err, EXIT_STATE, "WIRE_MALFORMED", "message is empty");
    }
    uint8_t version = (uint8_t)value.ptr[0];
    if (version == WIRE_VERSION) {
        return true;
    }
    (void)error_stop(err, EXIT_STATE, "WIRE_VERSION",
                     "message has wire version %u, but this program reads version %d only",
                     (unsigned)version, WIRE_VERSION);
    return error_hint(err, "run the same release of every program on one run");
}

/* What version 1 does not define may mean anything in a later one, so it is not passed over. */
static bool check_header(const struct kind *kind, const struct wire_header *header,
                         struct error *err)
{
    if ((header->flags & ~kind->flags) != 0) {
        return error_stop(err, EXIT_STATE, "WIRE_MALFORMED",
                          "%s message has flags 0x%04x, which are not known", kind->name,
                          (unsigned)header->flags);
    }
    if (header->generation == 0) {
        return malformed(err, kind->name, "has generation 0");
    }
    if ((header->sequence == 0) != kind->starts) {
        return error_stop(err, EXIT_STATE, "WIRE_MALFORMED", "%s message has sequence %" PRIu64,
                          kind->name, header->sequence);
    }
    return true;
}

static bool read_header(struct reader *reader, struct bytes value, struct wire_header *ret_header,
                        struct error *err)
{
    if (!check_version(value, err)) {
        return false;
    }
    if (value.len < WIRE_HEADER_BYTES) {
        return error_stop(err, EXIT_STATE, "WIRE_MALFORMED",
                          "message has %zu bytes, its header alone takes %d", value.len,
                          WIRE_HEADER_BYTES);
    }
    reader_init(reader, value);
    (void)read_u8(reader); /* the version, checked above */
    uint8_t letter = read_u8(reader);
    const struct kind *kind = kind_find(letter);
    if (kind == NULL) {
        return error_stop(err, EXIT_STATE, "WIRE_MALFORMED", "message kind 0x%02x is not known",
                          (unsigned)letter);
    }
    struct wire_header header = {.kind = kind->kind};
    header.flags = read_u16(reader);
    memcpy(header.run, read_bytes(reader, RUN_ID_BYTES).ptr, RUN_ID_BYTES);
    header.generation = read_u64(reader);
    header.sequence = read_u64(reader);
    header.source_epoch = read_u32(reader);
    header.lsn = read_u64(reader);
    header.index = read_u32(reader);
    header.commit_us = read_i64(reader);
    header.source_fingerprint = read_u64(reader);
    if (!check_header(kind, &header, err)) {
        return false;
    }
    *ret_header = header;
    return true;
}

bool read_wire_header(struct bytes value, struct wire_header *ret_header, struct error *err)
{
    struct reader reader;
    return read_header(&reader, value, ret_header, err) || refused(err);
}

/* ---- tuple: ROW, DEL, and the end of OVERSIZE ---- */

static void write_value(struct buffer *out, struct value value)
{
    REQUIRE(value.kind == VALUE_NULL || value.kind == VALUE_TEXT);
    write_u8(out, (uint8_t)value.kind);
    if (value.kind == VALUE_NULL) {
        return;
    }
    REQUIRE(value.bytes.len <= UINT32_MAX);
    write_u32(out, (uint32_t)value.bytes.len);
    write_bytes(out, value.bytes);
}

static void write_tuple(struct buffer *out, const struct value *values, size_t count)
{
    REQUIRE(count > 0 && count <= UINT16_MAX);
    write_u16(out, (uint16_t)count);
    for (size_t i = 0; i < count; i++) {
        write_value(out, values[i]);
    }
}

static bool read_value(struct reader *reader, struct value *ret_value, uint8_t *ret_letter)
{
    *ret_letter = read_u8(reader);
    if (*ret_letter == VALUE_NULL) {
        *ret_value = (struct value){.kind = VALUE_NULL, .bytes = BYTES_EMPTY};
        return true;
    }
    if (*ret_letter != VALUE_TEXT) {
        return false;
    }
    *ret_value = (struct value){.kind = VALUE_TEXT, .bytes = read_bytes(reader, read_u32(reader))};
    return true;
}

static bool read_tuple(struct reader *reader, const char *kind, struct arena *arena,
                       struct row *ret_row, struct error *err)
{
    size_t count = read_u16(reader);
    /* Each column takes a byte at least: a false count is refused before memory is taken for it. */
    if (reader->failed || count > reader->left) {
        return malformed(err, kind, "ends early");
    }
    if (count == 0) {
        return malformed(err, kind, "has no columns");
    }
    struct value *values = arena_alloc(arena, count * sizeof(*values));
    if (values == NULL) {
        return error_set(err, ERROR_RETRY, "%s message of %zu columns does not fit into memory",
                         kind, count);
    }
    for (size_t i = 0; i < count; i++) {
        uint8_t letter;
        bool known = read_value(reader, &values[i], &letter);
        if (reader->failed) {
            return malformed(err, kind, "ends early");
        }
        if (!known) {
            return error_stop(err, EXIT_STATE, "WIRE_MALFORMED",
                              "column %zu of %s message has value kind 0x%02x", i + 1, kind,
                              (unsigned)letter);
        }
    }
    *ret_row = (struct row){.values = values, .count = count};
    return true;
}

/* ---- progress: the end of HEARTBEAT and BARRIER ---- */

static void write_progress(struct buffer *out, const struct wire_progress *progress)
{
    REQUIRE(progress->last_key.len <= UINT32_MAX);
    write_u64(out, progress->rows_read);
    write_u64(out, progress->rows_enqueued);
    write_u64(out, progress->rows_dropped);
    write_u64(out, progress->rows_filtered);
    write_u64(out, progress->rows_estimate);
    write_u8(out, progress->done ? 1 : 0);
    write_u32(out, (uint32_t)progress->last_key.len);
    write_bytes(out, progress->last_key);
}

static bool read_progress(struct reader *reader, const char *kind,
                          struct wire_progress *ret_progress, struct error *err)
{
    struct wire_progress progress = {0};
    progress.rows_read = read_u64(reader);
    progress.rows_enqueued = read_u64(reader);
    progress.rows_dropped = read_u64(reader);
    progress.rows_filtered = read_u64(reader);
    progress.rows_estimate = read_u64(reader);
    uint8_t done = read_u8(reader);
    progress.done = done == 1;
    progress.last_key = read_bytes(reader, read_u32(reader));
    if (done > 1) {
        return error_stop(err, EXIT_STATE, "WIRE_MALFORMED",
                          "%s message has %u where 0 or 1 must stand", kind, (unsigned)done);
    }
    *ret_progress = progress;
    return true;
}

/* ---- messages: each writer above what reads its body ---- */

void write_wire_row(struct buffer *out, const struct wire_header *header,
                    const struct value *values, size_t count)
{
    REQUIRE(header->kind == WIRE_ROW || header->kind == WIRE_DEL);
    write_wire_header(out, header);
    write_tuple(out, values, count);
}

void write_wire_oversize(struct buffer *out, const struct wire_header *header,
                         const struct value *key_values, size_t count, uint64_t oversize_bytes)
{
    REQUIRE(header->kind == WIRE_OVERSIZE);
    write_wire_header(out, header);
    write_u64(out, oversize_bytes);
    write_tuple(out, key_values, count);
}

void write_wire_hello(struct buffer *out, const struct wire_header *header, uint64_t previous,
                      uint64_t acked)
{
    REQUIRE(header->kind == WIRE_HELLO);
    write_wire_header(out, header);
    write_u64(out, previous);
    write_u64(out, acked);
}

void write_wire_heartbeat(struct buffer *out, const struct wire_header *header, uint64_t acked,
                          const struct wire_progress *progress)
{
    REQUIRE(header->kind == WIRE_HEARTBEAT);
    write_wire_header(out, header);
    write_u64(out, acked);
    write_progress(out, progress);
}

void write_wire_barrier(struct buffer *out, const struct wire_header *header, uint64_t barrier,
                        uint64_t acked, const struct wire_progress *progress)
{
    REQUIRE(header->kind == WIRE_BARRIER);
    write_wire_header(out, header);
    write_u64(out, barrier);
    write_u64(out, acked);
    write_progress(out, progress);
}

static bool read_body(struct reader *reader, const char *kind, struct arena *arena,
                      struct wire_message *message, struct error *err)
{
    switch (message->header.kind) {
    case WIRE_ROW:
    case WIRE_DEL:
        return read_tuple(reader, kind, arena, &message->row, err);
    case WIRE_OVERSIZE:
        message->oversize_bytes = read_u64(reader);
        return read_tuple(reader, kind, arena, &message->row, err);
    case WIRE_HELLO:
        message->previous = read_u64(reader);
        message->acked = read_u64(reader);
        return true;
    case WIRE_HEARTBEAT:
        message->acked = read_u64(reader);
        return read_progress(reader, kind, &message->progress, err);
    case WIRE_BARRIER:
        message->barrier = read_u64(reader);
        message->acked = read_u64(reader);
        return read_progress(reader, kind, &message->progress, err);
    }
    return malformed(err, kind, "is of no kind"); /* read_header lets no other kind through */
}

static bool read_all(struct bytes value, struct arena *arena, struct wire_message *ret_message,
                     struct error *err)
{
    struct reader reader;
    struct wire_message message = {0};
    if (!read_header(&reader, value, &message.header, err)) {
        return false;
    }
    const char *kind = wire_kind_name(message.header.kind);
    if (!read_body(&reader, kind, arena, &message, err)) {
        return false;
    }
    if (reader.failed) {
        return malformed(err, kind, "ends early");
    }
    if (reader.left > 0) {
        return error_stop(err, EXIT_STATE, "WIRE_MALFORMED",
                          "%s message has %zu bytes after its end", kind, reader.left);
    }
    *ret_message = message;
    return true;
}

bool read_wire_message(struct bytes value, struct arena *arena, struct wire_message *ret_message,
                       struct error *err)
{
    return read_all(value, arena, ret_message, err) || refused(err);
}

/* ---- run ids ---- */

/* Where a uuid's text has its dashes. */
static bool is_dash_place(size_t i)
{
    return i == 8 || i == 13 || i == 18 || i == 23;
}

void run_id_format(const unsigned char run[RUN_ID_BYTES], char text[37])
{
    static const char digits[] = "0123456789abcdef";
    size_t i = 0;
    for (size_t byte = 0; byte < RUN_ID_BYTES; byte++) {
        if (is_dash_place(i)) {
            text[i++] = '-';
        }
        text[i++] = digits[run[byte] >> 4];
        text[i++] = digits[run[byte] & 15];
    }
    text[i] = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

bool run_id_parse(const char *text, unsigned char run[RUN_ID_BYTES])
{
    unsigned char id[RUN_ID_BYTES];
    size_t i = 0;
    for (size_t byte = 0; byte < RUN_ID_BYTES; byte++) {
        if (is_dash_place(i) && text[i++] != '-') {
            return false;
        }
        int high = hex_digit(text[i]);
        int low = high < 0 ? -1 : hex_digit(text[i + 1]); /* never past the NUL */
        if (low < 0) {
            return false;
        }
        id[byte] = (unsigned char)(high << 4 | low);
        i += 2;
    }
    if (text[i] != '\0') {
        return false;
    }
    memcpy(run, id, RUN_ID_BYTES);
    return true;
}
