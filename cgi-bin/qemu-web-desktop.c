/*
 * qemu-web-desktop: one program, four roles.  Chooses the role, and does
 * nothing else.
 */
#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "run/owner.h"
#include "vm/gateway.h"
#include "web/byhand.h"
#include "web/web.h"

int main(int argc, char **argv)
{
	/* A web server's request: the arguments are the visitor's. */
	if (getenv("GATEWAY_INTERFACE") || getenv("REQUEST_METHOD"))
		return web_main();
	if (getuid() != geteuid() || getgid() != getegid()) {
		fprintf(stderr, "qemu-web-desktop: installed set-user-id, it "
				"serves requests only\n");
		return 2;
	}
	if (argc > 1 && strcmp(argv[1], "--session-owner") == 0)
		return owner_main(argc, argv);
	if (argc > 1 && strcmp(argv[1], "--gateway-keeper") == 0)
		return keeper_main(argc, argv);
	return by_hand_main(argc, argv);
}
