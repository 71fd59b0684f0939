/* src/session/admission: many at once, graphics cards, ports. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "place.h"
#include "scratch.h"
#include "session/admission.h"
#include "session/port.h"
#include "sys/file.h"

/* ---- All at once ---- */

enum { CROWD = 50, CROWD_LONG = 500, CROWD_OF_CARDS = 12 };

static bool is_long(void)
{
	const char *text = getenv("LONG");

	return text && *text;
}

/* Those who ask at the same time, each a process. */
struct crowd {
	int start[2];
	int answer[2];
	int end[2];
	size_t count;
	pid_t pids[CROWD_LONG];
	size_t admitted; /* once they have asked */
	size_t refused;
};

/* One of the crowd: starts with the others, holds its place to the end. */
static void __attribute__((noreturn)) ask_in_crowd(const struct crowd *c,
						   const struct session *wish)
{
	struct session s = *wish;
	struct err e = ERR_INIT;
	char byte;
	int lock;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(c->start[1]);
	close(c->end[1]);
	(void)!read(c->start[0], &byte, 1);
	lock = admission_reserve(&place_store, &s, 0, &e);
	byte = lock >= 0 ? 'y' : e.code == ERR_BUSY ? 'n' : '?';
	if (write(c->answer[1], &byte, 1) != 1)
		_exit(1);
	(void)!read(c->end[0], &byte, 1);
	_exit(0);
}

static void crowd_open(struct crowd *c)
{
	*c = (struct crowd){ .count = 0 };
	assert_int_equal(pipe2(c->start, O_CLOEXEC), 0);
	assert_int_equal(pipe2(c->answer, O_CLOEXEC), 0);
	assert_int_equal(pipe2(c->end, O_CLOEXEC), 0);
}

static void crowd_add(struct crowd *c, const struct session *wish)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		ask_in_crowd(c, wish);
	assert_true(c->count < ARRAY_LEN(c->pids));
	c->pids[c->count++] = pid;
}

/* All ask, and *all is what the store holds then. */
static void crowd_ask(struct crowd *c, struct session_list *all)
{
	struct err e = ERR_INIT;

	close(c->start[1]); /* go */
	close(c->answer[1]);
	for (size_t i = 0; i < c->count; i++) {
		char byte = 0;

		assert_int_equal(read(c->answer[0], &byte, 1), 1);
		c->admitted += byte == 'y';
		c->refused += byte == 'n';
	}
	assert_int_equal(store_list(&place_store, NULL, all, &e), 0);
	close(c->end[1]);
	for (size_t i = 0; i < c->count; i++)
		assert_int_equal(waitpid(c->pids[i], NULL, 0), c->pids[i]);
	close(c->start[0]);
	close(c->answer[0]);
	close(c->end[0]);
}

static void check_crowd(size_t size, size_t limit)
{
	AUTO_SESSION_LIST struct session_list all = { 0 };
	static struct crowd c;
	char text[32];

	snprintf(text, sizeof(text), "%zu", limit);
	place_set("service_max_instance_nb", text);
	crowd_open(&c);
	for (size_t i = 0; i < size; i++) {
		struct session wish;

		/* Each of them without a limit of its own. */
		snprintf(text, sizeof(text), "user%zu", i);
		wish = place_wish(text);
		crowd_add(&c, &wish);
	}
	crowd_ask(&c, &all);
	assert_int_equal(c.admitted, limit);
	assert_int_equal(c.refused, size - limit);
	assert_int_equal(all.count, limit);
	for (size_t i = 0; i < all.count; i++)
		assert_int_equal(all.list[i].state, SESSION_STARTING);
	assert_int_equal(place_entries(place_store.locks), limit);
}

/* RR1, P18 */
static void a_crowd_gets_no_place_more_than_there_are(void **state)
{
	static const size_t limits[] = { 1, 10, 49, 50 };

	for (size_t i = 0; i < ARRAY_LEN(limits); i++) {
		check_crowd(CROWD, limits[i]);
		/* from an empty store again */
		place_close(state);
		assert_int_equal(place_open(state), 0);
	}
}

