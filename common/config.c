#include "common/run.h"

#include <stdio.h>

#define CODE_MODE "RH-3130"

/* Said for every verb: a file that asks for a stream must not get a copy that never follows. */
static bool mode_supported(const struct config *config, struct error *err)
{
    if (config->settings.mode == MODE_SNAPSHOT) {
        return true;
    }
    const struct node *node = node_get(config->document.root, "mode");
    document_error(&config->document, node, err,
                   node == NULL ? "mode is missing, and stream, its default, is not in this version"
                                : "mode: stream is not in this version");
    err->code = CODE_MODE;
    return error_hint(err, "write mode: snapshot");
}

bool config_load(const char *path, struct arena *arena, struct config *ret_config,
                 struct error *err)
{
    struct config config = {.text = BYTES_EMPTY};
    if (!document_read(path, arena, &config.document, &config.text, err)) {
        complaint_show(path, err);
        return false;
    }
    struct complaints complaints;
    complaints_init(&complaints, arena, path);
    bool ok = settings_load(&config.document, arena, &complaints, &config.settings);
    if (!complaints_report(&complaints, err)) {
        return false;
    }
    REQUIRE(ok);
    if (!mode_supported(&config, err)) {
        complaint_show(path, err);
        return false;
    }
    *ret_config = config;
    return true;
}
