/* One text as the value of every setting: a value in its range, or a fault whose "did you mean" is
 * itself taken. */
#include "tests/fuzz/fuzz.h"

#include "common/settings_value.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define ARENA_BYTES ((size_t)32 << 20)
#define TEXT_MAX    4096 /* each fault repeats the text, for each of the settings */

static bool is_number(enum setting_kind kind)
{
    return kind == SETTING_COUNT || kind == SETTING_BYTES || kind == SETTING_MILLISECONDS;
}

static void check_value(const struct setting *setting, const char *text,
                        const struct setting_value *value)
{
    bool is_word = setting->word.name != NULL && strcmp(text, setting->word.name) == 0;
    if (is_number(setting->kind)) {
        REQUIRE(is_word || (value->number >= setting->min && value->number <= setting->max));
    }
    if (setting->kind == SETTING_COUNT && !is_word) {
        char written[24];
        (void)snprintf(written, sizeof(written), "%" PRIu64, value->number);
        REQUIRE(strcmp(written, text) == 0); /* one way to write each number */
    }
    if (setting->kind == SETTING_PERCENT) {
        REQUIRE(value->share >= 0 && value->share <= 1);
    }
    if (setting->kind == SETTING_TEXT || setting->kind == SETTING_URL) {
        REQUIRE(strcmp(value->text, text) == 0);
    }
}

/* The mend is taken, or it is at least written as it must be. */
static void check_mend(const struct setting *setting, const char *hint, struct arena *arena)
{
    static const char start[] = "did you mean \"";
    REQUIRE(strncmp(hint, start, sizeof(start) - 1) == 0);
    const char *word = hint + sizeof(start) - 1;
    size_t len = strlen(word);
    REQUIRE(len > 2 && strcmp(word + len - 2, "\"?") == 0);
    const char *mend = fuzz_text(arena, (struct bytes){word, len - 2});
    struct setting_value value = {0};
    struct setting_fault fault = {0};
    REQUIRE(setting_value_parse(setting, mend, arena, &value, &fault) ||
            strcmp(fault.code, "RH-3106") == 0); /* out of range */
}

static void check_setting(const struct setting *setting, const char *text, struct arena *arena)
{
    struct setting_value value = {0};
    struct setting_fault fault = {0};
    if (setting_value_parse(setting, text, arena, &value, &fault)) {
        check_value(setting, text, &value);
        return;
    }
    REQUIRE(fault.code != NULL && strncmp(fault.text, "cannot be ", 10) == 0);
    if (fault.hint != NULL) {
        check_mend(setting, fault.hint, arena);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    RH_AUTO(arena_release) struct arena arena;
    arena_init(&arena, ARENA_BYTES);
    if (size > TEXT_MAX) {
        return 0;
    }
    const char *text = fuzz_text(&arena, fuzz_bytes(data, size));
    for (size_t i = 0; i < settings_table_count; i++) {
        if (settings_table[i].kind < SETTING_KAFKA) {
            check_setting(&settings_table[i], text, &arena);
        }
    }
    return 0;
}
