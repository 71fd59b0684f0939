/*
 * QEMU's command line (row SR23): whatever the paths and the machine's name
 * hold, there are as many arguments and as many options in each as with plain
 * ones, and QEMU reads back the paths as they were.
 *
 * The input's lines are the image's path, the overlay's, the socket's, and the
 * image's format; its first byte chooses CD or disk, KVM and the network.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "vm/network.h"
#include "vm/overlay.h"
#include "vm/qemu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct values {
	const char *image;
	const char *overlay;
	const char *vnc;
	char format[16]; /* as in a session */
};

static void build(const struct values *v, uint8_t how, struct argv *qemu,
		  struct argv *qemu_img)
{
	static const char *const words[] = { "none", "user", "isolated",
					     "bridge=br0" };
	const char *word = words[how >> 2 & 3];
	AUTO_CONFIG struct config c = { .file = NULL };
	AUTO_BUF struct buf netdev = BUF_INIT(100);
	AUTO_BUF struct buf card = BUF_INIT(100);
	struct session s = { .name = "qemu-web-desktop-abcdefghij",
			     .iso = how & 1, .cpu = 1, .memory_mb = 256,
			     .disk_mb = 10, .virtual_size = 1 << 20 };
	struct qemu_place place = { .program = "/usr/bin/qemu", .qmp = 9,
				    .image = v->image, .overlay = v->overlay,
				    .vnc = v->vnc, .kvm = how & 2 };
	struct err e = ERR_INIT;

	if (config_init(&c, &e) < 0)
		abort();
	snprintf(s.format, sizeof(s.format), "%s", v->format);
	network_netdev(word, 8, &netdev);
	network_card(word, s.name, &card);
	place.netdev = buf_str(&netdev);
	place.card = buf_str(&card);
	qemu_command(&c, &s, &place, qemu);
	overlay_command("/usr/bin/qemu-img", &s, v->image, v->overlay, qemu_img);
}

/* Take one option of QEMU's syntax, in which two commas are one (QEMU,
 * get_opt_value() in util/qemu-option.c), off the text. */
static const char *next_option(const char *text, struct buf *value)
{
	for (; *text; text++) {
		if (*text == ',' && *++text != ',')
			return text;
		buf_putc(value, *text);
	}
	return NULL;
}

static size_t count_options(const char *text)
{
	AUTO_BUF struct buf value = BUF_INIT(1 << 20);
	size_t count = 0;

	for (; text; count++)
		text = next_option(text, &value);
	return count;
}

/* The same members with the same types; strings may differ. */
static bool same_shape(const json_t *one, const json_t *other)
{
	const char *key;
	json_t *value;

	if (!one || !other || json_typeof(one) != json_typeof(other))
		return false;
	if (!json_is_object(one))
		return true;
	if (json_object_size(one) != json_object_size(other))
		return false;
	json_object_foreach((json_t *)one, key, value)
		if (!same_shape(value, json_object_get(other, key)))
			return false;
	return true;
}

static void check_json(const char *arg, const char *plain, const char *path)
{
	json_t *one = json_loads(arg, 0, NULL);
	json_t *other = json_loads(plain, 0, NULL);
	const char *said = json_string_value(json_object_get(
		json_object_get(one, "file"), "filename"));

	if (!same_shape(one, other) || !said || strcmp(said, path) != 0)
		abort();
	json_decref(one);
	json_decref(other);
}

static void check_vnc(const char *arg, const char *path)
{
	AUTO_BUF struct buf value = BUF_INIT(1 << 20);

	next_option(arg, &value);
	if (!text_starts(buf_str(&value), "unix:") ||
	    strcmp(buf_str(&value) + strlen("unix:"), path) != 0)
		abort();
}

static void compare(const struct values *v, const struct argv *a,
		    const struct argv *plain)
{
	size_t disks = 0;

	if (a->count != plain->count)
		abort();
	for (size_t i = 1; i < a->count; i++) {
		const char *before = a->list[i - 1];

		if (strcmp(before, "-blockdev") == 0)
			check_json(a->list[i], plain->list[i],
				   disks++ ? v->overlay : v->image);
		else if (count_options(a->list[i]) !=
			 count_options(plain->list[i]))
			abort();
		else if (strcmp(before, "-vnc") == 0)
			check_vnc(a->list[i], v->vnc);
		else if (strcmp(a->list[i], plain->list[i]) != 0)
			abort();
	}
	if (disks != 2)
		abort();
}

/* qemu-img gets the paths as arguments of their own. */
static void compare_overlay(const struct values *v, const struct argv *a,
			    const struct argv *plain)
{
	if (a->count != plain->count)
		abort();
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->list[i], plain->list[i]) != 0 &&
		    strcmp(a->list[i], v->image) != 0 &&
		    strcmp(a->list[i], v->overlay) != 0 &&
		    strcmp(a->list[i], v->format) != 0)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct values plain_values = { "/i", "/o", "/v", "raw" };
	AUTO_FREE char *text = malloc(size + 1);
	AUTO_ARGV struct argv a = { 0 };
	AUTO_ARGV struct argv plain = { 0 };
	AUTO_ARGV struct argv img = { 0 };
	AUTO_ARGV struct argv plain_img = { 0 };
	struct values v;
	char *rest;

	if (!text || size < 2)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	rest = text + 1;
	v.image = strsep(&rest, "\n");
	v.overlay = rest ? strsep(&rest, "\n") : "";
	v.vnc = rest ? strsep(&rest, "\n") : "";
	snprintf(v.format, sizeof(v.format), "%s", rest ? rest : "raw");
	build(&v, (uint8_t)text[0], &a, &img);
	build(&plain_values, (uint8_t)text[0], &plain, &plain_img);
	/* What is no text cannot be said in JSON: refused, not bent. */
	if (!a.failed)
		compare(&v, &a, &plain);
	if (!img.failed)
		compare_overlay(&v, &img, &plain_img);
	return 0;
}
