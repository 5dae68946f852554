#include "common/settings_url.h"

#include "common/document.h"
#include "common/nearest.h"

#include <libpq-fe.h>
#include <string.h>
#include <strings.h>

static const char code_url[] = "RH-3109";

static void options_free(PQconninfoOption **options)
{
    PQconninfoFree(*options);
}

static void message_free(char **message)
{
    PQfreemem(*message);
}

static bool fault(struct setting_fault *ret_fault, const char *text, const char *hint)
{
    *ret_fault = (struct setting_fault){code_url, text, hint};
    return false;
}

static bool is_url(const char *text)
{
    return strncmp(text, "postgresql://", 13) == 0 || strncmp(text, "postgres://", 11) == 0;
}

static const char *option_value(const PQconninfoOption *options, const char *keyword)
{
    for (const PQconninfoOption *option = options; option->keyword != NULL; option++) {
        if (strcmp(option->keyword, keyword) == 0) {
            return option->val != NULL && option->val[0] != '\0' ? option->val : NULL;
        }
    }
    return NULL;
}

/* How many single characters libpq's messages quote before they quote the string: its punctuation,
 * or one character of it. Messages that are not here quote none. */
static const struct message_start {
    const char *text;
    size_t characters;
} message_starts[] = {
    {"missing \"", 1},                                         /* missing "=" after … */
    {"missing key/value separator \"", 1},                     /* … "=" in URI query parameter */
    {"extra key/value separator \"", 1},                       /* the same */
    {"end of string reached when looking for matching \"", 1}, /* … "]" in IPv6 host address */
    {"unexpected character \"", 3}, /* … "x" at position 9 in URI (expected ":" or "/") */
};

/*
 * libpq's message without what it quotes of the string. That begins behind as many quoted
 * characters as the message is known to have, and ends at the last quotation mark: the string may
 * hold some, and line breaks too.
 */
static const char *message_without_value(const char *message, struct arena *arena)
{
    const char *end = strrchr(message, '"');
    size_t kept = strcspn(message, "\"");
    for (size_t i = 0; i < RH_COUNT(message_starts); i++) {
        const struct message_start *start = &message_starts[i];
        if (strncmp(message, start->text, strlen(start->text)) != 0) {
            continue;
        }
        for (size_t k = 0; k < start->characters && message + kept + 2 <= end; k++) {
            kept += 3;
            kept += strcspn(message + kept, "\"");
        }
    }
    if (end == NULL || message + kept > end) {
        return arena_must_printf(arena, "%.*s", (int)strcspn(message, "\n"), message);
    }
    return arena_must_printf(arena, "%.*s\"…\"%.*s", (int)kept, message,
                             (int)strcspn(end + 1, "\n"), end + 1);
}

/* "did you mean" for a misspelt option: only a word close to one of libpq's is repeated. */
static const char *option_hint(const char *message, struct arena *arena)
{
    static const char *const starts[] = {"invalid connection option \"",
                                         "invalid URI query parameter: \""};
    const char *names[100];
    size_t count = 0;
    RH_AUTO(options_free) PQconninfoOption *options = PQconninfoParse("", NULL);
    for (PQconninfoOption *option = options; option != NULL && option->keyword != NULL; option++) {
        if (count < RH_COUNT(names)) {
            names[count++] = option->keyword;
        }
    }
    for (size_t i = 0; i < RH_COUNT(starts); i++) {
        size_t len = strlen(starts[i]);
        if (strncmp(message, starts[i], len) == 0) {
            size_t word_len = strcspn(message + len, "\"\n");
            const char *word = arena_must_printf(arena, "%.*s", (int)word_len, message + len);
            const char *near = nearest_name(word, names, count);
            return near == NULL ? NULL : arena_must_printf(arena, "did you mean \"%s\"?", near);
        }
    }
    return NULL;
}

/*
 * A password with "@" or "/" in it ends early for libpq, and its rest becomes a host, a port or a
 * database: to be shown in the next message, or asked of a name server.
 */
static bool url_is_torn(const char *url)
{
    const char *authority = strstr(url, "://") + 3;
    const char *slash = authority + strcspn(authority, "/");
    const char *at = memchr(authority, '@', (size_t)(slash - authority));
    const char *host = at == NULL ? authority : at + 1;
    return host[strcspn(host, "@/?")] == '@' ||
           (*slash == '/' && slash[strcspn(slash, "@?")] == '@');
}

