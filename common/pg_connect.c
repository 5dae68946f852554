#include "common/pg_parts.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/shutdown.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

/*
 * Settings of every session, so that values have one text form and no row is hidden silently. Lock
 * waits are bounded everywhere; statements are not, since a COPY of a large page may take long:
 * callers that want a bound say SET LOCAL statement_timeout.
 *
 * On the target search_path stays the role's own: an empty one breaks users' triggers and the
 * operators of extension types. Our own SQL is fully qualified on both sides.
 */
struct session_setting {
    const char *name;
    const char *source_value; /* NULL = left alone */
    const char *target_value;
};

static const struct session_setting session_settings[] = {
    {"client_encoding", "UTF8", "UTF8"},
    {"DateStyle", "ISO", "ISO"},
    {"IntervalStyle", "postgres", "postgres"},
    {"extra_float_digits", "3", "3"},
    {"bytea_output", "hex", "hex"},
    {"TimeZone", "UTC", "UTC"},
    {"search_path", "", NULL},
    {"row_security", "off", "off"},
    {"lc_monetary", "C", "C"},
    {"xmloption", "content", "content"},
    {"array_nulls", "on", "on"},
    {"jit", "off", "off"}, /* compiling takes longer than any statement of a page or a batch */
    {"statement_timeout", "0", "0"},
    {"lock_timeout", "10s", "60s"},
    {"idle_in_transaction_session_timeout", "5min", "5min"},
};

#define CONNECT_TIMEOUT_DEFAULT "10" /* seconds, as libpq's connect_timeout */
#define CONNECT_POLL_MS         200  /* how often a wait looks at the shutdown flag */
#define OPTIONS_BYTES_MAX       4096
#define PARAMS_MAX              20

static void conninfo_free(PQconninfoOption **options)
{
    PQconninfoFree(*options);
    *options = NULL;
}

static void message_free(char **message)
{
    PQfreemem(*message);
    *message = NULL;
}

/* Notices show on nobody's terminal: they may hold values, so debug only. */
static void notice_received(void *context RH_UNUSED, const PGresult *result)
{
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    log_event(LEVEL_DEBUG, "pg_notice", F_STR("message", message));
}

/* ---- connection strings ---- */

/* As libpq decides it: anything else is the plain name of a database. */
static bool is_conninfo(const char *url)
{
    return strncmp(url, "postgresql://", 13) == 0 || strncmp(url, "postgres://", 11) == 0 ||
           strchr(url, '=') != NULL;
}

/*
 * ret_options NULL: a plain database name. libpq's own message is not shown, it can quote the whole
 * URL with its password.
 */
static bool url_parse(const char *url, PQconninfoOption **ret_options)
{
    *ret_options = NULL;
    if (!is_conninfo(url)) {
        return true;
    }
    RH_AUTO(message_free) char *message = NULL;
    *ret_options = PQconninfoParse(url, &message);
    return *ret_options != NULL;
}

static const char *option_value(const PQconninfoOption *options, const char *keyword)
{
    for (const PQconninfoOption *o = options; o != NULL && o->keyword != NULL; o++) {
        if (strcmp(o->keyword, keyword) == 0) {
            return o->val;
        }
    }
    return NULL;
}

static const char *text_or(const char *text, const char *otherwise)
{
    return text != NULL && text[0] != '\0' ? text : otherwise;
}

const char *pg_url_shown(const char *url, struct arena *arena)
{
    RH_AUTO(conninfo_free) PQconninfoOption *options = NULL;
    if (!url_parse(url, &options)) {
        return "an unreadable connection string";
    }
    if (options == NULL && strstr(url, "://") != NULL) {
        return "an unreadable connection string"; /* another scheme's URL, with its password */
    }
    if (options == NULL) {
        return arena_must_printf(arena, "local:5432/%s", url);
    }
    const char *service = option_value(options, "service");
    if (service != NULL) {
        return arena_must_printf(arena, "service %s", service);
    }
    const char *host = text_or(option_value(options, "host"), option_value(options, "hostaddr"));
    const char *user = text_or(option_value(options, "user"), "");
    return arena_must_printf(arena, "%s:%s/%s", text_or(host, "local"),
                             text_or(option_value(options, "port"), "5432"),
                             text_or(option_value(options, "dbname"), user));
}

