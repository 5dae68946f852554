#include "common/settings_value.h"

#include "common/document.h"
#include "common/nearest.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char code_kind[] = "RH-3105";
static const char code_range[] = "RH-3106";
static const char code_pattern[] = "RH-3107";

/* A unit, or a spelling of it that is refused with the right one. */
struct unit {
    const char *name;
    uint64_t factor;
    const char *canonical; /* NULL: this is it */
};

static const struct unit count_units[] = {{"", 1, NULL}, {NULL, 0, NULL}};

static const struct unit byte_units[] = {
    {"GiB", UINT64_C(1) << 30, NULL},
    {"MiB", UINT64_C(1) << 20, NULL},
    {"KiB", UINT64_C(1) << 10, NULL},
    {"GB", 1000000000, NULL},
    {"MB", 1000000, NULL},
    {"kB", 1000, NULL},
    {"B", 1, NULL},
    {"", 1, NULL},
    {"k", 0, "KiB"},
    {"K", 0, "KiB"},
    {"m", 0, "MiB"},
    {"M", 0, "MiB"},
    {"g", 0, "GiB"},
    {"G", 0, "GiB"},
    {NULL, 0, NULL},
};

static const struct unit millisecond_units[] = {
    {"h", 3600000, NULL}, {"min", 60000, NULL}, {"s", 1000, NULL},    {"ms", 1, NULL},
    {"", 0, "s"},         {"m", 0, "min"},      {"minute", 0, "min"}, {"minutes", 0, "min"},
    {"sec", 0, "s"},      {"secs", 0, "s"},     {"second", 0, "s"},   {"seconds", 0, "s"},
    {"hour", 0, "h"},     {"hours", 0, "h"},    {"msec", 0, "ms"},    {"millis", 0, "ms"},
    {NULL, 0, NULL},
};

/* What people write by a number. */
struct quantity {
    uint64_t number;
    const struct unit *unit; /* NULL: none that could be meant */
    bool found;              /* there are digits */
    bool exact;              /* written as it must be */
    bool overflow;
};

static const char *kind_shown(enum setting_kind kind)
{
    switch (kind) {
    case SETTING_COUNT:
        return "a number";
    case SETTING_BYTES:
        return "a size like 8MiB";
    case SETTING_MILLISECONDS:
        return "a duration like 30s";
    case SETTING_PERCENT:
        return "a percentage like 5%";
    case SETTING_BOOL:
        return "true or false";
    case SETTING_TEXT:
    case SETTING_URL:
    case SETTING_ENUM:
    case SETTING_KAFKA:
    case SETTING_ELSEWHERE:
    case SETTING_REFUSED:
        break;
    }
    return "a text";
}

static const struct unit *kind_units(enum setting_kind kind)
{
    return kind == SETTING_BYTES          ? byte_units
           : kind == SETTING_MILLISECONDS ? millisecond_units
                                          : count_units;
}

/* --- Faults ---------------------------------------------------------------------------------- */

static bool fault_kind(const struct setting *setting, const char *text, struct arena *arena,
                       const char *mend, struct setting_fault *ret_fault)
{
    ret_fault->code = code_kind;
    ret_fault->text =
        arena_must_printf(arena, "cannot be \"%s\": it is %s%s%s", text, kind_shown(setting->kind),
                          setting->word.name != NULL ? " or " : "",
                          setting->word.name != NULL ? setting->word.name : "");
    ret_fault->hint = mend == NULL ? NULL : arena_must_printf(arena, "did you mean \"%s\"?", mend);
    return false;
}

static bool fault_range(const struct setting *setting, const char *text, struct arena *arena,
                        struct setting_fault *ret_fault)
{
    ret_fault->code = code_range;
    ret_fault->text =
        arena_must_printf(arena, "cannot be %s: it is %s", text, setting_range(setting, arena));
    ret_fault->hint = NULL;
    return false;
}

/* --- Numbers --------------------------------------------------------------------------------- */

