/*
 * qemu-web-desktop: one program, six roles.  Chooses the role, and does
 * nothing else.
 */
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/macros.h"
#include "run/job.h"
#include "run/launch.h"
#include "run/owner.h"
#include "sys/user.h"
#include "vm/gateway.h"
#include "web/byhand.h"
#include "web/warning.h"
#include "web/web.h"

/* Started by systemd, which gives us the connection of who asked for it. */
static int handed_over(const char *role)
{
	struct err e = ERR_INIT;

	(void)!launch_handed_over(role, &e);
	log_error("hand-over", &e);
	return 1;
}

int main(int argc, char **argv)
{
	/* A web server's request: the arguments are the visitor's. */
	if (getenv("GATEWAY_INTERFACE") || getenv("REQUEST_METHOD"))
		return web_main();
	if (user_is_borrowed()) {
		fprintf(stderr, "qemu-web-desktop: installed set-user-id, it "
				"serves requests only\n");
		return 2;
	}
	if (argc == 3 && strcmp(argv[1], "--handed-over") == 0)
		return handed_over(argv[2]);
	if (argc > 1 && strcmp(argv[1], "--session-owner") == 0)
		return owner_main(argc, argv);
	if (argc > 1 && strcmp(argv[1], "--session-job") == 0)
		return job_main(argc, argv);
	if (argc > 1 && strcmp(argv[1], "--gateway-keeper") == 0)
		return keeper_main(argc, argv);
	if (argc > 1 && strcmp(argv[1], "--session-letter") == 0)
		return warning_main(argc, argv);
	return by_hand_main(argc, argv);
}
