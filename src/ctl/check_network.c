/* What the guests' network needs of this host: doc/network.md. */
#include "ctl/check.h"

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "base/text.h"
#include "sys/child.h"
#include "vm/network.h"

#define BRIDGE_CONF "/etc/qemu/bridge.conf"

enum { NFT_MS = 10000 };

static void check_user_network(struct check *k)
{
	check_program(k, "slirp4netns", "slirp4netns");
	check_program(k, "nsenter", "util-linux");
	check_program(k, "ip", "iproute2");
	if (access("/dev/net/tun", F_OK) < 0)
		check_say(k, CHECK_ERROR,
			  "there is no /dev/net/tun, so that guests have no "
			  "network; modprobe tun");
	else if (!check_may_use(k, "/dev/net/tun"))
		check_say(k, CHECK_ERROR,
			  "user %s may not use /dev/net/tun, so that guests "
			  "have no network; chmod 666 /dev/net/tun",
			  k->user_name);
	else
		check_say(k, CHECK_OK, "/dev/net/tun");
}

/* ---- A bridge ---- */

static bool is_bridge(const char *name)
{
	AUTO_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ethtool_drvinfo info = { .cmd = ETHTOOL_GDRVINFO };
	struct ifreq request = { .ifr_data = (char *)&info };

	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
	return ioctl(fd, SIOCETHTOOL, &request) == 0 &&
	       strcmp(info.driver, "bridge") == 0;
}

/* The helper makes a network interface: root does, or that capability. */
static bool is_privileged(const char *program)
{
	struct stat st;

	if (stat(program, &st) == 0 && st.st_uid == 0 &&
	    (st.st_mode & S_ISUID))
		return true;
	return getxattr(program, "security.capability", NULL, 0) > 0;
}

/* Does this line of the helper's list, or what it includes, allow the bridge? */
static bool allows(char *line, const char *bridge)
{
	const char *verb = strsep(&line, " \t");
	const char *name = line ? text_trim(line) : "";

	return strcmp(verb, "include") == 0 ||
	       (strcmp(verb, "allow") == 0 &&
		(strcmp(name, bridge) == 0 || strcmp(name, "all") == 0));
}

/* True if the list cannot be read, too. */
static bool is_allowed(const char *bridge)
{
	AUTO_FILE FILE *f = fopen(BRIDGE_CONF, "re");
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (allows(line, bridge))
			return true;
	return !f && access(BRIDGE_CONF, F_OK) == 0;
}

/* Only root may ask for the table of etc/firewall/guests.nft. */
static bool has_firewall(void)
{
	AUTO_ARGV struct argv argv = { .list = NULL };
	struct child child = CHILD_INIT;
	struct err e = ERR_INIT;
	AUTO_FREE char *nft = child_find_program("nft", &e);
	int status;

	if (!nft)
		return false;
	argv_add(&argv, nft);
	argv_add(&argv, "list");
	argv_add(&argv, "table");
	argv_add(&argv, "inet");
	argv_add(&argv, "qwd_guests");
	child.argv = &argv;
	return child_run(&child, NULL, NULL, NULL, NFT_MS, &status, &e) == 0 &&
	       status == 0;
}

static void check_bridge(struct check *k, const char *bridge)
{
	const char *helper = network_bridge_helper();

	if (!is_bridge(bridge))
		check_say(k, CHECK_ERROR,
			  "there is no bridge %s, so that guests have no "
			  "network; ip link add %s type bridge",
			  bridge, bridge);
	if (!helper)
		check_say(k, CHECK_ERROR,
			  "program qemu-bridge-helper is missing; apt install "
			  "qemu-system-common");
	else if (!is_privileged(helper))
		check_say(k, CHECK_ERROR,
			  "%s cannot make ports of a bridge, so that guests "
			  "have no network; chmod u+s it (dpkg-statoverride "
			  "keeps that)",
			  helper);
	else
		check_say(k, CHECK_OK, "program %s", helper);
	if (!is_allowed(bridge))
		check_say(k, CHECK_ERROR,
			  BRIDGE_CONF " does not allow %s, so that guests have "
			  "no network; add the line 'allow %s'",
			  bridge, bridge);
	if (!has_firewall())
		check_say(k, CHECK_WARNING,
			  "guests on %s reach what listens on this host; name "
			  "%s in etc/firewall/guests.nft and load that (only "
			  "root sees whether it is loaded)",
			  bridge, bridge);
}

static void check_word(struct check *k, const char *word)
{
	if (network_kind(word) == NETWORK_USER)
		check_user_network(k);
	else if (network_kind(word) == NETWORK_BRIDGE)
		check_bridge(k, network_bridge(word));
}

void check_network(struct check *k)
{
	check_say(k, CHECK_OK, "guest_network = %s",
		  k->config->guest_network);
	check_word(k, k->config->guest_network);
}

void check_machine_networks(struct check *k, const struct machines *m)
{
	for (size_t i = 0; i < m->count; i++) {
		const char *word = m->list[i].network;
		bool known = !*word ||
			     strcmp(word, k->config->guest_network) == 0;

		for (size_t j = 0; j < i && !known; j++)
			known = strcmp(word, m->list[j].network) == 0;
		if (known)
			continue;
		check_say(k, CHECK_OK, "machine %s: network = %s",
			  m->list[i].name, word);
		check_word(k, word);
	}
}