/* RR1, P18: five hundred, three times for each limit. */
static void a_great_crowd_gets_no_place_more_than_there_are(void **state)
{
	static const size_t limits[] = { 10, 50, 499, 500 };

	if (!is_long())
		skip();
	for (size_t i = 0; i < 3 * ARRAY_LEN(limits); i++) {
		check_crowd(CROWD_LONG, limits[i % ARRAY_LEN(limits)]);
		place_close(state);
		assert_int_equal(place_open(state), 0);
	}
}

/* Each of five users, all at once, gets as many as one may have. */
static void check_users(size_t size)
{
	AUTO_SESSION_LIST struct session_list all = { 0 };
	size_t count[5] = { 0 };
	static struct crowd c;

	place_set("service_max_instance_nb", "50");
	place_set("service_max_session_nb_per_user", "3");
	crowd_open(&c);
	for (size_t i = 0; i < size; i++) {
		char user[8];
		struct session wish;

		snprintf(user, sizeof(user), "user%zu", i % 5);
		wish = place_wish(user);
		crowd_add(&c, &wish);
	}
	crowd_ask(&c, &all);
	assert_int_equal(c.admitted, 3 * ARRAY_LEN(count));
	assert_int_equal(c.admitted + c.refused, size);
	for (size_t i = 0; i < all.count; i++)
		count[all.list[i].user[4] - '0']++;
	for (size_t i = 0; i < ARRAY_LEN(count); i++)
		assert_int_equal(count[i], 3);
}

/* RR1 */
static void a_crowd_gets_no_place_more_than_each_may_have(void **state)
{
	int rounds = is_long() ? 5 : 1;

	for (int i = 0; i < rounds; i++) {
		check_users(is_long() ? CROWD_LONG : CROWD);
		place_close(state);
		assert_int_equal(place_open(state), 0);
	}
}

/* ---- Graphics cards ---- */

static void make_link(const char *address, const char *name,
		      const char *target)
{
	char path[200];

	snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/%s", address,
		 name);
	assert_int_equal(symlinkat(target, scratch_fd, path), 0);
}

