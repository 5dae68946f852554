#include "common/settings.h"

#include "common/clock.h"
#include "common/compiler.h"
#include "common/nearest.h"
#include "common/secret_file.h"
#include "common/settings_table.h"
#include "common/settings_url.h"
#include "common/settings_value.h"

#include <string.h>

/*
 * What can be wrong with settings (documents have RH-30nn, `${…}` has RH-312n):
 *
 *   RH-3101  an unknown key
 *   RH-3102  a required key is missing
 *   RH-3103  a list or mapping where a single value belongs, the other way round, or nothing
 *   RH-3104  a key that is not in this version
 *   RH-3105  a text that is no value of the key's kind     (settings_value.c)
 *   RH-3106  a value out of range                          (settings_value.c)
 *   RH-3107  a name with characters it may not have        (settings_value.c)
 *   RH-3109  a malformed connection string                 (settings_url.c)
 *   RH-3110  source and target are one database
 *   RH-3111  a secret file that cannot be read             (secret_file.c)
 *   RH-3112  a secret file that others may read            (secret_file.c)
 *   RH-3113  two settings that contradict each other
 *   RH-3114  log.file with a placeholder that is none
 */
static const char code_unknown[] = "RH-3101";
static const char code_missing[] = "RH-3102";
static const char code_shape[] = "RH-3103";
static const char code_version[] = "RH-3104";
static const char code_same[] = "RH-3110";
static const char code_contradiction[] = "RH-3113";
static const char code_placeholder[] = "RH-3114";

static const char secret_prefix[] = "file:";

struct load {
    const struct document *document;
    const struct node *root;
    struct arena *arena;
    struct complaints *complaints;
    struct settings settings;
};

/* --- Paths ----------------------------------------------------------------------------------- */

/* "topics" of "topics.partitions"; a path without a dot is its own. */
static const char *path_section(const char *path, struct arena *arena)
{
    return arena_must_printf(arena, "%.*s", (int)strcspn(path, "."), path);
}

/* "partitions", or NULL for a path without a dot. */
static const char *path_key(const char *path)
{
    const char *dot = strchr(path, '.');
    return dot == NULL ? NULL : dot + 1;
}

static const struct node *find_node(const struct load *load, const char *path)
{
    const struct node *section = node_get(load->root, path_section(path, load->arena));
    const char *key = path_key(path);
    return key == NULL ? section : node_get(section, key);
}

/* --- Unknown keys ---------------------------------------------------------------------------- */

struct names {
    const char *names[128];
    size_t count;
};

static void add_name(struct names *names, const char *name)
{
    REQUIRE(names->count < RH_COUNT(names->names));
    names->names[names->count++] = name;
}

/* The keys of a section, or with NULL those of the file. */
static struct names known_keys(const char *section, struct arena *arena)
{
    struct names names = {.count = 0};
    for (size_t i = 0; i < settings_table_count; i++) {
        const char *path = settings_table[i].path;
        const char *path_start = path_section(path, arena);
        if (section == NULL) {
            add_name(&names, path_start);
        } else if (strcmp(path_start, section) == 0 && path_key(path) != NULL) {
            add_name(&names, path_key(path));
        }
    }
    return names;
}

static bool is_among(const struct names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->names[i], name) == 0 || strcmp(names->names[i], "*") == 0) {
            return true;
        }
    }
    return false;
}

/* A key that exists, but in another section; or NULL. */
static const char *path_elsewhere(const char *key)
{
    for (size_t i = 0; i < settings_table_count; i++) {
        const char *known = path_key(settings_table[i].path);
        if (known != NULL && settings_table[i].kind != SETTING_REFUSED && strcmp(known, key) == 0) {
            return settings_table[i].path;
        }
    }
    return NULL;
}

static void complain_unknown(struct load *load, const struct node *key, const char *section,
                             const struct names *known)
{
    const char *near = nearest_name(key->text.ptr, known->names, known->count);
    if (near == NULL) {
        near = path_elsewhere(key->text.ptr);
    }
    const char *hint =
        near == NULL ? NULL
                     : arena_must_printf(load->complaints->arena, "did you mean \"%s\"?", near);
    complain(load->complaints, COMPLAINT_ERROR, code_unknown, key, hint, "unknown key \"%s%s%s\"",
             section == NULL ? "" : section, section == NULL ? "" : ".", key->text.ptr);
}

