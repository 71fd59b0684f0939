#include "farm/choice.h"

struct choice choice_of(const struct server *server,
			const struct farm_status *status,
			const struct session *s)
{
	return (struct choice){
		.server = server,
		.fits = status->free_sessions > 0 &&
			status->free_cpu >= s->cpu &&
			status->free_memory_mb >= s->memory_mb,
		.busy_milli = status->busy_milli,
	};
}

static bool is_better(const struct choice *a, const struct choice *b)
{
	if (a->fits != b->fits)
		return a->fits;
	return a->fits && a->busy_milli < b->busy_milli;
}

void choice_sort(struct choice *list, size_t count)
{
	for (size_t i = 1; i < count; i++) {
		struct choice one = list[i];
		size_t at = i;

		for (; at > 0 && is_better(&one, &list[at - 1]); at--)
			list[at] = list[at - 1];
		list[at] = one;
	}
}