/* The index-th part of libpq's comma-separated lists; the last part serves further hosts. */
static const char *list_part(const char *list, size_t index, struct arena *arena)
{
    if (list == NULL) {
        return NULL;
    }
    const char *from = list;
    for (; index > 0 && strchr(from, ',') != NULL; index--) {
        from = strchr(from, ',') + 1;
    }
    char *part = bytes_to_text(arena, (struct bytes){from, strcspn(from, ",")});
    REQUIRE(part != NULL);
    return part;
}

static size_t list_length(const char *list)
{
    size_t count = 1;
    for (; list != NULL && *list != '\0'; list++) {
        count += *list == ',';
    }
    return count;
}

/* ---- opening ---- */

/* The user's own options first: on a conflict the later one wins. */
static const char *session_options(enum pg_role role, const char *user_options, struct arena *arena)
{
    struct buffer text;
    buffer_init(&text, arena, OPTIONS_BYTES_MAX);
    write_text(&text, text_or(user_options, ""));
    for (size_t i = 0; i < RH_COUNT(session_settings); i++) {
        const struct session_setting *setting = &session_settings[i];
        const char *value = role == PG_SOURCE ? setting->source_value : setting->target_value;
        if (value != NULL) {
            write_format(&text, " -c %s=%s", setting->name, value);
        }
    }
    return text.failed ? NULL : buffer_text(&text);
}

struct params {
    const char *keywords[PARAMS_MAX];
    const char *values[PARAMS_MAX];
    size_t count;
};

static void param_add(struct params *params, const char *keyword, const char *value)
{
    REQUIRE(params->count + 1 < PARAMS_MAX); /* the list ends with a NULL keyword */
    params->keywords[params->count] = keyword;
    params->values[params->count] = value; /* NULL and "" are no setting, by libpq's rule */
    params->count++;
}

/* What stands before `dbname` is a default that the URL overrides; what stands after is fixed. */
static void params_fill(struct params *params, const struct pg *pg, const char *url,
                        const char *options)
{
    param_add(params, "connect_timeout", CONNECT_TIMEOUT_DEFAULT);
    param_add(params, "keepalives", "1");
    param_add(params, "keepalives_idle", "30");
    param_add(params, "keepalives_interval", "10");
    param_add(params, "keepalives_count", "3");
    param_add(params, "target_session_attrs", pg->role == PG_TARGET ? "read-write" : "any");
    param_add(params, "dbname", url);
    param_add(params, "options", options);
    param_add(params, "client_encoding", "UTF8");
    param_add(params, "application_name", pg->application);
}

static int64_t connect_timeout_ms(PGconn *conn)
{
    RH_AUTO(conninfo_free) PQconninfoOption *options = PQconninfo(conn);
    const char *text = text_or(option_value(options, "connect_timeout"), CONNECT_TIMEOUT_DEFAULT);
    int64_t seconds = strtol(text, NULL, 10);
    return seconds <= 0 || seconds > INT32_MAX ? INT64_MAX : seconds * 1000;
}

enum connect_end { CONNECT_DONE, CONNECT_FAILED, CONNECT_TIMED_OUT, CONNECT_INTERRUPTED };

/* PQconnectPoll until it is through: PQconnectdb has no way to ask for the SQLSTATE of a refusal.
 */
static enum connect_end connect_wait(PGconn *conn)
{
    int64_t timeout_ms = connect_timeout_ms(conn);
    int64_t began_ms = clock_ms();
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;
    while (status == PGRES_POLLING_READING || status == PGRES_POLLING_WRITING) {
        int64_t left_ms = timeout_ms - (clock_ms() - began_ms);
        if (left_ms <= 0) {
            return CONNECT_TIMED_OUT;
        }
        if (shutdown_requested()) {
            return CONNECT_INTERRUPTED;
        }
        struct pollfd wait = {PQsocket(conn), status == PGRES_POLLING_READING ? POLLIN : POLLOUT,
                              0};
        int ready = poll(&wait, 1, (int)(left_ms < CONNECT_POLL_MS ? left_ms : CONNECT_POLL_MS));
        if (ready > 0) {
            status = PQconnectPoll(conn);
        } else if (ready < 0 && errno != EINTR) {
            return CONNECT_FAILED;
        }
    }
    return status == PGRES_POLLING_OK ? CONNECT_DONE : CONNECT_FAILED;
}

