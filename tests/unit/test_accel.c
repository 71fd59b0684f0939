/* src/vm/accel: when KVM is believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "scratch.h"
#include "sys/clock.h"
#include "vm/accel.h"

static struct config config;
static struct store st = STORE_INIT;

static int open_store(void **state)
{
	char path[4200];
	struct err e = ERR_INIT;

	if (scratch_make(state) < 0 || config_init(&config, &e) < 0)
		return -1;
	snprintf(path, sizeof(path), "%s/store", scratch_path);
	if (config_set(&config, "dir_cfg", path, &e) < 0)
		return -1;
	return store_open(&config, &st, &e);
}

static int close_store(void **state)
{
	store_release(&st);
	config_release(&config);
	return scratch_remove(state);
}

static bool uses_kvm(const char *accel)
{
	struct err e = ERR_INIT;

	assert_int_equal(config_set(&config, "accel", accel, &e), 0);
	return accel_use_kvm(&config, &st);
}

static void the_site_can_force_an_accelerator(void **state)
{
	(void)state;
	assert_true(uses_kvm("kvm"));
	assert_false(uses_kvm("tcg"));
	accel_remember_broken(&st);
	assert_true(uses_kvm("kvm"));
	assert_false(uses_kvm("tcg"));
}

static void without_reason_against_it_auto_is_kvm(void **state)
{
	const char *why = accel_why_not_kvm();

	(void)state;
	if (why)
		assert_true(strlen(why) > 10);
	assert_int_equal(uses_kvm("auto"), why == NULL);
}

static void a_kvm_that_broke_is_not_used_again_in_this_boot(void **state)
{
	char boot_id[CLOCK_BOOT_ID_SIZE];

	(void)state;
	accel_remember_broken(&st);
	assert_false(uses_kvm("auto"));
	clock_boot_id(boot_id);
	scratch_puts("store/kvm-broken", "another boot");
	assert_int_equal(uses_kvm("auto"), accel_why_not_kvm() == NULL);
	/* Only the whole identity counts, and no more than that. */
	boot_id[35] = '\0';
	scratch_puts("store/kvm-broken", boot_id);
	assert_int_equal(uses_kvm("auto"), accel_why_not_kvm() == NULL);
	scratch_write("store/kvm-broken",
		      "0123456789012345678901234567890123456789"
		      "0123456789012345678901234567890123456789",
		      80);
	assert_int_equal(uses_kvm("auto"), accel_why_not_kvm() == NULL);
}

#define T(name) cmocka_unit_test_setup_teardown(name, open_store, close_store)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_site_can_force_an_accelerator),
		T(without_reason_against_it_auto_is_kvm),
		T(a_kvm_that_broke_is_not_used_again_in_this_boot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
