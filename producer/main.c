#include "producer/producer.h"

#include "common/command.h"
#include "common/program.h"

#define PROGRAM          "rowhaul-producer"
#define CONFIG_BYTES_MAX ((size_t)64 << 20)

static int command_produce(void *options, size_t argc RH_UNUSED, char **argv RH_UNUSED)
{
    RH_AUTO(arena_release) struct arena arena;
    struct config config;
    struct error err;
    bool ok;

    arena_init(&arena, CONFIG_BYTES_MAX);
    ok = program_begin(PROGRAM, options, &arena, &config, &err) && producer_run(&config, &err);
    return program_end("producer_failed", ok, &err);
}

static const struct command commands[] = {
    {.summary = "reads the source page by page into the topics of a migration; one per migration",
     .run = command_produce},
    {.run = NULL},
};

int main(int argc, char **argv)
{
    struct common_options options = {0};

    return command_main(PROGRAM, commands, &options, sizeof(options), argc, argv);
}