static bool is_sqlstate(const char *text)
{
    return strspn(text, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 5;
}

/* "FATAL:  28P01: message": where the state begins, in whatever language the severity is. */
static const char *find_sqlstate(const char *message)
{
    for (const char *at = strstr(message, ":  "); at != NULL; at = strstr(at + 1, ":  ")) {
        if (is_sqlstate(at + 3) && at[8] == ':') {
            return at + 3;
        }
    }
    return NULL;
}

/* libpq's own refusals carry no SQLSTATE; these are the ones that repeating cannot mend. */
static const char *const hopeless_messages[] = {
    "no password supplied",      "server does not support SSL", "certificate verify failed",
    "invalid connection option", "invalid port number",         "invalid sslmode value",
    "definition of service",
};

static bool is_hopeless(const char *message)
{
    for (size_t i = 0; i < RH_COUNT(hopeless_messages); i++) {
        if (strstr(message, hopeless_messages[i]) != NULL) {
            return true;
        }
    }
    return false;
}

static const char *refusal_hint(const char *sqlstate)
{
    if (strcmp(sqlstate, "3D000") == 0) {
        return "the server has no such database: correct its name in the URL";
    }
    return "correct user, password and database in the URL (or in ~/.pgpass), and pg_hba.conf on "
           "the server; one try was made";
}

static bool unreachable_hint(const struct pg_role_names *names, const char *message,
                             struct error *err)
{
    if (strstr(message, "session is read-only") != NULL) {
        return error_hint(err,
                          "%s.url has to name the primary, and default_transaction_read_only "
                          "has to be off for the role and the database",
                          names->name);
    }
    return error_hint(err, "check that the server runs and that host and port of %s.url are right",
                      names->name);
}

static bool connect_error(const struct pg *pg, const char *shown, struct error *err)
{
    const struct pg_role_names *names = pg_names_of(pg);
    const char *message = PQerrorMessage(pg->conn);
    const char *state = find_sqlstate(message);
    char sqlstate[sizeof(err->sqlstate)] = "";
    enum error_action action = is_hopeless(message) ? ERROR_STOP : ERROR_RETRY;
    if (state != NULL) {
        memcpy(sqlstate, state, 5);
        action = pg_sqlstate_action(sqlstate);
        message = state + 7;
    }
    error_set(err, action, "could not connect to the %s at %s: %.*s", names->name, shown,
              (int)pg_first_line_length(message), message);
    memcpy(err->sqlstate, sqlstate, sizeof(sqlstate));
    err->exit_code = names->exit_code;
    if (action == ERROR_STOP) {
        err->code = names->code_refused;
        return error_hint(err, "%s", refusal_hint(sqlstate));
    }
    err->code = names->code_unreachable;
    return unreachable_hint(names, message, err);
}

static bool connect_unfinished(const struct pg *pg, enum connect_end end, const char *shown,
                               struct error *err)
{
    const struct pg_role_names *names = pg_names_of(pg);
    error_set(err, ERROR_RETRY, "could not connect to the %s at %s: %s", names->name, shown,
              end == CONNECT_TIMED_OUT ? "timeout expired" : "interrupted");
    err->exit_code = names->exit_code;
    err->code = names->code_unreachable;
    return unreachable_hint(names, "", err);
}

static bool open_once(struct pg *pg, const struct params *params, const char *shown,
                      struct error *err)
{
    pg->conn = PQconnectStartParams(params->keywords, params->values, 1);
    REQUIRE(pg->conn != NULL); /* NULL means no memory for a few hundred bytes */
    /* Before the first answer is read: so a refusal says its SQLSTATE. */
    PQsetErrorVerbosity(pg->conn, PQERRORS_VERBOSE);
    if (PQstatus(pg->conn) == CONNECTION_BAD) {
        return connect_error(pg, shown, err);
    }
    enum connect_end end = connect_wait(pg->conn);
    if (end == CONNECT_FAILED) {
        return connect_error(pg, shown, err);
    }
    if (end != CONNECT_DONE) {
        return connect_unfinished(pg, end, shown, err);
    }
    PQsetErrorVerbosity(pg->conn, PQERRORS_DEFAULT);
    PQsetNoticeReceiver(pg->conn, notice_received, NULL);
    return true;
}

static bool starts_with(const char *text, const char *start)
{
    return text != NULL && strncmp(text, start, strlen(start)) == 0;
}

/* libpq sends PGTZ and PGDATESTYLE of the environment after `options`, so they win over them. */
static bool settings_enforce(struct pg *pg, struct error *err)
{
    const char *zone = PQparameterStatus(pg->conn, "TimeZone");
    const char *style = PQparameterStatus(pg->conn, "DateStyle");
    if (zone != NULL && strcmp(zone, "UTC") == 0 && starts_with(style, "ISO")) {
        return true;
    }
    return pg_run(pg, "SET TimeZone = 'UTC'; SET DateStyle = 'ISO'", err);
}

/*
 * Host by host, since the timeout holds for each: the first of a pair may be the one that vanished.
 * (Hosts from PGHOST or a service file are tried by libpq itself, within one timeout.)
 */
static bool open_hosts(struct pg *pg, const PQconninfoOption *url_options,
                       const struct params *common, const char *shown, struct arena *scratch,
                       struct error *err)
{
    const char *host = option_value(url_options, "host");
    const char *hostaddr = option_value(url_options, "hostaddr");
    const char *port = option_value(url_options, "port");
    size_t hosts_count = list_length(text_or(hostaddr, host));
    for (size_t i = 0; i < hosts_count; i++) {
        struct params params = *common;
        if (hosts_count > 1) {
            param_add(&params, "host", list_part(host, i, scratch));
            param_add(&params, "hostaddr", list_part(hostaddr, i, scratch));
            param_add(&params, "port", list_part(port, i, scratch));
        }
        if (open_once(pg, &params, shown, err)) {
            return settings_enforce(pg, err);
        }
        pg_close(pg);
        if (err->action == ERROR_STOP) {
            return false;
        }
    }
    return false;
}

bool pg_open(struct pg *pg, enum pg_role role, const char *url, const char *application,
             struct error *err)
{
    REQUIRE(url != NULL);
    *pg = (struct pg){.role = role, .application = application};
    const struct pg_role_names *names = pg_names_of(pg);
    RH_AUTO(conninfo_free) PQconninfoOption *url_options = NULL;
    if (!url_parse(url, &url_options)) {
        error_stop(err, EXIT_CONFIG, names->code_url,
                   "could not read the connection string of the %s", names->name);
        return error_hint(err, "%s.url is a libpq URL like postgresql://user@host:5432/database",
                          names->name);
    }
    RH_AUTO(arena_release) struct arena scratch;
    arena_init(&scratch, (size_t)16 * OPTIONS_BYTES_MAX);
    const char *user_options = text_or(option_value(url_options, "options"), getenv("PGOPTIONS"));
    const char *options = session_options(role, user_options, &scratch);
    if (options == NULL) {
        return error_stop(err, EXIT_CONFIG, names->code_url,
                          "options in the connection string of the %s are too long", names->name);
    }
    struct params params = {.count = 0};
    params_fill(&params, pg, url, options);
    if (!open_hosts(pg, url_options, &params, pg_url_shown(url, &scratch), &scratch, err)) {
        pg_close(pg);
        return false;
    }
    return true;
}

void pg_close(struct pg *pg)
{
    PQfreemem(pg->copy_line);
    pg->copy_line = NULL;
    PQfinish(pg->conn);
    pg->conn = NULL;
}

bool pg_is_open(const struct pg *pg)
{
    return pg->conn != NULL && PQstatus(pg->conn) == CONNECTION_OK;
}
