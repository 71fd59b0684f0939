#include "conf/machines_keys.h"

#include <string.h>

#include "base/text.h"
#include "conf/mounts.h"
#include "conf/options.h"
#include "conf/url.h"

enum {
	DESCRIPTION_MAX = 200,
	NAMES_MAX = 4096,
};

/* Returns NULL, or what is wrong. */
typedef const char *check_fn(const char *value);

static const char *check_description(const char *value)
{
	if (!*value)
		return "is empty";
	return strlen(value) > DESCRIPTION_MAX ? "is too long" : NULL;
}

static const char *check_url(const char *value)
{
	AUTO_FREE char *copy = strdup(value);
	char *rest = copy;
	size_t count = 0;
	char *text;

	if (!copy)
		return "finds no memory";
	while ((text = strsep(&rest, " \t")) != NULL) {
		const char *problem;
		struct url url;

		if (!*text)
			continue;
		if (text_ends(text, ","))
			return "has a comma where mirrors have a blank "
			       "between";
		problem = url_parse(text, &url);
		if (problem)
			return problem;
		count++;
	}
	if (count > MACHINE_URLS_MAX)
		return "names more than eight mirrors";
	return count ? NULL : "is empty";
}

static const char *check_sha256(const char *value)
{
	if (strlen(value) != 64 ||
	    strspn(value, "0123456789abcdefABCDEF") != 64)
		return "is not 64 hexadecimal digits";
	return NULL;
}

/* Names with commas between, none of them empty. */
static const char *check_names(const char *value)
{
	const char *at = value;

	if (strlen(value) > NAMES_MAX)
		return "is too long";
	for (;;) {
		size_t len;

		at += strspn(at, " \t");
		len = strcspn(at, ",");
		if (len == 0 || strcspn(at, " \t,") == 0)
			return "is not a list of names separated by commas";
		at += len;
		if (!*at)
			return NULL;
		at++;
	}
}

static const char *check_icon(const char *value)
{
	return url_is_path(value) ? NULL :
				    "is not a path on this server, as "
				    "/desktop/assets/debian.svg";
}

static const char *check_cpu(const char *value)
{
	struct machine_range ignored;

	if (*value && machine_range(value, false, MACHINE_CPU_MAX, &ignored))
		return NULL;
	return "is not a number of cores with limits, as '2 1-8', '2' or "
	       "'1-8'";
}

static const char *check_gb(const char *value)
{
	struct machine_range ignored;

	if (*value && machine_range(value, true, MACHINE_GB_MAX, &ignored))
		return NULL;
	return "is not a number of GB with limits, as '4 2-16', '4' or "
	       "'2-16'";
}

static const char *check_gpu(const char *value)
{
	if (strcmp(value, "no") == 0 || strcmp(value, "yes") == 0 ||
	    strcmp(value, "always") == 0)
		return NULL;
	return "is none of no, yes and always";
}

static const char *check_firmware(const char *value)
{
	if (strcmp(value, "bios") == 0 || strcmp(value, "uefi") == 0 ||
	    strcmp(value, "uefi-secure") == 0)
		return NULL;
	return "is none of bios, uefi and uefi-secure";
}

static const char *check_tpm(const char *value)
{
	bool ignored;

	return text_bool(value, &ignored) ? NULL : "is neither yes nor no";
}

static const char *check_arch(const char *value)
{
	if (strcmp(value, "x86_64") == 0 || strcmp(value, "aarch64") == 0)
		return NULL;
	return "is neither x86_64 nor aarch64";
}

static const char *check_qemu_options(const char *value)
{
	if (!*value)
		return "is empty";
	return strlen(value) > MACHINE_OPTIONS_MAX ? "is too long" : NULL;
}

static const char *check_network(const char *value)
{
	return config_allows(CONFIG_guest_network, value) ?
		       NULL :
		       "is no value of the option guest_network";
}

static const char *check_mounts(const char *value)
{
	if (!*value)
		return "is empty; write none";
	return strcmp(value, "none") == 0 ? NULL : mounts_problem(value);
}

static const char *check_os(const char *value)
{
	return strcmp(value, "cloud-init") == 0 ?
		       NULL :
		       "is no kind of guest that is known; there is cloud-init";
}

bool machine_key_ok(const char *key, const char *value, struct buf *problem)
{
	static const struct {
		const char *key;
		check_fn *check;
	} checks[] = {
		{ "description", check_description },
		{ "url", check_url },
		{ "sha256", check_sha256 },
		{ "os", check_os },
		{ "users", check_names },
		{ "groups", check_names },
		{ "icon", check_icon },
		{ "cpu", check_cpu },
		{ "memory", check_gb },
		{ "disk", check_gb },
		{ "gpu", check_gpu },
		{ "firmware", check_firmware },
		{ "tpm", check_tpm },
		{ "arch", check_arch },
		{ "qemu_options", check_qemu_options },
		{ "network", check_network },
		{ "mounts", check_mounts },
	};

	for (size_t i = 0; i < ARRAY_LEN(checks); i++) {
		const char *what;

		if (strcmp(key, checks[i].key) != 0)
			continue;
		what = checks[i].check(value);
		buf_puts(problem, what ? what : "");
		return what == NULL;
	}
	buf_puts(problem, "cannot be checked");
	return false;
}

const char *machine_problem(const struct machine *machine)
{
	if (strcmp(machine->arch, "aarch64") != 0)
		return NULL;
	if (strcmp(machine->firmware, "bios") == 0)
		return "wants firmware = bios, which aarch64 does not have";
	if (strcmp(machine->firmware, "uefi-secure") == 0)
		return "wants firmware = uefi-secure, which there is for "
		       "x86_64 only";
	return NULL;
}

/* ---- Ranges ---- */

static bool read_number(const char *text, size_t len, bool milli,
			long long top, long long *ret)
{
	char number[24];

	if (len == 0 || len >= sizeof(number))
		return false;
	memcpy(number, text, len);
	number[len] = '\0';
	return milli ? text_milli(number, 1, top * 1000, ret) :
		       text_long(number, 1, top, ret);
}

/* "1-8" */
static bool read_limits(const char *text, bool milli, long long top,
			struct machine_range *ret)
{
	size_t len = strcspn(text, "-");

	return text[len] == '-' &&
	       read_number(text, len, milli, top, &ret->min) &&
	       read_number(text + len + 1, strlen(text + len + 1), milli, top,
			   &ret->max) &&
	       ret->min <= ret->max;
}

bool machine_range(const char *text, bool milli, long long top,
		   struct machine_range *ret)
{
	struct machine_range range = { 0 };
	size_t len = strcspn(text, " \t");
	const char *rest = text + len + strspn(text + len, " \t");

	if (*text && memchr(text, '-', len)) {
		if (*rest || !read_limits(text, milli, top, &range))
			return false;
	} else if (*text) {
		if (!read_number(text, len, milli, top, &range.standard))
			return false;
		if (*rest && (!read_limits(rest, milli, top, &range) ||
			      range.standard < range.min ||
			      range.standard > range.max))
			return false;
	}
	*ret = range;
	return true;
}
