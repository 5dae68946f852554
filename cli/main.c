/*
 * rowhaul -- the operator's tool: one verb a module of this folder.
 */
#include "cli/cat.h"
#include "cli/cleanup.h"
#include "cli/passthrough.h"
#include "cli/rejects.h"
#include "cli/replay.h"
#include "cli/run.h"
#include "cli/status.h"
#include "cli/validate.h"

#include <string.h>

#define PROGRAM "rowhaul"

#define KEY_PARTS_MAX 32 /* PostgreSQL's limit of index columns */

/* In the order of a migration's life. */
static const struct command commands[] = {
    {"validate", "", "checks the mapping file, against both databases too", validate_option_specs,
     0, validate_command},
    {"run", "", "does the whole migration on this machine, or goes on with it", run_option_specs, 0,
     run_command},
    {"produce", "", "reads the source into Kafka (rowhaul-producer)", NULL, 0, produce_command},
    {"work", "", "applies what is in Kafka to the target (rowhaul-worker)", work_option_specs, 0,
     work_command},
    {"status", "", "shows where the run stands", status_option_specs, 0, status_command},
    {"verify", "", "compares source and target (rowhaul-reconciler)", verify_option_specs, 0,
     verify_command},
    {"rejects list", "", "lists the rows that are not on the target, and why",
     rejects_list_option_specs, 0, rejects_list_command},
    {"rejects show", "TABLE KEY…", "shows everything about one of them", NULL, 1 + KEY_PARTS_MAX,
     rejects_show_command},
    {"replay", "", "applies a table's messages once more, of all its partitions or of one",
     replay_option_specs, 0, replay_command},
    {"cat", "TOPIC", "prints the messages of a topic, of a table or of \"state\" as JSON lines",
     cat_option_specs, 1, cat_command},
    {"cleanup", "", "removes what a migration left in Kafka and on the target",
     cleanup_option_specs, 0, cleanup_command},
    {NULL, NULL, NULL, NULL, 0, NULL},
};

/* Each verb's own; all begin with the common options. */
union options {
    struct common_options common;
    struct validate_options validate;
    struct run_options run;
    struct produce_options produce;
    struct work_options work;
    struct status_options status;
    struct verify_options verify;
    struct rejects_list_options rejects_list;
    struct rejects_show_options rejects_show;
    struct replay_options replay;
    struct cat_options cat;
    struct cleanup_options cleanup;
};

int main(int argc, char **argv)
{
    union options options;
    memset(&options, 0, sizeof options); /* an initializer would reach its first member only */
    return command_main(PROGRAM, commands, &options, sizeof options, argc, argv);
}
