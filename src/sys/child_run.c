/* A child that is talked to through pipes and waited for. */
#include "sys/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>

#include "sys/clock.h"

/* The three pipes of child_run(); -1 where closed or not wanted. */
struct talk {
	int in;
	int out;
	int err;
	const char *input;
	size_t left;
};

static void close_fd(int *fd)
{
	close(*fd);
	*fd = -1;
}

static void talk_write(struct talk *t)
{
	ssize_t put = write(t->in, t->input, t->left);

	if (put < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (put > 0) {
		t->input += put;
		t->left -= (size_t)put;
	}
	if (put < 0 || t->left == 0)
		close_fd(&t->in);
}

static void talk_read(int *fd, struct buf *to)
{
	char piece[4096];
	ssize_t got = read(*fd, piece, sizeof(piece));

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0)
		close_fd(fd);
	else
		buf_add(to, piece, (size_t)got);
}

/* One turn: false when all pipes are closed or the deadline has passed. */
static bool talk_turn(struct talk *t, struct buf *output, struct buf *errors,
		      long long deadline)
{
	struct pollfd fds[3] = {
		{ .fd = t->in, .events = POLLOUT },
		{ .fd = t->out, .events = POLLIN },
		{ .fd = t->err, .events = POLLIN },
	};
	long long left = deadline - clock_boot_ms();

	if ((t->in < 0 && t->out < 0 && t->err < 0) || left <= 0)
		return false;
	if (poll(fds, 3, (int)left) < 0 && errno != EINTR)
		return false;
	if (fds[0].revents)
		talk_write(t);
	if (fds[1].revents)
		talk_read(&t->out, output);
	if (fds[2].revents)
		talk_read(&t->err, errors);
	return true;
}

/* Wait for the child's end until the deadline; false if it still runs. */
static bool await(pid_t pid, bool group, long long deadline, int *ret_status)
{
	int fd = pidfd_open(pid, 0);
	struct pollfd end = { .fd = fd, .events = POLLIN };

	while (!child_reaped(pid, group, ret_status)) {
		long long left = deadline - clock_boot_ms();

		if (left <= 0) {
			close(fd);
			return false;
		}
		/* Without such a descriptor (no kernel for it, or none left)
		 * we look again from time to time. */
		poll(&end, 1, fd < 0 && left > 20 ? 20 : (int)left);
	}
	close(fd);
	return true;
}

static int open_pipe(bool wanted, bool ours_reads, int *ours, int *theirs)
{
	int ends[2];

	*ours = *theirs = -1;
	if (!wanted)
		return 0;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -1;
	*ours = ends[ours_reads ? 0 : 1];
	*theirs = ends[ours_reads ? 1 : 0];
	return fcntl(*ours, F_SETFL, O_NONBLOCK);
}

static void close_pipes(const int *fds, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

int child_run(const struct child *c, const char *input, struct buf *output,
	      struct buf *errors, int deadline_ms, int *ret_status,
	      struct err *e)
{
	struct talk t = { -1, -1, -1, input, input ? strlen(input) : 0 };
	struct child with_pipes = *c;
	int theirs[3] = { -1, -1, -1 };
	long long deadline = clock_boot_ms() + deadline_ms;
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	struct sigaction before;
	pid_t pid;

	if (open_pipe(input, false, &t.in, &theirs[0]) < 0 ||
	    open_pipe(output, true, &t.out, &theirs[1]) < 0 ||
	    open_pipe(errors, true, &t.err, &theirs[2]) < 0) {
		err_sys(e, "pipe");
		close_pipes(theirs, 3);
		close_pipes((int[]){ t.in, t.out, t.err }, 3);
		return -1;
	}
	if (input)
		with_pipes.in = theirs[0];
	if (output)
		with_pipes.out = theirs[1];
	if (errors)
		with_pipes.err = theirs[2];
	pid = child_start(&with_pipes, e);
	close_pipes(theirs, 3);
	if (pid < 0) {
		close_pipes((int[]){ t.in, t.out, t.err }, 3);
		return -1;
	}
	sigaction(SIGPIPE, &ignore, &before);
	while (talk_turn(&t, output, errors, deadline))
		;
	sigaction(SIGPIPE, &before, NULL);
	close_pipes((int[]){ t.in, t.out, t.err }, 3);
	if (!await(pid, c->group, deadline, ret_status)) {
		child_end(&pid, c->group);
		return err_set(e, ERR_TIMEOUT, "%s did not end in %d ms",
			       c->argv->list[0], deadline_ms);
	}
	return 0;
}
