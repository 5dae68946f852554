/*
 * message_json -- a Kafka message of a data topic as JSON: what `cat` prints and `rejects show`
 * uses.
 *
 * In:     bytes, and the plan's table, which knows the columns' names. Out: a JSON object.
 * Never:  fails on a message: one that cannot be read becomes {"error": why}, since looking at such
 *         messages is what these verbs are for.
 *
 * Values are texts as PostgreSQL prints them, whatever their type: numbers keep their digits.
 */
#ifndef RH_CLI_MESSAGE_JSON_H
#define RH_CLI_MESSAGE_JSON_H

#include "common/mapping.h"
#include "common/wire.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* Name of the message's i-th value: of all columns in a ROW, of the key columns in the others. */
const char *message_column_name(const struct plan_table *table, enum wire_kind kind, size_t i);

/*
 * {kind, generation, sequence, lsn, index, flags, key, columns | previous, acked, barrier,
 * progress, oversize_bytes}; ret_readable false: {error}.
 */
json_t *message_to_json(const struct plan_table *table, struct bytes key, struct bytes value,
                        struct arena *arena, bool *ret_readable);

#endif
