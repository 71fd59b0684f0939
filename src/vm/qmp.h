/*
 * QMP, QEMU's machine protocol (docs/interop/qmp-spec.txt), as far as a
 * session needs it: one JSON object a line.  The owner's loop feeds it bytes
 * and asks for messages; nothing here waits.
 */
#ifndef QWD_VM_QMP_H
#define QWD_VM_QMP_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"
#include "base/err.h"

enum qmp_kind {
	QMP_GREETING,
	QMP_RETURN, /* answer to a command; `id` tells to which */
	QMP_ERROR,  /* the command failed; `text` is QEMU's description */
	QMP_EVENT,  /* `text` is the event's name */
};

struct qmp_message {
	enum qmp_kind kind;
	long long id;
	char text[256];
	json_t *json; /* the whole message, owned */
};

struct qmp {
	int fd;
	struct buf in; /* bytes received, of which `read` are done with */
	size_t read;
};

#define QMP_INIT { .fd = -1, .in = BUF_INIT(1 << 20) }

/* Read what the descriptor holds.  False when QEMU has closed it, or has
 * sent a line past the buffer's ceiling. */
bool qmp_fill(struct qmp *q);

/*
 * Take the next complete message: true and *ret (release it with
 * qmp_message_release()), false if there is none.  Lines that are no QMP are
 * skipped.
 */
bool qmp_next(struct qmp *q, struct qmp_message *ret);
void qmp_message_release(struct qmp_message *m);

/*
 * Send a command with arguments (taken over; NULL means no memory).  They may
 * hold secrets: errors do not tell them.
 */
MUST_CHECK int qmp_send_with(struct qmp *q, const char *command,
			     json_t *arguments, long long id, struct err *e);

/* Send a command without arguments; `id` comes back with its answer. */
MUST_CHECK int qmp_send(struct qmp *q, const char *command, long long id,
			struct err *e);

void qmp_release(struct qmp *q);

#endif
