/* SPDX-License-Identifier: BSD-3-Clause */
#include "dax/break.h"

#include "dax/entry_table.h"
#include "dax/pgmap.h"
#include "trace/trace.h"

#include <errno.h>

static bool run_busy(struct entry_table *table, struct pgmap *const *pgmaps,
		     const struct break_run *run, uint64_t *busy)
{
	struct pgmap *pgmap = pgmaps[run->device];
	uint64_t page;

	/* A device that is gone has no references left: that is how it went. */
	if (!pgmap)
		return false;
	if (table)
		return entry_table_busy_range(table, run->index, run->npages,
					      run->device, run->device_page,
					      busy);
	if (!pgmap_busy_range(pgmap, run->device_page, run->npages, &page))
		return false;
	if (busy)
		*busy = run->index + (page - run->device_page);
	return true;
}

int break_layout(struct entry_table *table, struct pgmap *const *pgmaps,
		 const struct break_range *range, uint64_t *busy)
{
	struct break_run run;
	int64_t deleted;
	int error;

	/* A hole, too, that a lease shows as one. */
	if (table && entry_table_has_leases(table, range->first, range->last))
		return -EBUSY;
	/* The whole scan first: a failed break leaves every entry in place. */
	while ((error = range->next(&run, range->arg)) == 0) {
		if (run_busy(table, pgmaps, &run, busy)) {
			TRACE2(dax_break_layout_busy, run.device, run.index);
			return -EBUSY;
		}
	}
	if (error != -ENOENT)
		return error;
	if (!table)
		return 0;
	deleted = entry_table_delete_range(table, range->first, range->last,
					   ENTRY_OF_ALL);
	return deleted < 0 ? (int)deleted : 0;
}