static void check_section(struct load *load, const char *section, const struct node *node,
                          const struct names *known)
{
    if (node_is_null(node)) {
        return; /* a section whose keys are all commented out */
    }
    if (node->kind != NODE_MAPPING) {
        complain(load->complaints, COMPLAINT_ERROR, code_shape, node, NULL,
                 "\"%s\" must be a mapping", section);
        return;
    }
    for (size_t i = 0; i < node->count; i++) {
        if (!is_among(known, node->pairs[i].key->text.ptr)) {
            complain_unknown(load, node->pairs[i].key, section, known);
        }
    }
}

static void check_keys(struct load *load)
{
    struct names known = known_keys(NULL, load->arena);
    for (size_t i = 0; i < load->root->count; i++) {
        const struct node_pair *pair = &load->root->pairs[i];
        const char *name = pair->key->text.ptr;
        if (!is_among(&known, name)) {
            complain_unknown(load, pair->key, NULL, &known);
            continue;
        }
        struct names keys = known_keys(name, load->arena);
        if (keys.count > 0) {
            check_section(load, name, pair->value, &keys);
        }
    }
}

/* --- Values ---------------------------------------------------------------------------------- */

static const char *read_secret(struct load *load, const char *path, const char *text,
                               const struct node *node)
{
    struct error err = {0};
    const char *secret = NULL;
    if (secret_file_read(text + strlen(secret_prefix), load->arena, &secret, &err)) {
        return secret;
    }
    const char *hint =
        err.hint == NULL ? NULL : arena_must_strdup(load->complaints->arena, err.hint);
    complain(load->complaints, COMPLAINT_ERROR, err.code, node, hint, "%s: %s", path, err.text);
    return NULL;
}

/* The text of a scalar after `${…}` and `file:`, or NULL after a complaint. */
static const char *read_text(struct load *load, const char *path, bool secret,
                             const struct node *node)
{
    if (node->kind != NODE_SCALAR) {
        complain(load->complaints, COMPLAINT_ERROR, code_shape, node, NULL,
                 "%s must be a single value, not a %s", path,
                 node->kind == NODE_MAPPING ? "mapping" : "list");
        return NULL;
    }
    const char *text = node_is_null(node)
                           ? ""
                           : interpolate(load->document, node, load->arena, load->complaints, NULL);
    if (text != NULL && text[0] == '\0') {
        complain(load->complaints, COMPLAINT_ERROR, code_shape, node,
                 "leave the key out to have its default", "%s has no value", path);
        return NULL;
    }
    if (text != NULL && secret && strncmp(text, secret_prefix, strlen(secret_prefix)) == 0) {
        return read_secret(load, path, text, node);
    }
    return text;
}

static void store(struct settings *settings, const struct setting *setting,
                  struct setting_value value)
{
    char *member = (char *)settings + setting->offset;
    uint32_t narrow = (uint32_t)value.number;
    bool truth = value.number != 0;
    if (setting->kind == SETTING_TEXT || setting->kind == SETTING_URL) {
        memcpy(member, &value.text, sizeof(value.text));
    } else if (setting->kind == SETTING_PERCENT) {
        memcpy(member, &value.share, sizeof(value.share));
    } else if (setting->kind == SETTING_BOOL) {
        memcpy(member, &truth, sizeof(truth));
    } else if (setting->size == sizeof(narrow)) {
        memcpy(member, &narrow, sizeof(narrow)); /* uint32_t and enums */
    } else if (setting->size == sizeof(value.number)) {
        memcpy(member, &value.number, sizeof(value.number));
    } else {
        REQUIRE(setting->size == 0);
    }
}

static void load_default(struct load *load, const struct setting *setting)
{
    struct setting_value value = {0};
    struct setting_fault fault = {0};
    if (setting->default_text != NULL) {
        REQUIRE(setting_value_parse(setting, setting->default_text, load->arena, &value, &fault));
        store(&load->settings, setting, value);
    }
}

static void complain_missing(struct load *load, const char *path)
{
    const struct node *section = node_get(load->root, path_section(path, load->arena));
    complain(load->complaints, COMPLAINT_ERROR, code_missing,
             section != NULL ? section : load->root, NULL, "%s is missing", path);
}

