#include "vm/qemu_arch.h"

#include <string.h>

#include "base/macros.h"

static const struct qemu_arch known[] = {
	{
		.name = "x86_64",
		.machine = "pc,vmport=off,hpet=off",
		.uefi = "q35,vmport=off,hpet=off",
		.secure = "q35,vmport=off,hpet=off,smm=on",
		/* The x86-64-v2 level, which current systems ask for. */
		.cpu = "qemu64,+ssse3,+sse4.1,+sse4.2,+popcnt",
		.cd = { "ide-cd,drive=image,bus=ide.1,bootindex=0" },
		.tpm = "tpm-crb,tpmdev=tpm",
		.vga = true,
	},
	{
		.name = "aarch64",
		.machine = "virt,gic-version=max",
		.uefi = "virt,gic-version=max",
		.secure = "virt,gic-version=max",
		.cpu = "cortex-a72",
		.cd = { "virtio-scsi-pci,id=scsi0",
			"scsi-cd,drive=image,bus=scsi0.0,bootindex=0" },
		.tpm = "tpm-tis-device,tpmdev=tpm",
	},
};

const struct qemu_arch *qemu_arch(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (strcmp(known[i].name, name) == 0)
			return &known[i];
	return &known[0];
}

const char *qemu_arch_machine(const struct qemu_arch *arch,
			      const struct session *s)
{
	if (strcmp(s->firmware, "uefi") == 0)
		return arch->uefi;
	if (strcmp(s->firmware, "uefi-secure") == 0)
		return arch->secure;
	return arch->machine;
}

const char *qemu_arch_video(const struct qemu_arch *arch, const char *video)
{
	static const struct {
		const char *name;
		const char *device;
	} devices[] = {
		/* virtio's VGA shows every guest's console, and lets a guest
		 * with its driver follow the browser's window. */
		{ "auto", "virtio-vga" }, { "virtio", "virtio-vga" },
		{ "std", "VGA" },	  { "qxl", "qxl-vga" },
		{ "vmware", "vmware-svga" }, { "cirrus", "cirrus-vga" },
	};

	if (!arch->vga)
		return "virtio-gpu-pci";
	for (size_t i = 0; i < ARRAY_LEN(devices); i++)
		if (strcmp(video, devices[i].name) == 0)
			return devices[i].device;
	return "VGA";
}
