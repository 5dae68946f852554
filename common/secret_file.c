#include "common/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char code_contents[] = "RH-3111";
static const char code_mode[] = "RH-3112";

enum { SECRET_BYTES_MAX = 16 * 1024 }; /* a PEM key fits, though only its first line is read */

static void close_file(const int *fd)
{
    if (*fd >= 0) {
        (void)close(*fd); /* only read from: nothing can be lost */
    }
}

static bool check_mode(int fd, const char *path, struct error *err)
{
    struct stat status;
    if (fstat(fd, &status) != 0) {
        return error_stop(err, EXIT_CONFIG, code_contents, "could not read secret file \"%s\": %s",
                          path, strerror(errno));
    }
    if (!S_ISREG(status.st_mode)) {
        return error_stop(err, EXIT_CONFIG, code_mode, "secret file \"%s\" is not a regular file",
                          path);
    }
    unsigned mode = (unsigned)status.st_mode & 0777u;
    if (mode != 0600 && mode != 0400) {
        (void)error_stop(err, EXIT_CONFIG, code_mode,
                         "secret file \"%s\" has mode %04o: only its owner may have access", path,
                         mode);
        return error_hint(err, "chmod 600 %s", path);
    }
    return true;
}

/* Up to the limit; a terminal's or pipe's short reads do not happen with a regular file. */
static bool read_start(int fd, const char *path, char *text, size_t *ret_len, struct error *err)
{
    size_t len = 0;
    while (len < SECRET_BYTES_MAX) {
        ssize_t got = read(fd, text + len, SECRET_BYTES_MAX - len);
        if (got == 0) {
            break;
        }
        if (got < 0 && errno != EINTR) {
            return error_stop(err, EXIT_CONFIG, code_contents,
                              "could not read secret file \"%s\": %s", path, strerror(errno));
        }
        len += got > 0 ? (size_t)got : 0;
    }
    *ret_len = len;
    return true;
}

bool secret_file_read(const char *path, struct arena *arena, const char **ret_text,
                      struct error *err)
{
    RH_AUTO(close_file) const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return error_stop(err, EXIT_CONFIG, code_contents, "could not open secret file \"%s\": %s",
                          path, strerror(errno));
    }
    char *text = arena_must_alloc(arena, SECRET_BYTES_MAX + 1);
    size_t len = 0;
    if (!check_mode(fd, path, err) || !read_start(fd, path, text, &len, err)) {
        return false;
    }
    size_t line = 0;
    while (line < len && text[line] != '\n' && text[line] != '\0') {
        line++;
    }
    if (line == SECRET_BYTES_MAX || (line < len && text[line] == '\0')) {
        return error_stop(err, EXIT_CONFIG, code_contents,
                          "first line of secret file \"%s\" is not a text of at most %d bytes",
                          path, SECRET_BYTES_MAX - 1);
    }
    if (line > 0 && text[line - 1] == '\r') {
        line--;
    }
    if (line == 0) {
        return error_stop(err, EXIT_CONFIG, code_contents,
                          "first line of secret file \"%s\" is empty", path);
    }
    text[line] = '\0';
    *ret_text = text;
    return true;
}