/* A card that is ready for guests, in a group of its own. */
static void make_card(const char *address, int group)
{
	static const struct {
		const char *file;
		const char *text;
	} files[] = { { "vendor", "0x10de\n" },
		      { "device", "0x1d01\n" },
		      { "class", "0x030000\n" } };
	struct err e = ERR_INIT;
	char path[4400];

	snprintf(path, sizeof(path), "%s/sys/bus/pci/devices/%s",
		 scratch_path, address);
	assert_int_equal(file_make_dirs(path, 0755, &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		snprintf(path, sizeof(path), "sys/bus/pci/devices/%s/%s",
			 address, files[i].file);
		scratch_puts(path, files[i].text);
	}
	make_link(address, "driver", "../../../bus/pci/drivers/vfio-pci");
	snprintf(path, sizeof(path), "../../../kernel/iommu_groups/%d", group);
	make_link(address, "iommu_group", path);
}

/* A crowd of which each wants a card: as many get one as there are, and no
 * two the same. */
static void check_cards(size_t cards)
{
	AUTO_SESSION_LIST struct session_list all = { 0 };
	struct session wish = place_wish("ann");
	static struct crowd c;

	snprintf(wish.gpu, sizeof(wish.gpu), "any");
	crowd_open(&c);
	for (size_t i = 0; i < CROWD_OF_CARDS; i++)
		crowd_add(&c, &wish);
	crowd_ask(&c, &all);
	assert_int_equal(c.admitted, cards);
	assert_int_equal(c.refused, CROWD_OF_CARDS - cards);
	assert_int_equal(all.count, cards);
	for (size_t i = 0; i < all.count; i++) {
		assert_string_not_equal(all.list[i].gpu, "any");
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(all.list[i].gpu,
						all.list[j].gpu);
	}
}

/* RR2 */
static void each_card_goes_to_exactly_one_of_a_crowd(void **state)
{
	char path[4200];

	snprintf(path, sizeof(path), "%s/sys", scratch_path);
	for (int cards = 1; cards <= 3; cards++) {
		char address[32];

		snprintf(address, sizeof(address), "0000:4%d:00.0", cards);
		make_card(address, cards);
		place_set("dir_sysfs", path);
		check_cards((size_t)cards);
		place_close(state);
		assert_int_equal(place_open(state), 0);
	}
}

/* ---- Ports ---- */

/* The first of some free ports in a row, as text. */
static void free_ports(char ret[16])
{
	for (int port = 20000 + getpid() % 10000; port < 60000; port += 16) {
		struct session s = { .oneshot = true };
		const struct session_list none = { .count = 0 };
		struct err e = ERR_INIT;

		snprintf(ret, 16, "%d", port);
		place_set("service_port", ret);
		if (port_reserve(&place_config, &none, &s, &e) == 0 &&
		    s.port == port)
			return;
	}
	fail_msg("no free ports");
}

static void a_port_is_part_of_the_reservation(void **state)
{
	struct session s[4];
	int locks[3];
	char first[16];
	long long port;

	(void)state;
	place_set("service_port_multiple", "yes");
	place_set("service_max_instance_nb", "100000");
	free_ports(first);
	port = place_config.service_port;
	for (int i = 0; i < 3; i++) {
		s[i] = place_wish("ann");
		locks[i] = place_reserve(&s[i], 60);
		assert_true(s[i].own_port);
		assert_true(s[i].port >= port && s[i].port <= port + 8);
		assert_int_equal(strlen(s[i].password),
				 SESSION_PASSWORD_SIZE - 1);
		for (int j = 0; j < i; j++) {
			assert_true(s[i].port != s[j].port);
			assert_string_not_equal(s[i].password, s[j].password);
		}
	}
	/* What has ended gives its port back. */
	close(locks[1]);
	s[3] = place_wish("ann");
	locks[1] = place_reserve(&s[3], 60);
	assert_int_equal(s[3].port, s[1].port);
	for (int i = 0; i < 3; i++)
		close(locks[i]);
}

static void a_port_of_another_program_is_passed_over(void **state)
{
	const struct session_list none = { .count = 0 };
	struct session s = { .oneshot = true };
	struct sockaddr_in a = { .sin_family = AF_INET };
	struct err e = ERR_INIT;
	char first[16];
	AUTO_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	place_set("service_port_multiple", "yes");
	free_ports(first);
	a.sin_port = htons((uint16_t)place_config.service_port);
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(port_reserve(&place_config, &none, &s, &e), 0);
	assert_true(s.port > place_config.service_port);
	place_config.service_max_instance_nb = 0;
	assert_int_equal(port_reserve(&place_config, &none, &s, &e), -1);
	assert_int_equal(e.code, ERR_BUSY);
	assert_non_null(strstr(e.msg, "All ports for displays"));
}

static void who_has_a_port_of_its_own(void **state)
{
	static const struct {
		const char *proxy, *multiple, *form;
		bool oneshot, own;
	} table[] = {
		{ "", "no", "no", false, false },
		{ "", "no", "no", true, false },
		{ "", "no", "yes", true, true },
		{ "", "no", "yes", false, false },
		{ "", "yes", "no", false, true },
		{ "", "yes", "no", true, true },
		/* one port only leads to it */
		{ "/display", "no", "yes", true, false },
		{ ":7000", "no", "yes", true, false },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		place_set("service_reverse_proxy", table[i].proxy);
		place_set("service_port_multiple", table[i].multiple);
		place_set("form_oneshot", table[i].form);
		assert_int_equal(port_is_own(&place_config, table[i].oneshot),
				 table[i].own);
	}
	/* by hand */
	place_set("service_reverse_proxy", "");
	place_set("service_port_multiple", "no");
	place_set("form_oneshot", "no");
	place_set("oneshot", "yes");
	assert_true(port_is_own(&place_config, true));
}

static void a_session_of_the_gateway_has_neither_port_nor_password(void **state)
{
	struct session s = place_wish("ann");
	int lock = place_reserve(&s, 60);

	(void)state;
	assert_false(s.own_port);
	assert_int_equal(s.port, 0);
	assert_string_equal(s.password, "");
	close(lock);
}

#define T(name) cmocka_unit_test_setup_teardown(name, place_open, place_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_crowd_gets_no_place_more_than_there_are),
		T(a_great_crowd_gets_no_place_more_than_there_are),
		T(a_crowd_gets_no_place_more_than_each_may_have),
		T(each_card_goes_to_exactly_one_of_a_crowd),
		T(a_port_is_part_of_the_reservation),
		T(a_port_of_another_program_is_passed_over),
		T(who_has_a_port_of_its_own),
		T(a_session_of_the_gateway_has_neither_port_nor_password),
	};

	return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
