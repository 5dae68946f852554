/* Messages of a data topic: what is read and written again is the same, nothing shorter or longer
 * is read, and memory stays within the arena. */
#include "tests/fuzz/fuzz.h"

#include "common/wire.h"

#define ARENA_BYTES  ((size_t)4 << 20)
#define PREFIXES_MAX 512 /* cuts tried of one message */

static void write_again(struct buffer *out, const struct wire_message *message)
{
    const struct wire_header *header = &message->header;
    const struct row *row = &message->row;
    switch (header->kind) {
    case WIRE_ROW:
    case WIRE_DEL:
        write_wire_row(out, header, row->values, row->count);
        return;
    case WIRE_OVERSIZE:
        write_wire_oversize(out, header, row->values, row->count, message->oversize_bytes);
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

static void require_refused(struct bytes value)
{
    RH_AUTO(arena_release) struct arena arena;
    struct wire_message message = {.acked = 77};
    struct error err = {0};
    arena_init(&arena, ARENA_BYTES);
    REQUIRE(!read_wire_message(value, &arena, &message, &err));
    REQUIRE(message.acked == 77); /* outputs are untouched */
    REQUIRE(err.action == ERROR_STOP && err.exit_code == EXIT_STATE && err.code != NULL);
}

static void check_borders(struct bytes value, struct arena *arena)
{
    size_t step = value.len / PREFIXES_MAX + 1;
    for (size_t len = 0; len < value.len; len += step) {
        require_refused((struct bytes){value.ptr, len});
    }
    char *longer = arena_must_alloc(arena, value.len + 1);
    memcpy(longer, value.ptr, value.len);
    require_refused((struct bytes){longer, value.len + 1});
}

static void check_small_arena(struct bytes value, const struct wire_message *message)
{
    RH_AUTO(arena_release) struct arena small;
    struct wire_message ignored;
    struct error err = {0};
    arena_init(&small, message->row.count * sizeof(struct value) / 2);
    bool read = read_wire_message(value, &small, &ignored, &err);
    REQUIRE(read == (message->row.count == 0));
    REQUIRE(read || err.action == ERROR_RETRY);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    RH_AUTO(arena_release) struct arena arena;
    struct bytes value = fuzz_bytes(data, size);
    struct wire_message message;
    struct wire_header header;
    struct error err = {0};
    arena_init(&arena, ARENA_BYTES);
    bool has_header = read_wire_header(value, &header, &err);
    if (!read_wire_message(value, &arena, &message, &err)) {
        return 0;
    }
    REQUIRE(has_header && header.kind == message.header.kind);
    REQUIRE(header.sequence == message.header.sequence);

    struct buffer out;
    buffer_init(&out, &arena, ARENA_BYTES);
    write_again(&out, &message);
    REQUIRE(bytes_equal(buffer_bytes(&out), value));
    check_borders(value, &arena);
    check_small_arena(value, &message);
    return 0;
}
