/*
 * What pages say about a session: its state, steps and failure in words.
 *
 * All json_t results are the caller's; NULL means no memory.
 */
#ifndef QWD_WEB_VIEW_H
#define QWD_WEB_VIEW_H

#include <jansson.h>

#include "session/session.h"

/* One word, for lists: "Running". */
const char *view_state_word(enum session_state state);

/* A title and a sentence, for the session's own page. */
const char *view_state_title(const struct session *s);
const char *view_state_text(const struct session *s);

/*
 * [{"id", "title", "status", "detail"}]: the steps in their order; status is
 * done, active, waiting or failed.  The guest's step is there only if it was
 * observed, or failed.
 */
json_t *view_steps(const struct session *s);

/* {"step", "why", "advice"} of a failed session, else JSON's null. */
json_t *view_failure(const struct session *s);

/* The name that people know the machine by. */
const char *view_machine_title(const struct session *s);

/* Started, for people; and how long it may still run, or JSON's null. */
json_t *view_started(const struct session *s);
json_t *view_time_left(const struct session *s);

/*
 * Of a session whose job is on a cluster, else JSON's null: {"number", "node",
 * "waits", "reason", "why", "start_text", "away", "display_away"}; what is not
 * known is null.
 */
json_t *view_job(const struct session *s);

#endif
