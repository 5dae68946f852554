/*
 * replay -- runs a fuzz target over files instead of libFuzzer: `fuzz_wire FOLDER`. A crash is the
 * failure; an empty folder is one too, since it would show nothing.
 */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static void die(const char *path, const char *what)
{
    (void)fprintf(stderr, "replay: %s: %s\n", path, what);
    exit(1);
}

/* In memory of exactly its size, so that AddressSanitizer sees a read beyond. */
static void replay_file(const char *path)
{
    struct stat status;
    FILE *file = fopen(path, "rb");
    if (file == NULL || fstat(fileno(file), &status) != 0) {
        die(path, "cannot be opened");
    }
    size_t size = (size_t)status.st_size;
    uint8_t *data = malloc(size > 0 ? size : 1);
    if (data == NULL || fread(data, 1, size, file) != size) {
        die(path, "cannot be read");
    }
    (void)fclose(file); /* read only: nothing to lose */
    (void)LLVMFuzzerTestOneInput(data, size);
    free(data);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        die("usage", "replay FOLDER");
    }
    size_t files_count = 0;
    DIR *folder = opendir(argv[1]);
    if (folder == NULL) {
        die(argv[1], "cannot be opened");
    }
    for (const struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char path[4096];
        if (entry->d_name[0] == '.') {
            continue;
        }
        (void)snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name);
        (void)printf("%s\n", path); /* the last line names the input of a crash */
        (void)fflush(stdout);
        replay_file(path);
        files_count++;
    }
    (void)closedir(folder);
    if (files_count == 0) {
        die(argv[1], "no files");
    }
    return 0;
}
