#define PCRE2_CODE_UNIT_WIDTH 8
#include "vm/script_pattern.h"

#include <pcre2.h>
#include <string.h>

enum {
	STEPS_MAX = 100000,
	DEPTH_MAX = 1000,
	HEAP_MAX_KIB = 1024,
	NEST_MAX = 32,
};

#define AUTO_CODE __attribute__((cleanup(code_release)))

static void code_release(pcre2_code **code)
{
	pcre2_code_free(*code);
}

static int compile(const char *pattern, bool any_case, pcre2_code **ret,
		   struct err *e)
{
	pcre2_compile_context *limits = pcre2_compile_context_create(NULL);
	uint32_t flags = PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C |
			 (any_case ? PCRE2_CASELESS : 0);
	PCRE2_UCHAR why[120];
	PCRE2_SIZE at = 0;
	int code = 0;

	if (!limits)
		return err_set(e, ERR_SYSTEM, "no memory");
	pcre2_set_parens_nest_limit(limits, NEST_MAX);
	*ret = pcre2_compile((PCRE2_SPTR)pattern, strlen(pattern), flags, &code,
			     &at, limits);
	pcre2_compile_context_free(limits);
	if (*ret)
		return 0;
	pcre2_get_error_message(code, why, sizeof(why));
	return err_set(e, ERR_INPUT, "has a wrong pattern, /%.80s/: %s, at "
				     "byte %zu",
		       pattern, (const char *)why, at + 1);
}

static int match(const pcre2_code *code, const char *subject, bool *ret,
		 struct err *e)
{
	pcre2_match_context *limits = pcre2_match_context_create(NULL);
	pcre2_match_data *data = pcre2_match_data_create(1, NULL);
	int found = PCRE2_ERROR_NOMEMORY;

	if (limits && data) {
		pcre2_set_match_limit(limits, STEPS_MAX);
		pcre2_set_depth_limit(limits, DEPTH_MAX);
		pcre2_set_heap_limit(limits, HEAP_MAX_KIB);
		found = pcre2_match(code, (PCRE2_SPTR)subject, strlen(subject),
				    0, 0, data, limits);
	}
	pcre2_match_data_free(data);
	pcre2_match_context_free(limits);
	if (found >= 0 || found == PCRE2_ERROR_NOMATCH) {
		*ret = found != PCRE2_ERROR_NOMATCH;
		return 0;
	}
	if (found == PCRE2_ERROR_NOMEMORY)
		return err_set(e, ERR_SYSTEM, "no memory");
	return err_set(e, ERR_INPUT,
		       "has a pattern that takes too long to match");
}

int script_pattern(const char *pattern, bool any_case, const char *subject,
		   bool *ret, struct err *e)
{
	AUTO_CODE pcre2_code *code = NULL;

	if (compile(pattern, any_case, &code, e) < 0)
		return -1;
	return subject ? match(code, subject, ret, e) : 0;
}