static void add_digit(struct quantity *quantity, unsigned base, unsigned digit)
{
    uint64_t number = 0;
    if (!RH_MUL(quantity->number, (uint64_t)base, &number) ||
        !RH_ADD(number, (uint64_t)digit, &number)) {
        quantity->overflow = true;
        return;
    }
    quantity->number = number;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* "1,000": a comma before exactly three digits. Elsewhere it may mean a fraction. */
static bool is_thousands_comma(const char *text)
{
    return text[0] == ',' && is_digit(text[1]) && is_digit(text[2]) && is_digit(text[3]) &&
           !is_digit(text[4]);
}

/* "0x10": refused, but understood for the mend. */
static bool read_hexadecimal(const char *text, struct quantity *quantity)
{
    if (text[0] != '0' || (text[1] != 'x' && text[1] != 'X') ||
        text[2 + strspn(text + 2, "0123456789abcdefABCDEF")] != '\0' || text[2] == '\0') {
        return false;
    }
    for (const char *p = text + 2; *p != '\0'; p++) {
        char c = (char)tolower((unsigned char)*p);
        add_digit(quantity, 16, (unsigned)(is_digit(c) ? c - '0' : c - 'a' + 10));
    }
    quantity->found = true;
    return true;
}

/* Returns what stands after the number. */
static const char *read_decimal(const char *text, struct quantity *quantity)
{
    const char *p = text + (text[0] == '+');
    quantity->exact = p == text && !(p[0] == '0' && is_digit(p[1]));
    for (;; p++) {
        if (is_digit(*p)) {
            quantity->found = true;
            add_digit(quantity, 10, (unsigned)(*p - '0'));
        } else if (quantity->found && (*p == '_' || *p == ' ' || is_thousands_comma(p))) {
            quantity->exact = false;
        } else {
            return p;
        }
    }
}

static const struct unit *find_unit(const struct unit *units, const char *name)
{
    for (const struct unit *unit = units; unit->name != NULL; unit++) {
        if (strcmp(unit->name, name) == 0) {
            return unit;
        }
    }
    return NULL;
}

/* The unit that a wrong spelling means, or NULL. */
static const struct unit *nearest_unit(const struct unit *units, const char *name)
{
    const char *names[RH_COUNT(millisecond_units) + RH_COUNT(byte_units)];
    size_t count = 0;
    for (const struct unit *unit = units; unit->name != NULL; unit++) {
        if (unit->name[0] != '\0') {
            names[count++] = unit->name;
        }
    }
    const char *nearest = nearest_name(name, names, count);
    /* One letter is near to every other one. */
    if (nearest == NULL || (strlen(name) == 1 && strcasecmp(name, nearest) != 0)) {
        return NULL;
    }
    return find_unit(units, nearest);
}

static struct quantity read_quantity(const char *text, const struct unit *units)
{
    struct quantity quantity = {0};
    const char *rest = "";
    if (!read_hexadecimal(text, &quantity)) {
        rest = read_decimal(text, &quantity);
    }
    quantity.unit = find_unit(units, rest);
    if (quantity.unit == NULL) {
        quantity.exact = false;
        quantity.unit = nearest_unit(units, rest);
    }
    if (quantity.unit != NULL && quantity.unit->canonical != NULL) {
        /* Nothing is the same in every unit. */
        quantity.exact = quantity.exact && quantity.number == 0 && rest[0] == '\0';
        quantity.unit = find_unit(units, quantity.unit->canonical);
    }
    return quantity;
}

static bool is_in_range(const struct setting *setting, uint64_t number, const struct unit *unit)
{
    uint64_t value = 0;
    return RH_MUL(number, unit->factor, &value) && value >= setting->min && value <= setting->max;
}

/* A bare number means a unit that the setting can take: 300 as a page's time is 300ms. */
static const char *quantity_mend(const struct setting *setting, const struct quantity *quantity,
                                 const char *text, struct arena *arena)
{
    const struct unit *unit = quantity->unit;
    if (is_digit(text[strlen(text) - 1]) && !is_in_range(setting, quantity->number, unit)) {
        for (const struct unit *u = kind_units(setting->kind); u->name != NULL; u++) {
            unit = u->canonical == NULL && is_in_range(setting, quantity->number, u) ? u : unit;
        }
    }
    return arena_must_printf(arena, "%" PRIu64 "%s", quantity->number, unit->name);
}

static bool parse_quantity(const struct setting *setting, const char *text, struct arena *arena,
                           struct setting_value *ret_value, struct setting_fault *ret_fault)
{
    if (setting->word.name != NULL && strcmp(text, setting->word.name) == 0) {
        ret_value->number = setting->word.value;
        return true;
    }
    struct quantity quantity = read_quantity(text, kind_units(setting->kind));
    if (!quantity.found || quantity.unit == NULL) {
        const char *word = setting->word.name;
        return fault_kind(setting, text, arena, word ? nearest_name(text, &word, 1) : NULL,
                          ret_fault);
    }
    if (!quantity.exact && !quantity.overflow) {
        return fault_kind(setting, text, arena, quantity_mend(setting, &quantity, text, arena),
                          ret_fault);
    }
    uint64_t number = 0;
    if (quantity.overflow || !RH_MUL(quantity.number, quantity.unit->factor, &number) ||
        number < setting->min || number > setting->max) {
        return fault_range(setting, text, arena, ret_fault);
    }
    ret_value->number = number;
    return true;
}

/* NULL for what would not be taken: it is out of range, or only an exponent can show it. */
static const char *percent_mend(const struct setting *setting, double percent, struct arena *arena)
{
    if (percent < (double)setting->min || percent > (double)setting->max) {
        return NULL;
    }
    const char *mend = arena_must_printf(arena, "%.15g%%", percent);
    return strchr(mend, 'e') == NULL ? mend : NULL;
}

static bool parse_percent(const struct setting *setting, const char *text, struct arena *arena,
                          struct setting_value *ret_value, struct setting_fault *ret_fault)
{
    size_t digits = strspn(text, "0123456789");
    size_t len = digits;
    if (digits > 0 && text[len] == '.') {
        len += 1 + strspn(text + len + 1, "0123456789");
    }
    const char *rest = text + len + strspn(text + len, " ");
    bool leading_zero = text[0] == '0' && digits > 1;
    if (digits == 0 || text[len - 1] == '.' || (rest[0] != '\0' && strcmp(rest, "%") != 0)) {
        return fault_kind(setting, text, arena, NULL, ret_fault);
    }
    double percent = strtod(text, NULL);
    if (rest[0] == '\0' || rest != text + len || leading_zero) {
        /* 0.05 is a share that lost its way; 5 lacks only the sign. */
        bool is_share = rest[0] == '\0' && percent < 1 && len > digits;
        return fault_kind(setting, text, arena,
                          percent_mend(setting, is_share ? percent * 100 : percent, arena),
                          ret_fault);
    }
    if (percent < (double)setting->min || percent > (double)setting->max) {
        return fault_range(setting, text, arena, ret_fault);
    }
    ret_value->share = percent / 100;
    return true;
}

/* --- Words ----------------------------------------------------------------------------------- */

static bool parse_bool(const struct setting *setting, const char *text, struct arena *arena,
                       struct setting_value *ret_value, struct setting_fault *ret_fault)
{
    static const struct {
        const char *text;
        bool value;
        bool exact;
    } words[] = {
        {"true", true, true}, {"false", false, true}, {"yes", true, false}, {"no", false, false},
        {"on", true, false},  {"off", false, false},  {"1", true, false},   {"0", false, false},
    };
    const char *names[RH_COUNT(words)];
    for (size_t i = 0; i < RH_COUNT(words); i++) {
        if (words[i].exact && strcmp(text, words[i].text) == 0) {
            ret_value->number = words[i].value;
            return true;
        }
        names[i] = words[i].text;
    }
    const char *near = nearest_name(text, names, RH_COUNT(names));
    const char *mend = NULL;
    for (size_t i = 0; near != NULL && i < RH_COUNT(words); i++) {
        if (near == words[i].text) {
            mend = words[i].value ? "true" : "false";
        }
    }
    return fault_kind(setting, text, arena, mend, ret_fault);
}

static bool parse_enum(const struct setting *setting, const char *text, struct arena *arena,
                       struct setting_value *ret_value, struct setting_fault *ret_fault)
{
    const char *names[8];
    size_t count = 0;
    for (const struct setting_choice *choice = setting->choices; choice->name != NULL; choice++) {
        if (strcmp(text, choice->name) == 0) {
            ret_value->number = choice->value;
            return true;
        }
        REQUIRE(count < RH_COUNT(names));
        names[count++] = choice->name;
    }
    const char *mend = nearest_name(text, names, count);
    ret_fault->code = code_kind;
    ret_fault->text =
        arena_must_printf(arena, "cannot be \"%s\": it is %s", text, setting_range(setting, arena));
    ret_fault->hint = mend == NULL ? NULL : arena_must_printf(arena, "did you mean \"%s\"?", mend);
    return false;
}

static bool parse_text(const struct setting *setting, const char *text, struct arena *arena,
                       struct setting_value *ret_value, struct setting_fault *ret_fault)
{
    const struct setting_pattern *pattern = setting->pattern;
    size_t len = strlen(text);
    if (pattern != NULL &&
        (len == 0 || len > pattern->len_max || strchr(pattern->first, text[0]) == NULL ||
         strspn(text + 1, pattern->rest) != len - 1)) {
        ret_fault->code = code_pattern;
        ret_fault->text = arena_must_printf(arena, "cannot be \"%s\": it is a name like %s", text,
                                            pattern->shown);
        ret_fault->hint = NULL;
        return false;
    }
    ret_value->text = text;
    return true;
}

bool setting_value_parse(const struct setting *setting, const char *text, struct arena *arena,
                         struct setting_value *ret_value, struct setting_fault *ret_fault)
{
    REQUIRE(setting->kind < SETTING_KAFKA);
    switch (setting->kind) {
    case SETTING_TEXT:
    case SETTING_URL:
        return parse_text(setting, text, arena, ret_value, ret_fault);
    case SETTING_COUNT:
    case SETTING_BYTES:
    case SETTING_MILLISECONDS:
        return parse_quantity(setting, text, arena, ret_value, ret_fault);
    case SETTING_PERCENT:
        return parse_percent(setting, text, arena, ret_value, ret_fault);
    case SETTING_BOOL:
        return parse_bool(setting, text, arena, ret_value, ret_fault);
    case SETTING_ENUM:
        return parse_enum(setting, text, arena, ret_value, ret_fault);
    case SETTING_KAFKA:
    case SETTING_ELSEWHERE:
    case SETTING_REFUSED:
        break;
    }
    return false;
}

/* --- Ranges ---------------------------------------------------------------------------------- */

/* In the largest unit that divides it; units are sorted by falling size, binary ones first. */
static const char *amount_shown(enum setting_kind kind, uint64_t amount, struct arena *arena)
{
    if (kind == SETTING_PERCENT) {
        return arena_must_printf(arena, "%" PRIu64 "%%", amount);
    }
    const struct unit *units = kind_units(kind);
    while (units->factor > 1 && (amount == 0 || amount % units->factor != 0)) {
        units++;
    }
    return arena_must_printf(arena, "%" PRIu64 "%s", amount / units->factor, units->name);
}

static const char *choices_shown(const struct setting_choice *choices, struct arena *arena)
{
    const char *shown = choices->name;
    for (const struct setting_choice *choice = choices + 1; choice->name != NULL; choice++) {
        const char *separator = choice[1].name == NULL ? " or " : ", ";
        shown = arena_must_printf(arena, "%s%s%s", shown, separator, choice->name);
    }
    return shown;
}

const char *setting_range(const struct setting *setting, struct arena *arena)
{
    if (setting->kind == SETTING_ENUM) {
        return choices_shown(setting->choices, arena);
    }
    if (setting->kind == SETTING_BOOL) {
        return "true or false";
    }
    if (setting->pattern != NULL) {
        return setting->pattern->shown;
    }
    if (setting->max == 0) {
        return "";
    }
    const char *min = amount_shown(setting->kind, setting->min, arena);
    const char *word =
        setting->word.name != NULL ? arena_must_printf(arena, ", or %s", setting->word.name) : "";
    if (setting->max >= UINT64_MAX - 1) {
        return arena_must_printf(arena, "%s or more%s", min, word);
    }
    return arena_must_printf(arena, "%s to %s%s", min,
                             amount_shown(setting->kind, setting->max, arena), word);
}
