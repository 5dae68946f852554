#include "common/complaint.h"

#include <stdarg.h>
#include <string.h>

/* Of each level: a file full of errors is not read to the end anyway, and memory is bounded. */
#define STORED_MAX 1000

#define TEXT_BYTES_MAX 2048

void complaints_init(struct complaints *complaints, struct arena *arena, const char *file)
{
    *complaints = (struct complaints){.arena = arena, .file = file};
}

static bool stands_before(const struct complaint *a, const struct complaint *b)
{
    return a->line != b->line ? a->line < b->line : a->column < b->column;
}

/* Behind those of the same place, so that they stay in the order they were found in. */
static void insert(struct complaints *complaints, struct complaint *complaint)
{
    struct complaint **link = &complaints->first;

    while (*link != NULL && !stands_before(complaint, *link)) {
        link = &(*link)->next;
    }
    complaint->next = *link;
    *link = complaint;
}

void complain(struct complaints *complaints, enum complaint_level level, const char *code,
              const struct node *node, const char *hint, const char *format, ...)
{
    size_t *count =
        level == COMPLAINT_ERROR ? &complaints->errors_count : &complaints->warnings_count;
    char text[TEXT_BYTES_MAX];
    struct complaint *complaint;
    va_list args;

    if (++*count > STORED_MAX) {
        return;
    }
    va_start(args, format);
    if (vsnprintf(text, sizeof(text), format, args) < 0) {
        text[0] = '\0';
    }
    va_end(args);

    complaint = arena_must_alloc(complaints->arena, sizeof(*complaint));
    complaint->level = level;
    complaint->code = code;
    complaint->line = node != NULL ? node->line : 0;
    complaint->column = node != NULL ? node->column : 0;
    complaint->text = arena_must_strdup(complaints->arena, text);
    complaint->hint = hint;
    insert(complaints, complaint);
}

/* Texts quote names of the file, which may hold a line break; a complaint stays one line. */
static void print_escaped(const char *text, FILE *stream)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;

        if (c < 0x20 || c == 0x7f) {
            fprintf(stream, "\\x%02x", (unsigned)c);
        } else {
            fputc(c, stream);
        }
    }
}

static void print(const struct complaints *complaints, const struct complaint *complaint,
                  FILE *stream)
{
    print_escaped(complaints->file, stream);
    if (complaint->line > 0) {
        fprintf(stream, ":%d:%d", complaint->line, complaint->column);
    }
    fprintf(stream, ": %s", complaint->level == COMPLAINT_ERROR ? "error" : "warning");
    if (complaint->code != NULL) {
        fprintf(stream, " %s", complaint->code);
    }
    fputs(": ", stream);
    print_escaped(complaint->text, stream);
    if (complaint->hint != NULL) {
        fputs(" (", stream);
        print_escaped(complaint->hint, stream);
        fputc(')', stream);
    }
    fputc('\n', stream);
}

static void print_more(const struct complaints *complaints, size_t count, const char *what,
                       FILE *stream)
{
    if (count <= STORED_MAX) {
        return;
    }
    print_escaped(complaints->file, stream);
    fprintf(stream, ": %zu more %s\n", count - STORED_MAX, what);
}

void complaints_print(const struct complaints *complaints, FILE *stream)
{
    for (const struct complaint *c = complaints->first; c != NULL; c = c->next) {
        print(complaints, c, stream);
    }
    print_more(complaints, complaints->errors_count, "errors", stream);
    print_more(complaints, complaints->warnings_count, "warnings", stream);
}

bool complaints_to_error(const struct complaints *complaints, struct error *err)
{
    const struct complaint *first = complaints->first;

    if (complaints->errors_count == 0) {
        return true;
    }
    while (first->level != COMPLAINT_ERROR) {
        first = first->next;
    }

    error_stop(err, EXIT_CONFIG, first->code, "%s", first->text);
    if (first->line > 0) {
        error_wrap(err, "%s:%d:%d", complaints->file, first->line, first->column);
    } else {
        error_wrap(err, "%s", complaints->file);
    }
    if (complaints->errors_count > 1) {
        error_wrap(err, "%zu errors, the first", complaints->errors_count);
    }
    if (first->hint != NULL) {
        error_hint(err, "%s", first->hint);
    }
    return false;
}

void complaint_show(const char *file, struct error *err)
{
    size_t place = strlen(file);

    if (strncmp(err->text, file, place) != 0 || err->text[place] != ':') {
        return;
    }
    place += strspn(err->text + place, ":0123456789");
    fprintf(stderr, "%.*s error %s:", (int)place, err->text, err->code);
    print_escaped(err->text + place, stderr);
    if (err->hint != NULL) {
        fputs(" (", stderr);
        print_escaped(err->hint, stderr);
        fputc(')', stderr);
    }
    fputc('\n', stderr);
    err->shown = true;
}

bool complaints_report(const struct complaints *complaints, struct error *err)
{
    complaints_print(complaints, stderr);
    if (complaints_to_error(complaints, err)) {
        return true;
    }
    err->shown = true;
    return false;
}
