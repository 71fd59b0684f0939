#include "guest.h"

struct session guest_session(void)
{
	return (struct session){ .name = "svc-a", .format = "qcow2", .cpu = 2,
				 .memory_mb = 768 };
}

struct qemu_place guest_place(void)
{
	return (struct qemu_place){ .program = "/usr/bin/qemu-system-x86_64",
				    .image = "/image", .overlay = "/overlay",
				    .vnc = "/vm/vnc", .qmp = 9 };
}

struct qemu_place guest_uefi_place(void)
{
	struct qemu_place p = guest_place();

	p.firmware = "/usr/code.fd";
	p.vars = "/vm/vars";
	return p;
}
