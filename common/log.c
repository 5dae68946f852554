#include "common/log.h"

#include "common/bytes.h"
#include "common/clock.h"

#include <librdkafka/rdkafka.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* A value is cut at the one, a line at the other: the rest of a runaway text helps nobody. */
#define VALUE_BYTES_MAX ((size_t)4096)
#define LINE_BYTES_MAX  ((size_t)32 << 10)
/* What the end of a line takes: the mark of a cut one, a brace, the line break. */
#define LINE_END_BYTES ((size_t)32)

static _Atomic enum log_level least_level = LEVEL_INFO;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of all below */
static const char *program_name = "rowhaul";
static enum log_format line_format = LOG_FORMAT_TEXT;
static FILE *line_stream; /* NULL = stderr, which is no constant and cannot stand here */
static char line_memory[LINE_BYTES_MAX];

static const char *const level_names[] = {
    [LEVEL_DEBUG] = "debug",
    [LEVEL_INFO] = "info",
    [LEVEL_WARN] = "warn",
    [LEVEL_ERROR] = "error",
};

/* People find levels by their shape. */
static const char *const level_words[] = {
    [LEVEL_DEBUG] = "DEBUG",
    [LEVEL_INFO] = "INFO",
    [LEVEL_WARN] = "WARN",
    [LEVEL_ERROR] = "ERROR",
};

static const char *const format_names[] = {
    [LOG_FORMAT_TEXT] = "text",
    [LOG_FORMAT_JSON] = "json",
};

void log_init(const char *program, enum log_format format, enum log_level level)
{
    pthread_mutex_lock(&lock);
    program_name = program;
    line_format = format;
    pthread_mutex_unlock(&lock);
    atomic_store(&least_level, level);
}

void log_to(FILE *stream)
{
    pthread_mutex_lock(&lock);
    line_stream = stream;
    pthread_mutex_unlock(&lock);
}

enum log_format log_current_format(void)
{
    pthread_mutex_lock(&lock);
    enum log_format format = line_format;

    pthread_mutex_unlock(&lock);
    return format;
}

enum log_level log_current_level(void)
{
    return atomic_load(&least_level);
}

/* The index of text in names, or count. */
static size_t find_name(const char *text, const char *const *names, size_t count)
{
    size_t i = 0;

    while (i < count && strcmp(names[i], text) != 0) {
        i++;
    }
    return i;
}

bool log_format_parse(const char *text, enum log_format *ret_format)
{
    size_t i = find_name(text, format_names, RH_COUNT(format_names));

    if (i == RH_COUNT(format_names)) {
        return false;
    }
    *ret_format = (enum log_format)i;
    return true;
}

bool log_level_parse(const char *text, enum log_level *ret_level)
{
    size_t i = find_name(text, level_names, RH_COUNT(level_names));

    if (i == RH_COUNT(level_names)) {
        return false;
    }
    *ret_level = (enum log_level)i;
    return true;
}

/*
 * Length of the UTF-8 character text begins with, 0 if it is none (RFC 3629: no overlong form, no
 * surrogate, nothing above U+10FFFF). The terminating NUL is never a continuation byte.
 */
