/*
 * output -- results on stdout: JSON lines, and texts that are JSON whatever their bytes are.
 */
#ifndef RH_CLI_OUTPUT_H
#define RH_CLI_OUTPUT_H

#include "common/bytes.h"
#include "common/error.h"

#include <jansson.h>
#include <stdbool.h>

/* A JSON string; bytes that are not UTF-8 stand in it as the four characters \xHH. Never NULL. */
json_t *output_text(struct bytes text);
/* As output_text, but of a text that may be NULL: JSON null. */
json_t *output_text_or_null(const char *text);
/* Puts `value`, which is taken over, under `name`. Running out of memory is a bug here. */
void output_set(json_t *object, const char *name, json_t *value);
/* Prints it as one line and releases it. */
bool output_json(json_t *json, struct error *err) RH_MUST_CHECK;
/*
 * Whether stdout still takes what is printed. False with RH-7010, also for a closed pipe: see
 * output_closed.
 */
bool output_flush(struct error *err) RH_MUST_CHECK;
/* The reader has what it wanted and left (`| head`): no failure of ours. */
bool output_closed(void);

#endif
