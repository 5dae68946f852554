/* Records of the state topic: each line of the input is one, its key before the first blank. The
 * checkpoint that counts is written again and read as the same. */
#include "tests/fuzz/fuzz.h"

#include "common/state_topic.h"

#include <inttypes.h>

#define ARENA_BYTES ((size_t)64 << 20)

static void fold_record(struct state_fold *fold, int64_t offset, struct bytes line)
{
    struct error err = {0};
    uint64_t before = fold->generation;
    struct bytes key = fuzz_until(&line, ' ');
    if (state_fold_record(fold, offset, key, line, &err)) {
        REQUIRE(fold->next_offset == offset + 1);
    } else {
        REQUIRE(err.action == ERROR_STOP && strcmp(err.code, "STATE_FOREIGN") == 0);
        REQUIRE(fold->next_offset <= offset);
    }
    REQUIRE(fold->generation >= before);
    REQUIRE((fold->generation > 0) == (fold->claimed_by != NULL));
}

static void check_checkpoint(const struct state_fold *fold, struct arena *arena)
{
    struct state_fold again;
    struct error err = {0};
    uint64_t generation = fold->checkpoint.generation;
    REQUIRE(generation > 0 && generation <= fold->generation);
    const char *text = state_checkpoint_text(arena, &fold->checkpoint);
    const char *claim = state_claim_text(arena, generation, "fuzz");
    const char *number = arena_must_printf(arena, "%" PRIu64, generation);
    state_fold_init(&again, arena);
    REQUIRE(state_fold_record(&again, 0, bytes_of(arena_must_printf(arena, "claim/%s", number)),
                              bytes_of(claim), &err));
    REQUIRE(state_fold_record(&again, 1, bytes_of(arena_must_printf(arena, "ckpt/%s", number)),
                              bytes_of(text), &err));
    REQUIRE(again.has_checkpoint);
    REQUIRE(again.checkpoint.tables_count == fold->checkpoint.tables_count);
    REQUIRE(again.checkpoint.partitions_count == fold->checkpoint.partitions_count);
    REQUIRE(strcmp(state_checkpoint_text(arena, &again.checkpoint), text) == 0);
    state_fold_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    RH_AUTO(arena_release) struct arena arena;
    struct bytes input = fuzz_bytes(data, size);
    struct state_fold fold;
    arena_init(&arena, ARENA_BYTES);
    state_fold_init(&fold, &arena);
    for (int64_t offset = 0; input.len > 0; offset++) {
        fold_record(&fold, offset, fuzz_until(&input, '\n'));
    }
    if (fold.has_checkpoint) {
        check_checkpoint(&fold, &arena);
    }
    state_fold_release(&fold);
    return 0;
}