static void load_value(struct load *load, const struct setting *setting, const struct node *node)
{
    const char *text = read_text(load, setting->path, setting->secret, node);
    if (text == NULL) {
        return;
    }
    struct arena *arena = load->complaints->arena;
    struct setting_value value = {0};
    struct setting_fault fault = {0};
    if (!setting_value_parse(setting, text, arena, &value, &fault) ||
        (setting->kind == SETTING_URL && !settings_url_check(text, arena, &fault))) {
        complain(load->complaints, COMPLAINT_ERROR, fault.code, node, fault.hint, "%s %s",
                 setting->path, fault.text);
        return;
    }
    store(&load->settings, setting, value);
}

/* --- Kafka's properties ---------------------------------------------------------------------- */

static bool is_secret_property(const char *name)
{
    size_t len = strlen(name);
    return strstr(name, "password") != NULL || strstr(name, "secret") != NULL ||
           strncmp(name, "sasl.", 5) == 0 || (len >= 4 && strcmp(name + len - 4, ".key") == 0);
}

static void load_property(struct load *load, const struct node_pair *pair,
                          struct kafka_property *properties)
{
    struct arena *arena = load->complaints->arena;
    const char *name = pair->key->text.ptr;
    const char *path = arena_must_printf(arena, "kafka.%s", name);
    if (pair->value->kind == NODE_MAPPING) {
        complain(load->complaints, COMPLAINT_ERROR, code_shape, pair->value,
                 "write the whole name of the property in one line, like bootstrap.servers: …",
                 "%s must be a single value, not a mapping", path);
        return;
    }
    const char *value = read_text(load, path, is_secret_property(name), pair->value);
    if (value != NULL) {
        properties[load->settings.kafka_count++] =
            (struct kafka_property){.name = name, .value = value, .node = pair->value};
    }
}

/* A property that was meant to be this one, or NULL; what librdkafka knows only it knows. */
static const struct node *misspelt_servers(const struct node *kafka)
{
    static const char *const servers[] = {"bootstrap.servers"};
    for (size_t i = 0; kafka != NULL && i < kafka->count; i++) {
        if (nearest_name(kafka->pairs[i].key->text.ptr, servers, RH_COUNT(servers)) != NULL) {
            return kafka->pairs[i].key;
        }
    }
    return NULL;
}

static void complain_servers(struct load *load, const struct node *kafka)
{
    const struct node *key = misspelt_servers(kafka);
    if (key == NULL) {
        complain_missing(load, "kafka.bootstrap.servers");
        return;
    }
    complain(load->complaints, COMPLAINT_ERROR, code_unknown, key,
             "did you mean \"bootstrap.servers\"?", "unknown key \"kafka.%s\"", key->text.ptr);
}

static void load_kafka(struct load *load)
{
    const struct node *kafka = node_get(load->root, "kafka");
    bool is_mapping = kafka != NULL && kafka->kind == NODE_MAPPING;
    if (is_mapping && kafka->count > 0) {
        struct kafka_property *properties =
            arena_must_alloc(load->arena, kafka->count * sizeof(*properties));
        for (size_t i = 0; i < kafka->count; i++) {
            load_property(load, &kafka->pairs[i], properties);
        }
        load->settings.kafka = properties;
    }
    bool is_complained_of = kafka != NULL && !is_mapping && !node_is_null(kafka);
    if (!is_complained_of && node_get(kafka, "bootstrap.servers") == NULL) {
        complain_servers(load, is_mapping ? kafka : NULL);
    }
}

/* --- All rows -------------------------------------------------------------------------------- */

static void load_setting(struct load *load, const struct setting *setting)
{
    if (setting->kind == SETTING_KAFKA) {
        load_kafka(load);
        return;
    }
    const struct node *node = find_node(load, setting->path);
    if (setting->kind == SETTING_ELSEWHERE) {
        return;
    }
    if (setting->kind == SETTING_REFUSED) {
        if (node != NULL) {
            complain(load->complaints, COMPLAINT_ERROR, code_version, node,
                     "use source.url, a PostgreSQL database", "%s is not in this version",
                     setting->path);
        }
        return;
    }
    if (node != NULL) {
        load_value(load, setting, node);
    } else if (setting->required) {
        complain_missing(load, setting->path);
    } else {
        load_default(load, setting);
    }
}

/* --- What settings mean together ------------------------------------------------------------- */

