/* src/run: what a QEMU that a guest has taken over can do to its owner. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <cmocka.h>

#include "run/owner_state.h"
#include "scratch.h"

enum { REPEAT = 5000 };

/* An owner that has nothing but what a test gives it. */
#define OWNER                                                                  \
	{                                                                      \
		.s = { .name = "svc-aaaaaaaaaaaaaaaaaaaa",                     \
		       .state = SESSION_RUNNING },                             \
		.signals = -1, .control = -1, .said = -1, .info = -1,          \
		.network_ready = -1, .network_watch = -1, .vnc = -1,           \
		.freezer = -1, .dir = -1, .inside_fd = -1,                     \
		.clients = { -1, -1, -1, -1, -1, -1, -1, -1 },                 \
		.qmp = QMP_INIT, .web = WEBSOCKIFY_INIT,                       \
		.words = BUF_INIT(2 * OWNER_WORDS_MAX),                        \
	}

/* Standard error into memory; what it was before is returned. */
static int catch_log(int *ret_memory)
{
	int before = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 10);

	*ret_memory = memfd_create("log", MFD_CLOEXEC);
	assert_true(before >= 0 && *ret_memory >= 0);
	assert_int_equal(dup2(*ret_memory, STDERR_FILENO), STDERR_FILENO);
	return before;
}

static size_t lines_of(int memory)
{
	off_t size = lseek(memory, 0, SEEK_END);
	size_t lines = 0;
	char byte;

	for (off_t i = 0; i < size; i++)
		lines += pread(memory, &byte, 1, i) == 1 && byte == '\n';
	return lines;
}

/* QEMU says `line` again and again; how many lines the log has then. */
static size_t logged_after(const char *line)
{
	struct owner o = OWNER;
	int memory;
	int before;
	int ends[2];
	size_t lines;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0,
				    ends),
			 0);
	o.qmp.fd = ends[0];
	before = catch_log(&memory);
	for (int i = 0; i < REPEAT; i++) {
		if (send(ends[1], line, strlen(line), MSG_NOSIGNAL) < 0)
			break; /* the owner has had enough of it */
		if (o.qmp.fd >= 0)
			guest_on_qmp(&o);
	}
	assert_int_equal(dup2(before, STDERR_FILENO), STDERR_FILENO);
	close(before);
	lines = lines_of(memory);
	close(memory);
	close(ends[1]);
	qmp_release(&o.qmp);
	return lines;
}

static void it_does_not_fill_the_log(void **state)
{
	static const char *const lines[] = {
		"{\"error\": {\"desc\": \"no\"}, \"id\": 9}\n",
		"{\"event\": \"BLOCK_IO_ERROR\", \"data\": {}}\n",
		/* Each is answered, until nothing more goes in. */
		"{\"QMP\": {}}\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lines); i++)
		assert_in_range(logged_after(lines[i]), 1, 20);
}

/* ---- The image that a session writes to ---- */

static int start_disk(struct owner *o, const char *path)
{
	struct err e = ERR_INIT;
	int memory;
	int before = catch_log(&memory);
	int result;

	o->image = strdup(path);
	result = owner_start_disk(o, &e);
	assert_int_equal(dup2(before, STDERR_FILENO), STDERR_FILENO);
	close(before);
	close(memory);
	close(o->image_fd);
	free(o->image);
	return result;
}

static void check_other_disk(const struct owner *o)
{
	assert_true(o->finished);
	assert_int_equal(o->s.state, SESSION_FAILED);
	assert_non_null(strstr(o->s.reason, "is another one than when"));
}

/* A guest that goes may give the disk a header for the next one's QEMU, which
 * was told of the disk as it had been: one that names a file of the host. */
static void a_master_is_looked_into_again_once_it_is_held(void **state)
{
	enum { BYTES = 1 << 20 };
	struct owner o = OWNER;
	char path[4300];
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "%s/disk.img", scratch_path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, BYTES), 0);
	o.s.state = SESSION_PREPARING;
	o.s.master = true;
	o.s.virtual_size = BYTES;
	snprintf(o.s.machine, sizeof(o.s.machine), "disk.img");
	snprintf(o.s.format, sizeof(o.s.format), "raw");
	o.image_fd = -1;
	assert_int_equal(start_disk(&o, path), 0);
	assert_false(o.finished);

	snprintf(o.s.format, sizeof(o.s.format), "qcow2");
	o.image_fd = -1;
	assert_int_equal(start_disk(&o, path), -1);
	check_other_disk(&o);

	o.finished = false;
	o.s.reason[0] = '\0';
	o.s.state = SESSION_PREPARING;
	snprintf(o.s.format, sizeof(o.s.format), "raw");
	assert_int_equal(pwrite(fd, "QFI\xfb\0\0\0\3", 8, 0), 8);
	o.image_fd = -1;
	assert_int_equal(start_disk(&o, path), -1);
	check_other_disk(&o);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_master_is_looked_into_again_once_it_is_held),
		cmocka_unit_test(it_does_not_fill_the_log),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
