#include "common/arena.h"
#include "common/settings.h"
#include "common/settings_value.h"

#include <string.h>

enum { PAGE_BYTES_MAX = 256 * 1024 };

static const char page_start[] =
    "# Settings\n"
    "\n"
    "Everything of the configuration file that is not the mapping. This page is printed from the\n"
    "table the program reads its settings with (`common/settings_table.c`); a test compares them.\n"
    "\n"
    "- `${NAME}` and `${a.b}` in a value are replaced: from `vars` first, then from the\n"
    "  environment. Values of `vars` may use the environment. `$${` is a literal `${`.\n"
    "- A size is a number of bytes or has a unit: `B`, `kB`, `MB`, `GB` (powers of 1000), `KiB`,\n"
    "  `MiB`, `GiB` (powers of 1024). A duration has one: `ms`, `s`, `min`, `h`.\n"
    "- Numbers are whole and decimal, without signs, leading zeros or separators.\n"
    "- Settings marked *secret* are never shown. As a whole value, `file:PATH` reads the first\n"
    "  line of a file that only its owner may read (mode 0600 or 0400); that holds for `kafka`\n"
    "  properties too that are called `sasl.*` or `*.key`, or have `password` or `secret` in "
    "their\n"
    "  name. A relative path starts at the working directory.\n"
    "- No setting is read again while a program runs.\n"
    "\n"
    "| key | type | default | allowed | what it does | reloadable |\n"
    "|---|---|---|---|---|---|\n";

static const char *type_shown(const struct setting *setting)
{
    switch (setting->kind) {
    case SETTING_TEXT:
        return "text";
    case SETTING_URL:
        return "connection string";
    case SETTING_COUNT:
        return setting->unit != NULL ? setting->unit : "number";
    case SETTING_BYTES:
        return "size";
    case SETTING_MILLISECONDS:
        return "duration";
    case SETTING_PERCENT:
        return "percentage";
    case SETTING_BOOL:
        return "true, false";
    case SETTING_ENUM:
        return "one of";
    case SETTING_KAFKA:
        return "properties";
    case SETTING_ELSEWHERE:
        return "mapping file";
    case SETTING_REFUSED:
        return "not in this version";
    }
    return "";
}

static void print_row(const struct setting *setting, struct arena *arena, FILE *stream)
{
    const char *range = setting_range(setting, arena);
    const char *quote = range[0] != '\0' && setting->pattern != NULL ? "`" : "";
    fprintf(stream, "| `%s` | %s%s | ", setting->path, type_shown(setting),
            setting->secret ? ", *secret*" : "");
    if (setting->required) {
        fputs("required", stream);
    } else if (setting->default_text != NULL) {
        fprintf(stream, "`%s`", setting->default_text);
    }
    fprintf(stream, " | %s%s%s | %s | no |\n", quote, range, quote, setting->help);
}

void settings_print_markdown(FILE *stream)
{
    struct arena arena;
    arena_init(&arena, PAGE_BYTES_MAX);
    fputs(page_start, stream);
    for (size_t i = 0; i < settings_table_count; i++) {
        print_row(&settings_table[i], &arena, stream);
    }
    arena_release(&arena);
}
