/*
 * table_walk -- one range of a table from where it stands to its end, page by page, into the
 * publisher.
 *
 * In:     a pager, a table of the plan, one of its ranges. Out: pages enqueued, each with its
 *         checkpoint candidate.
 * Holds:  the cursor moves only with a page that was enqueued; a page that failed is read again
 *         from the same place. A range has ended when a page is empty or ends with the range's last
 *         key, never when one is short.
 */
#ifndef RH_PRODUCER_TABLE_WALK_H
#define RH_PRODUCER_TABLE_WALK_H

#include "producer/backfill.h"

#include <stdbool.h>
#include <stddef.h>

/* Errors: ERROR_STOP what repeating cannot mend; ERROR_RETRY the generation ends. */
bool table_walk(struct backfill *backfill, struct pager *pager, struct table_work *work,
                size_t range, struct error *err) RH_MUST_CHECK;

#endif
