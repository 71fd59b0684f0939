/* QMP, as a QEMU that has been taken over may send it.  The first byte says
 * how large the pieces are in which the rest arrives. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "vm/qmp.h"

static void require(bool ok)
{
	if (!ok)
		abort();
}

static size_t take_messages(struct qmp *q)
{
	struct qmp_message m;
	size_t count = 0;

	while (qmp_next(q, &m)) {
		require(json_is_object(m.json));
		require(m.kind <= QMP_EVENT);
		require(strlen(m.text) < sizeof(m.text));
		qmp_message_release(&m);
		count++;
	}
	/* What is left is the beginning of one line. */
	require(q->read == 0);
	require(!q->in.len || !memchr(q->in.data, '\n', q->in.len));
	return count;
}

/* How many messages there are when they arrive in such pieces. */
static size_t receive(const uint8_t *data, size_t size, size_t piece)
{
	struct qmp q = QMP_INIT;
	size_t count = 0;
	int ends[2];

	require(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
	q.fd = ends[0];
	while (size) {
		size_t now = size < piece ? size : piece;

		require(send(ends[1], data, now, MSG_NOSIGNAL) == (ssize_t)now);
		data += now;
		size -= now;
		require(qmp_fill(&q));
		count += take_messages(&q);
	}
	close(ends[1]);
	require(!qmp_fill(&q));
	count += take_messages(&q);
	qmp_release(&q);
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t piece;

	if (size < 1 || size > 65536)
		return 0;
	piece = (size_t)data[0] + 1;
	require(receive(data + 1, size - 1, piece) ==
		receive(data + 1, size - 1, 65536));
	return 0;
}
