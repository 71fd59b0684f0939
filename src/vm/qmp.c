#include "vm/qmp.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

bool qmp_fill(struct qmp *q)
{
	for (;;) {
		char piece[4096];
		ssize_t got = recv(q->fd, piece, sizeof(piece), MSG_DONTWAIT);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return errno == EAGAIN;
		if (got == 0)
			return false;
		buf_add(&q->in, piece, (size_t)got);
		if (buf_failed(&q->in))
			return false;
	}
}

static void copy_text(char *to, size_t size, const json_t *text)
{
	snprintf(to, size, "%s",
		 json_is_string(text) ? json_string_value(text) : "");
}

/* What kind of message is it?  False if it is none of QMP's. */
static bool classify(struct qmp_message *m)
{
	const json_t *error = json_object_get(m->json, "error");
	const json_t *event = json_object_get(m->json, "event");

	m->id = json_integer_value(json_object_get(m->json, "id"));
	if (json_object_get(m->json, "QMP")) {
		m->kind = QMP_GREETING;
	} else if (json_object_get(m->json, "return")) {
		m->kind = QMP_RETURN;
	} else if (error) {
		m->kind = QMP_ERROR;
		copy_text(m->text, sizeof(m->text),
			  json_object_get(error, "desc"));
	} else if (event) {
		m->kind = QMP_EVENT;
		copy_text(m->text, sizeof(m->text), event);
	} else {
		return false;
	}
	return true;
}

/* Forget the bytes that are done with, once for all messages. */
static void compact(struct qmp *q)
{
	if (!q->read)
		return;
	q->in.len -= q->read;
	memmove(q->in.data, q->in.data + q->read, q->in.len + 1);
	q->read = 0;
}

bool qmp_next(struct qmp *q, struct qmp_message *ret)
{
	while (q->read < q->in.len) {
		const char *line = q->in.data + q->read;
		const char *end = memchr(line, '\n', q->in.len - q->read);

		if (!end)
			break;
		memset(ret, 0, sizeof(*ret));
		ret->json = json_loadb(line, (size_t)(end - line), 0, NULL);
		q->read = (size_t)(end - q->in.data) + 1;
		if (json_is_object(ret->json) && classify(ret))
			return true;
		qmp_message_release(ret);
	}
	compact(q);
	return false;
}

void qmp_message_release(struct qmp_message *m)
{
	json_decref(m->json);
	m->json = NULL;
}

static int send_line(struct qmp *q, const char *command,
		     const struct buf *line, struct err *e)
{
	/* A short line into a socket that QEMU reads all the time: if it does
	 * not fit, QEMU hangs, and the caller's deadline deals with that. */
	if (buf_failed(line) ||
	    send(q->fd, line->data, line->len, MSG_NOSIGNAL | MSG_DONTWAIT) !=
		    (ssize_t)line->len)
		return err_sys(e, "cannot send %s to QEMU", command);
	return 0;
}

int qmp_send_with(struct qmp *q, const char *command, json_t *arguments,
		  long long id, struct err *e)
{
	AUTO_BUF struct buf line = BUF_INIT(4096);
	char *text = arguments ? json_dumps(arguments, JSON_COMPACT) : NULL;

	json_decref(arguments);
	if (!text)
		return err_set(e, ERR_SYSTEM, "no memory");
	buf_printf(&line, "{\"execute\":\"%s\",\"arguments\":%s,"
			  "\"id\":%lld}\n",
		   command, text, id);
	free(text);
	return send_line(q, command, &line, e);
}

int qmp_send(struct qmp *q, const char *command, long long id, struct err *e)
{
	AUTO_BUF struct buf line = BUF_INIT(256);

	buf_printf(&line, "{\"execute\":\"%s\",\"id\":%lld}\n", command, id);
	return send_line(q, command, &line, e);
}

void qmp_release(struct qmp *q)
{
	if (q->fd >= 0)
		close(q->fd);
	q->fd = -1;
	q->read = 0;
	buf_reset(&q->in); /* a failure, too */
	buf_release(&q->in);
}