static bool check_parts(bool is_torn, const PQconninfoOption *options,
                        struct setting_fault *ret_fault)
{
    static const char hint[] = "in the user and password of a URL, @ is written %40, / %2F, : %3A, "
                               "% %25";
    if (is_torn) {
        return fault(ret_fault, "is not a connection string: a \"@\" stands where none may", hint);
    }
    const char *port = option_value(options, "port");
    if (port != NULL && port[strspn(port, "0123456789,")] != '\0') {
        return fault(ret_fault, "is not a connection string: the port is not a number", hint);
    }
    return true;
}

bool settings_url_check(const char *url, struct arena *arena, struct setting_fault *ret_fault)
{
    const char *equals = strchr(url, '=');
    const char *scheme_end = strstr(url, "://");
    if (!is_url(url) && scheme_end != NULL && (equals == NULL || scheme_end < equals)) {
        return fault(ret_fault, "is not a URL of PostgreSQL",
                     "it begins with postgresql:// or postgres://");
    }
    if (!is_url(url) && equals == NULL) {
        return fault(ret_fault, "is not a connection string of PostgreSQL",
                     "write postgresql://user@host:port/database or host=… dbname=…");
    }
    RH_AUTO(message_free) char *message = NULL;
    RH_AUTO(options_free) PQconninfoOption *options = PQconninfoParse(url, &message);
    if (options != NULL) {
        return check_parts(is_url(url) && url_is_torn(url), options, ret_fault);
    }
    if (message == NULL) {
        return fault(ret_fault, "is not a connection string: out of memory", NULL);
    }
    const char *shown = message_without_value(message, arena);
    return fault(ret_fault, arena_must_printf(arena, "is not a connection string: %s", shown),
                 option_hint(message, arena));
}

/* --- Which database -------------------------------------------------------------------------- */

struct database_place {
    const char *service, *host, *port, *database;
};

static const char *copy_or_default(const char *value, const char *fallback, struct arena *arena)
{
    return arena_must_strdup(arena, value != NULL ? value : fallback != NULL ? fallback : "");
}

static const char *value_or(const char *value, const char *fallback)
{
    return value != NULL ? value : fallback;
}

/* The loopback's names are one server. */
static const char *host_shown(const char *host)
{
    static const char *const loopback[] = {"127.0.0.1", "::1", "localhost"};
    for (size_t i = 0; host != NULL && i < RH_COUNT(loopback); i++) {
        if (strcasecmp(host, loopback[i]) == 0) {
            return "localhost";
        }
    }
    return host;
}

static bool read_place(const char *url, const PQconninfoOption *defaults, struct arena *arena,
                       struct database_place *ret_place)
{
    RH_AUTO(options_free) PQconninfoOption *options = PQconninfoParse(url, NULL);
    if (options == NULL) {
        return false;
    }
    const char *host = value_or(option_value(options, "hostaddr"), option_value(options, "host"));
    const char *default_host =
        value_or(option_value(defaults, "hostaddr"), option_value(defaults, "host"));
    /* Without a name, the database is the default one, else the one called like the user. */
    const char *user = value_or(option_value(options, "user"), option_value(defaults, "user"));
    const char *database = value_or(option_value(defaults, "dbname"), user);
    *ret_place = (struct database_place){
        .service = copy_or_default(option_value(options, "service"), NULL, arena),
        .host = copy_or_default(host_shown(host), host_shown(default_host), arena),
        .port =
            copy_or_default(option_value(options, "port"), option_value(defaults, "port"), arena),
        .database = copy_or_default(option_value(options, "dbname"), database, arena),
    };
    return true;
}

bool settings_url_same_database(const char *a, const char *b, struct arena *arena)
{
    struct database_place left = {0};
    struct database_place right = {0};
    RH_AUTO(options_free) PQconninfoOption *defaults = PQconndefaults();
    if (defaults == NULL || !read_place(a, defaults, arena, &left) ||
        !read_place(b, defaults, arena, &right)) {
        return false;
    }
    return strcmp(left.service, right.service) == 0 && strcasecmp(left.host, right.host) == 0 &&
           strcmp(left.port, right.port) == 0 && strcmp(left.database, right.database) == 0;
}
