#include "common/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* A text cut by its array's end must not end inside a character: logs are UTF-8. */
static void end_at_character(char *text, size_t size)
{
    size_t len = strlen(text);
    size_t start = len;
    unsigned char lead;
    size_t needed;

    if (len + 1 < size) {
        return;
    }
    do {
        start--;
    } while (start > 0 && len - start < 4 && ((unsigned char)text[start] & 0xc0) == 0x80);
    lead = (unsigned char)text[start];
    needed = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
    if (len - start < needed) {
        text[start] = '\0';
    }
}

/* As much of the piece as there is room for. */
static void append(char *text, size_t size, const char *piece)
{
    size_t len = strlen(text);
    size_t n = strnlen(piece, size - 1 - len);

    memcpy(text + len, piece, n);
    text[len + n] = '\0';
}

static void format_text(char *text, size_t size, const char *format, va_list args) RH_PRINTF(3, 0);
static void format_text(char *text, size_t size, const char *format, va_list args)
{
    if (vsnprintf(text, size, format, args) < 0) {
        text[0] = '\0';
    }
    end_at_character(text, size);
}

/* Formatted aside first: the arguments may point into err itself. */
static void set(struct error *err, enum error_action action, const char *format, va_list args)
    RH_PRINTF(3, 0);
static void set(struct error *err, enum error_action action, const char *format, va_list args)
{
    char text[sizeof(err->text)];

    format_text(text, sizeof(text), format, args);
    memset(err, 0, sizeof(*err));
    err->action = action;
    memcpy(err->text, text, sizeof(text));
}

bool error_set(struct error *err, enum error_action action, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    set(err, action, format, args);
    va_end(args);
    return false;
}

bool error_stop(struct error *err, enum exit_code exit_code, const char *code, const char *format,
                ...)
{
    va_list args;

    va_start(args, format);
    set(err, ERROR_STOP, format, args);
    va_end(args);
    err->exit_code = exit_code;
    err->code = code;
    return false;
}

bool error_wrap(struct error *err, const char *format, ...)
{
    char text[sizeof(err->text)];
    va_list args;

    va_start(args, format);
    format_text(text, sizeof(text), format, args);
    va_end(args);
    append(text, sizeof(text), ": ");
    append(text, sizeof(text), err->text);
    end_at_character(text, sizeof(text));
    memcpy(err->text, text, sizeof(text));
    return false;
}

bool error_hint(struct error *err, const char *format, ...)
{
    char text[sizeof(err->hint_text)];
    va_list args;

    va_start(args, format);
    format_text(text, sizeof(text), format, args);
    va_end(args);
    memcpy(err->hint_text, text, sizeof(text));
    err->hint = err->hint_text;
    return false;
}