static size_t character_length(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    unsigned char least = 0x80, most = 0xbf;
    size_t length;

    if (s[0] < 0x80) {
        return 1;
    }
    if (s[0] < 0xc2 || s[0] > 0xf4) {
        return 0;
    }
    length = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    if (s[0] == 0xe0) {
        least = 0xa0;
    }
    if (s[0] == 0xed) {
        most = 0x9f;
    }
    if (s[0] == 0xf0) {
        least = 0x90;
    }
    if (s[0] == 0xf4) {
        most = 0x8f;
    }
    if (s[1] < least || s[1] > most) {
        return 0;
    }
    for (size_t i = 2; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return length;
}

/* ASCII controls and DEL, and U+0080 to U+009F, which terminals obey as well. */
static bool is_control(const char *text)
{
    const unsigned char *s = (const unsigned char *)text;

    return s[0] < 0x20 || s[0] == 0x7f || (s[0] == 0xc2 && s[1] < 0xa0);
}

static void write_control(struct buffer *line, const char *text, size_t length)
{
    unsigned code = (unsigned char)text[length - 1];

    if (code == '\n') {
        write_text(line, "\\n");
    } else if (code == '\t') {
        write_text(line, "\\t");
    } else if (code == '\r') {
        write_text(line, "\\r");
    } else {
        write_format(line, "\\u%04x", code);
    }
}

/* Between quotes; right for JSON, and the text format uses the same escapes. */
static void write_quoted(struct buffer *line, const char *text)
{
    const char *end = text + strnlen(text, VALUE_BYTES_MAX);

    write_text(line, "\"");
    while (text < end) {
        size_t length = character_length(text);

        if (length == 0) {
            write_text(line, "\xef\xbf\xbd"); /* U+FFFD */
        } else if (is_control(text)) {
            write_control(line, text, length);
        } else if (*text == '"' || *text == '\\') {
            write_format(line, "\\%c", *text);
        } else {
            write_bytes(line, (struct bytes){text, length});
        }
        text += length > 0 ? length : 1;
    }
    write_text(line, *text != '\0' ? "…\"" : "\"");
}

/* What can stand in a text line without quotes: a reader splits it at blanks and the first `=`. */
static bool is_plain(const char *text)
{
    if (*text == '\0' || strlen(text) > VALUE_BYTES_MAX) {
        return false;
    }
    for (size_t length; *text != '\0'; text += length) {
        length = character_length(text);
        if (length == 0 || is_control(text) || strchr(" \"\\=", *text) != NULL) {
            return false;
        }
    }
    return true;
}

/* The shorter of two forms that read back as the same number; JSON knows no infinity. */
static void write_real(struct buffer *line, double value)
{
    char text[32];

    if (!isfinite(value)) {
        write_text(line, "null");
        return;
    }
    (void)snprintf(text, sizeof(text), "%.15g", value); /* at most 22 characters */
    if (strtod(text, NULL) < value || strtod(text, NULL) > value) {
        (void)snprintf(text, sizeof(text), "%.17g", value);
    }
    write_text(line, text);
}

static void write_value(struct buffer *line, enum log_format format, const struct log_field *field)
{
    switch (field->kind) {
    case FIELD_STR:
        if (format == LOG_FORMAT_TEXT && is_plain(field->value.str)) {
            write_text(line, field->value.str);
        } else {
            write_quoted(line, field->value.str);
        }
        break;
    case FIELD_INT:
        write_format(line, "%lld", (long long)field->value.integer);
        break;
    case FIELD_REAL:
        write_real(line, field->value.real);
        break;
    case FIELD_BOOL:
        write_text(line, field->value.boolean ? "true" : "false");
        break;
    case FIELD_END:
        break;
    }
}

static void write_field(struct buffer *line, enum log_format format, const struct log_field *field)
{
    write_format(line, format == LOG_FORMAT_JSON ? ",\"%s\":" : " %s=", field->name);
    write_value(line, format, field);
}

static bool is_left_out(const struct log_field *field)
{
    return field->kind == FIELD_STR && field->value.str == NULL;
}

/* A field that does not fit whole is left out with all that follow, and the line says so. */
static void write_all_fields(struct buffer *line, enum log_format format,
                             const struct log_field *fields)
{
    for (; fields->kind != FIELD_END; fields++) {
        size_t before = line->len;

        if (is_left_out(fields)) {
            continue;
        }
        write_field(line, format, fields);
        if (line->failed) {
            buffer_clear(line);
            line->len = before;
            line->max_bytes = LINE_BYTES_MAX;
            write_field(line, format, &F_BOOL("truncated", true));
            return;
        }
    }
}

static bool has_code(const struct log_field *fields)
{
    for (; fields->kind != FIELD_END; fields++) {
        if (strcmp(fields->name, "code") == 0 && !is_left_out(fields)) {
            return true;
        }
    }
    return false;
}

static void write_head(struct buffer *line, enum log_format format, enum log_level level,
                       const char *event)
{
    char time[32];

    clock_format(clock_wall_us(), time, sizeof(time));
    if (format == LOG_FORMAT_TEXT) {
        write_format(line, "%s %s %s", time, level_words[level], event);
        return;
    }
    write_format(line, "{\"ts\":\"%s\"", time);
    write_field(line, format, &F_STR("level", level_names[level]));
    write_field(line, format, &F_STR("program", program_name));
    write_field(line, format, &F_STR("event", event));
}

void log_fields(enum log_level level, const char *event, const struct log_field *fields)
{
    struct buffer line = {.ptr = line_memory,
                          .capacity = LINE_BYTES_MAX,
                          .max_bytes = LINE_BYTES_MAX - LINE_END_BYTES};

    if (level < atomic_load(&least_level)) {
        return;
    }

    pthread_mutex_lock(&lock);
    FILE *stream = line_stream != NULL ? line_stream : stderr;

    write_head(&line, line_format, level, event);
    if (level == LEVEL_ERROR && !has_code(fields)) {
        write_field(&line, line_format, &F_STR("code", ERROR_CODE_INTERNAL));
    }
    write_all_fields(&line, line_format, fields);
    line.max_bytes = LINE_BYTES_MAX;
    write_text(&line, line_format == LOG_FORMAT_JSON ? "}\n" : "\n");
    /* Where the log cannot be written there is nobody left to tell; the work goes on. */
    (void)fwrite(line.ptr, 1, line.len, stream);
    (void)fflush(stream);
    pthread_mutex_unlock(&lock);
}

void log_error(enum log_level level, const char *event, const struct error *err)
{
    rd_kafka_resp_err_t kafka = (rd_kafka_resp_err_t)err->kafka_code;

    log_event(level, event, F_STR("code", err->code != NULL ? err->code : ERROR_CODE_INTERNAL),
              F_STR("error", err->text), F_STR("sqlstate", err->sqlstate[0] ? err->sqlstate : NULL),
              F_STR("kafka", kafka != RD_KAFKA_RESP_ERR_NO_ERROR ? rd_kafka_err2name(kafka) : NULL),
              F_STR("hint", err->hint));
}