/* "20261120T101112Z": without the colons, which some file systems refuse. */
static const char *timestamp(struct arena *arena)
{
    char text[32];
    char compact[sizeof(text)];
    size_t len = 0;
    clock_format(clock_wall_us(), text, sizeof(text));
    for (const char *p = text; *p != '\0' && *p != '.'; p++) {
        if (*p != '-' && *p != ':') {
            compact[len++] = *p;
        }
    }
    return arena_must_printf(arena, "%.*sZ", (int)len, compact);
}

static const char *placeholder_value(const struct load *load, const char *name)
{
    if (strcmp(name, "migration") == 0) {
        return load->settings.name != NULL ? load->settings.name : "";
    }
    return strcmp(name, "timestamp") == 0 ? timestamp(load->arena) : NULL;
}

static void complain_placeholder(struct load *load, const char *text)
{
    complain(load->complaints, COMPLAINT_ERROR, code_placeholder, find_node(load, "log.file"),
             "there are {migration} and {timestamp}", "log.file has the unknown placeholder \"%s\"",
             text);
}

static void expand_log_file(struct load *load)
{
    const char *rest = load->settings.log_file;
    const char *expanded = "";
    while (rest != NULL) {
        const char *open = strchr(rest, '{');
        if (open == NULL) {
            load->settings.log_file = arena_must_printf(load->arena, "%s%s", expanded, rest);
            return;
        }
        const char *close = strchr(open, '}');
        if (close == NULL) {
            complain_placeholder(load, open);
            return;
        }
        const char *name =
            arena_must_printf(load->arena, "%.*s", (int)(close - open - 1), open + 1);
        const char *value = placeholder_value(load, name);
        if (value == NULL) {
            complain_placeholder(load, arena_must_printf(load->arena, "{%s}", name));
            return;
        }
        expanded =
            arena_must_printf(load->arena, "%s%.*s%s", expanded, (int)(open - rest), rest, value);
        rest = close + 1;
    }
}

static void check_databases(struct load *load)
{
    const struct settings *settings = &load->settings;
    if (settings->source_url != NULL && settings->target_url != NULL &&
        settings_url_same_database(settings->source_url, settings->target_url, load->arena)) {
        complain(load->complaints, COMPLAINT_ERROR, code_same, find_node(load, "target.url"),
                 "source and target must be two databases",
                 "target.url is the same server, port and database as source.url");
    }
}

/* Queues must hold the largest message, or librdkafka refuses it with a less helpful word. */
static void check_queue(struct load *load, const char *path, uint64_t queue_bytes)
{
    const char *largest = "topics.max_message_bytes";
    const struct node *node = find_node(load, path);
    if (queue_bytes > 0 && queue_bytes < load->settings.topics_max_message_bytes) {
        complain(load->complaints, COMPLAINT_ERROR, code_contradiction,
                 node != NULL ? node : find_node(load, largest), "make the queue larger",
                 "%s is less than %s", path, largest);
    }
}

static void check_vars(struct load *load)
{
    const struct node *vars = node_get(load->root, "vars");
    if (vars != NULL && vars->kind != NODE_MAPPING && !node_is_null(vars)) {
        complain(load->complaints, COMPLAINT_ERROR, code_shape, vars, NULL,
                 "\"vars\" must be a mapping");
    }
}

bool settings_load(const struct document *document, struct arena *arena,
                   struct complaints *complaints, struct settings *ret_settings)
{
    struct load load = {.document = document,
                        .root = document->root,
                        .arena = arena,
                        .complaints = complaints,
                        .settings = {.file = document->name}};
    size_t errors_before = complaints->errors_count;
    if (load.root->kind != NODE_MAPPING) {
        complain(complaints, COMPLAINT_ERROR, code_shape, load.root, NULL,
                 "the file must be a mapping");
        return false;
    }
    check_keys(&load);
    check_vars(&load);
    for (size_t i = 0; i < settings_table_count; i++) {
        load_setting(&load, &settings_table[i]);
    }
    expand_log_file(&load);
    check_databases(&load);
    check_queue(&load, "backfill.queue_bytes", load.settings.backfill_queue_bytes);
    check_queue(&load, "apply.fetch_bytes", load.settings.apply_fetch_bytes);
    if (complaints->errors_count > errors_before) {
        return false;
    }
    *ret_settings = load.settings;
    return true;
}
