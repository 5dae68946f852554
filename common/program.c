#include "common/program.h"

#include "common/log.h"
#include "common/shutdown.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Every folder above the file that is not there yet. */
static void make_folders(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(path, 0700); /* open says what is wrong */
        *slash = '/';
    }
}

/* Events may hold names of tables and hosts: the file is its owner's. Closed by the process's end.
 */
static bool log_to_file(const struct settings *settings, struct arena *arena, struct error *err)
{
    if (settings->log_file == NULL) {
        return true;
    }
    char *path = arena_must_strdup(arena, settings->log_file);
    make_folders(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    FILE *stream = fd < 0 ? NULL : fdopen(fd, "a");
    if (stream == NULL) {
        return error_stop(err, EXIT_CONFIG, "RH-3115", "could not open log file \"%s\": %s", path,
                          strerror(errno));
    }
    log_to(stream);
    return true;
}

bool program_begin(const char *program, const struct common_options *options, struct arena *arena,
                   struct config *ret_config, struct error *err)
{
    shutdown_follow_parent();
    shutdown_init();
    log_init(program, LOG_FORMAT_TEXT, LEVEL_INFO);
    if (!command_log_init(program, options, err)) {
        return false;
    }
    if (options->config == NULL) {
        (void)error_stop(err, EXIT_USAGE, "RH-2002", "no configuration file was given");
        return error_hint(err, "add -c FILE");
    }
    if (!config_load(options->config, arena, ret_config, err)) {
        return false;
    }
    const struct settings *settings = &ret_config->settings;
    log_init(program, settings->log_format, settings->log_level);
    return command_log_init(program, options, err) && log_to_file(settings, arena, err);
}

int program_end(const char *event, bool ok, const struct error *err)
{
    if (ok || (shutdown_requested() && err->action == ERROR_RETRY)) {
        return EXIT_DONE;
    }
    if (!err->shown || log_current_format() == LOG_FORMAT_JSON) {
        log_error(LEVEL_ERROR, event, err);
    }
    return err->exit_code != EXIT_DONE ? (int)err->exit_code : EXIT_INTERNAL;
}
