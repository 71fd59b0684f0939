/*
 * The configuration: one table of options gives the struct, the parser, the
 * defaults, the ranges, `qwdctl config`, `--help` and the manual page's list.
 *
 * Sources, later ones win: the built-in default, FILE (config.conf), the
 * files *.conf of the directory config.d beside FILE in byte order, then
 * `--name=value` of the command line (never under a web server).  The files
 * are INI without sections: `name = value` lines, '#' or ';' at the start of
 * a line begins a comment, blank lines are skipped.  Strict: an unknown name,
 * a name twice in one file (but for a LIST), trailing junk, a value out of range, a NUL or
 * invalid UTF-8 is ERR_CONFIG with "FILE:LINE: sentence".
 */
#ifndef QWD_CONF_OPTIONS_H
#define QWD_CONF_OPTIONS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/err.h"
#include "conf/text_list.h"

/* Where the configuration is when nothing else is said. */
#define CONFIG_DEFAULT_FILE "/etc/qemu-web-desktop/config.conf"

/*
 * X(kind, name, default, min, max, help).  Kinds and their C types:
 *   STR    char *     one line of text of `min` to `max` bytes; some have a
 *                     form of their own (options_values.c)
 *   PATH   char *     absolute path, or empty where the default is empty;
 *                     kept without '/' at its end
 *   INT    long long  integer within [min, max]
 *   MILLI  long long  decimal number, kept in thousandths, [min, max] too
 *   BOOL   bool
 *   ENUM   char *     one of the words of `help` up to its first ':', which
 *                     are separated by '|'
 *   COLOUR char *     #rrggbb
 *   LIST   struct text_list  one line of text each, in the order of the lines
 *                     that set it; a later source that names it replaces the
 *                     whole list, and with an empty value empties it
 *   NOTE   (nothing)  accepted for old configurations, has no effect: a note
 *                     by config_notes() says why (`help`)
 */
#define CONFIG_OPTIONS(X)                                                      \
	X(STR, service, "qemu-web-desktop", 1, 40,                             \
	  "name of the service, prefix of session names: a-z, 0-9 and -")      \
	X(STR, service_url, "", 0, 255,                                        \
	  "public base URL, as https://desktop.lab.example; links, QR codes "  \
	  "and mails are built on it (empty: the web server's own name)")      \
	X(PATH, dir_html, "/usr/share/qemu-web-desktop/html", 0, 0,            \
	  "pages: templates and assets, in its folder desktop")                \
	X(PATH, dir_html_site, "/etc/qemu-web-desktop/html", 0, 0,             \
	  "the site's own templates, which stand in for those of dir_html")    \
	X(PATH, dir_service, "/var/lib/qemu-web-desktop", 0, 0,                \
	  "the service's own files: catalogue, machines, snapshots")           \
	X(PATH, dir_machines, "", 0, 0,                                        \
	  "master images (empty: machines below dir_service)")                 \
	X(PATH, dir_snapshots, "", 0, 0,                                       \
	  "overlays of running sessions (empty: snapshots below dir_service)") \
	X(PATH, dir_cfg, "", 0, 0,                                             \
	  "session records and sockets (empty: a private directory below "     \
	  "/tmp); a directory that others share gets a private one below it")  \
	X(PATH, dir_history, "", 0, 0,                                         \
	  "the history of sessions (empty: history below dir_service)")        \
	X(INT, history_size, 10, 1, 1000,                                      \
	  "MB of history that are kept, and as much of the time before")       \
	X(PATH, dir_novnc, "/usr/share/novnc", 0, 0,                           \
	  "noVNC, with its vnc.html")                                          \
	X(STR, dir_websockify, "websockify", 1, 255,                           \
	  "the websockify program: a path, or a name found in /usr/bin")       \
	X(PATH, dir_libexec, "/usr/libexec/qemu-web-desktop", 0, 0,            \
	  "the service's own helper programs: qwd-net")                        \
	X(ENUM, launcher, "auto", 0, 0,                                        \
	  "auto|fork|systemd|slurm: who starts what outlives a request: "      \
	  "itself, or systemd's units; auto: these where their sockets are; "  \
	  "slurm: as auto, and machines run as jobs of a cluster")             \
	X(PATH, dir_launcher, "/run/qemu-web-desktop/launch", 0, 0,            \
	  "sockets of systemd's units: session and gateway")                   \
	X(PATH, dir_slurm, "", 0, 0,                                           \
	  "with launcher = slurm: directory of jobs, on the file system that " \
	  "the cluster's nodes share, private to the service's user (or, for " \
	  "slurm_user = visitor, root's with mode 3733)")                      \
	X(ENUM, slurm_user, "service", 0, 0,                                   \
	  "service|visitor: whose account on the cluster a job runs under, "   \
	  "the service's or the visitor's own")                                \
	X(PATH, slurm_program, "/usr/bin/qemu-web-desktop", 0, 0,              \
	  "with slurm_user = visitor: this program, on the cluster's nodes")   \
	X(PATH, slurm_conf, "", 0, 0,                                          \
	  "Slurm's configuration (empty: Slurm's own place for it)")           \
	X(STR, slurm_account, "", 0, 1000,                                     \
	  "account of jobs (empty: Slurm's default); of several with commas "  \
	  "between visitors choose, and the first is the usual one")           \
	X(STR, slurm_partition, "", 0, 1000,                                   \
	  "partition of jobs, or several, likewise")                           \
	X(STR, slurm_qos, "", 0, 1000,                                         \
	  "quality of service of jobs, or several, likewise")                  \
	X(STR, slurm_gres, "gpu:1", 1, 128,                                    \
	  "what a job with a graphics card asks Slurm for (sbatch --gres)")    \
	X(INT, slurm_memory_overhead, 512, 64, 65536,                          \
	  "MB that a job asks for beside its guest's memory")                  \
	X(INT, slurm_max_cpu, 4, 1, 512, "cores of a job at most")             \
	X(MILLI, slurm_max_memory, 16000, 64, 8192000,                         \
	  "memory of a job's guest at most, in GB")                            \
	X(ENUM, slurm_overlay, "shared", 0, 0,                                 \
	  "shared|scratch: a job's disk is in dir_slurm, or on its node's "    \
	  "own, in slurm_scratch")                                             \
	X(PATH, slurm_scratch, "/tmp", 0, 0,                                   \
	  "directory on each node's own disk for the service's private one")   \
	X(INT, slurm_port, 0, 0, 65535,                                        \
	  "first of the 1000 TCP ports of a node of which displays take one "  \
	  "each (0: any free one)")                                            \
	X(PATH, machines_conf, "", 0, 0,                                       \
	  "list of machines (empty: machines.conf beside config.conf)")        \
	X(STR, machine, "", 0, 255, "machine that a start by hand uses")       \
	X(INT, snapshot_lifetime, 86400, 60, 31536000,                         \
	  "longest lifetime of a session, in seconds")                         \
	X(INT, snapshot_lifetime_total, 0, 0, 315360000,                       \
	  "longest life of a session with all its extensions, in seconds (0: " \
	  "snapshot_lifetime)")                                                \
	X(BOOL, snapshot_unlimited, false, 0, 0,                               \
	  "sessions without an end may be asked for: a lifetime of 0")         \
	X(INT, snapshot_warning, 900, 0, 86400,                                \
	  "seconds before the end that a session's user is warned (0: never)") \
	X(INT, service_stop_grace, 10, 0, 3600,                                \
	  "seconds that a guest has to power off before it is ended")          \
	X(INT, snapshot_alloc_cpu, 1, 1, 512, "cores of a session by default") \
	X(MILLI, snapshot_alloc_mem, 4000, 64, 8192000,                        \
	  "memory of a session by default, in GB")                             \
	X(MILLI, snapshot_alloc_disk, 10000, 100, 65536000,                    \
	  "empty disk of a session on an ISO image, in GB")                    \
	X(BOOL, snapshot_use_master, false, 0, 0,                              \
	  "a session writes to the machine's image itself, and has it "        \
	  "alone")                                                             \
	X(MILLI, snapshot_reserve_disk, 1000, 0, 65536000,                     \
	  "free disk kept for what each session writes, in GB (0: not "        \
	  "looked at)")                                                        \
	X(MILLI, service_max_load, 800, 0, 1000000,                            \
	  "load of the host above which no session starts, 1 = all cores")     \
	X(INT, service_max_instance_nb, 10, 1, 100000,                         \
	  "sessions at a time")                                                \
	X(INT, service_max_session_nb_per_user, 3, 1, 100000,                  \
	  "sessions at a time for one user")                                   \
	X(MILLI, service_max_cpu_fraction_nb_per_user, 300, 1, 100000,         \
	  "share of the host's cores for one user")                            \
	X(MILLI, service_max_mem_fraction_nb_per_user, 300, 1, 1000,           \
	  "share of the host's memory for one user")                           \
	X(INT, service_port, 6080, 0, 65535,                                   \
	  "TCP port of the display gateway (0: any free one)")                 \
	X(BOOL, service_port_multiple, false, 0, 0,                            \
	  "each session has a port of its own, from service_port on, and a "   \
	  "VNC password; only without a /path in service_reverse_proxy")       \
	X(PATH, certificate_crt, "", 0, 0,                                     \
	  "certificate, with its chain, for displays at ports of their own "   \
	  "(empty: they are not encrypted)")                                   \
	X(PATH, certificate_key, "", 0, 0, "its key")                          \
	X(STR, service_reverse_proxy, "", 0, 128,                              \
	  "how the display is reached: /path = through the web server at that "\
	  "path; :port or empty = at that port, or service_port, directly")    \
	X(STR, qemu_exec, "auto", 1, 255,                                      \
	  "QEMU program: auto, a name found in /usr/bin, or a path")           \
	X(STR, qemu_exec_options, "auto", 1, 4096,                             \
	  "QEMU's machine, CPU and accelerator options in place of auto")      \
	X(ENUM, qemu_video, "auto", 0, 0,                                      \
	  "auto|std|qxl|virtio|vmware|cirrus: video device of the guest")      \
	X(STR, dir_mounts, "", 0, 500,                                         \
	  "directories of this host that guests may mount, with commas "       \
	  "between, each with :ro (the default) or :rw; @USER@ is the "        \
	  "user's name")                                                       \
	X(STR, gpu_blacklist, "", 0, 1000,                                     \
	  "PCI addresses of graphics cards that are never handed out, "        \
	  "separated by commas")                                               \
	X(PATH, dir_sysfs, "/sys", 0, 0,                                       \
	  "where graphics cards are looked for: the kernel's sysfs")           \
	X(ENUM, accel, "auto", 0, 0,                                           \
	  "auto|kvm|tcg: accelerator; auto believes KVM only where it works")  \
	X(STR, guest_network, "user", 1, 22,                                   \
	  "user: guests reach the outside but nothing on this host; "          \
	  "isolated: they have a network card and reach nobody; none: no "     \
	  "card; bridge=NAME: they are on that bridge of this host")           \
	X(ENUM, service_metrics, "no", 0, 0,                                   \
	  "no|local|yes: figures for Prometheus, for programs on this host "   \
	  "or for whoever reaches the service")                                \
	X(BOOL, allow_anonymous, false, 0, 0,                                  \
	  "serve everybody although no login is configured")                   \
	X(STR, user_admin, "", 0, 4096,                                        \
	  "administrators: exact user names, or @group, separated by "         \
	  "commas")                                                            \
	X(BOOL, check_user_with_email, false, 0, 0,                            \
	  "log in by a link that is mailed to the address given as "           \
	  "user name")                                                         \
	X(BOOL, check_user_with_imap, false, 0, 0,                             \
	  "check user and password at imap_server")                            \
	X(BOOL, check_user_with_smtp, false, 0, 0,                             \
	  "check user and password at smtp_server")                            \
	X(BOOL, check_user_with_ldap, false, 0, 0,                             \
	  "check user and password at ldap_server")                            \
	X(BOOL, check_user_with_local, false, 0, 0,                            \
	  "check user and password of accounts of this host, by "              \
	  "saslauthd")                                                         \
	X(BOOL, check_user_remote, false, 0, 0,                                \
	  "the web server logs users in (REMOTE_USER): single sign-on")        \
	X(PATH, check_user_custom, "", 0, 0,                                   \
	  "program that has the last word about a login (empty: none)")        \
	X(STR, imap_server, "", 0, 255,                                        \
	  "IMAP server, as its certificate names it")                          \
	X(INT, imap_port, 993, 1, 65535,                                       \
	  "its TCP port")                                                      \
	X(ENUM, imap_tls, "tls", 0, 0,                                         \
	  "tls|starttls: encrypted from the first byte, or by "                \
	  "STARTTLS")                                                          \
	X(STR, smtp_server, "", 0, 255,                                        \
	  "SMTP server, as its certificate names it")                          \
	X(INT, smtp_port, 587, 1, 65535,                                       \
	  "its TCP port")                                                      \
	X(ENUM, smtp_use_ssl, "starttls", 0, 0,                                \
	  "starttls|tls|ssl|1: encrypted by STARTTLS, or from the "            \
	  "first byte (the other three)")                                      \
	X(STR, email_domains, "", 0, 4096,                                     \
	  "domains whose addresses may log in by e-mail, separated by "        \
	  "commas; any: all of them")                                          \
	X(STR, email_deny, "", 0, 4096,                                        \
	  "addresses, and domains as @spam.example, that may not log in by "   \
	  "e-mail, separated by commas")                                       \
	X(INT, email_link_lifetime, 900, 60, 86400,                            \
	  "seconds for which a mailed link works")                             \
	X(STR, email_from, "", 0, 254, "address that our mails come from")     \
	X(STR, email_user, "", 0, 256,                                         \
	  "our login at smtp_server (empty: email_from)")                      \
	X(PATH, email_passwd_file, "", 0, 0,                                   \
	  "file with its password, not readable by others (empty: mails are "  \
	  "sent without a login)")                                             \
	X(ENUM, email_method, "auto", 0, 0,                                    \
	  "auto|SSL|port|simple: how mails go to smtp_server; auto: as "       \
	  "smtp_use_ssl says; SSL: TLS from the first byte; port: in the "     \
	  "clear, but by STARTTLS with a login; simple: in the clear without " \
	  "login, also to this host's own server at port 25")                  \
	X(STR, ldap_server, "", 0, 255,                                        \
	  "LDAP server, as its certificate names it")                          \
	X(INT, ldap_port, 0, 0, 65535,                                         \
	  "its TCP port (0: 636 with tls, else 389)")                          \
	X(ENUM, ldap_tls, "starttls", 0, 0,                                    \
	  "starttls|tls|none: none sends passwords in the clear")              \
	X(STR, ldap_domain, "", 0, 255,                                        \
	  "where the users are: lab.example is the base "                      \
	  "dc=lab,dc=example")                                                 \
	X(STR, ldap_base, "", 0, 1024,                                         \
	  "the same as a DN (empty: by ldap_domain)")                          \
	X(STR, ldap_attribute, "uid", 1, 64,                                   \
	  "attribute that holds the login")                                    \
	X(STR, ldap_filter, "", 0, 1024,                                       \
	  "filter that finds the user, who is %u in it (empty: by "            \
	  "ldap_attribute)")                                                   \
	X(STR, ldap_bind_dn, "", 0, 1024,                                      \
	  "who searches (empty: anonymous)")                                   \
	X(PATH, ldap_bind_password_file, "", 0, 0,                             \
	  "file with the password of ldap_bind_dn, not readable by "           \
	  "others")                                                            \
	X(ENUM, ldap_groups, "none", 0, 0,                                     \
	  "none|memberof|search: how the groups of a user are found")          \
	X(STR, ldap_group_base, "", 0, 1024,                                   \
	  "groups are the entries below this DN")                              \
	X(STR, ldap_group_filter, "", 0, 1024,                                 \
	  "filter that finds the groups of the user, whose DN is %d "          \
	  "in it (empty: member, uniqueMember or memberUid)")                  \
	X(PATH, login_ca_file, "", 0, 0,                                       \
	  "PEM certificates of authorities for all these servers "             \
	  "(empty: the system's)")                                             \
	X(PATH, saslauthd_socket, "/run/saslauthd/mux", 0, 0,                  \
	  "socket of saslauthd, for check_user_with_local")                    \
	X(INT, login_timeout, 5, 1, 9,                                         \
	  "seconds that one server may take to check a login")                 \
	X(INT, login_failures_user, 5, 1, 500,                                 \
	  "failed logins of one user within login_failures_window")            \
	X(INT, login_failures_address, 30, 1, 500,                             \
	  "failed logins from one address within "                             \
	  "login_failures_window")                                             \
	X(INT, login_failures_window, 900, 10, 86400,                          \
	  "seconds for which a failed login counts")                           \
	X(INT, login_lifetime, 43200, 60, 604800,                              \
	  "seconds after which a user has to log in again")                    \
	X(INT, login_idle, 1800, 60, 604800,                                   \
	  "the same if nothing was asked for in the meantime")                 \
	X(PATH, service_secret, "", 0, 0,                                      \
	  "file with the secret of this service, made by qwdctl "              \
	  "secret (empty: secret below dir_service)")                          \
	X(INT, layout_level, 1, 0, 2,                                          \
	  "0: minimal pages, 1: normal, 2: with technical details")            \
	X(STR, layout_title, "Remote Desktop Service", 1, 100,                 \
	  "title of the pages")                                                \
	X(STR, layout_logo, "", 0, 255,                                        \
	  "URL path of the facility's logo on this server (empty: our own)")   \
	X(COLOUR, layout_color_accent, "#0b5cad", 0, 0,                        \
	  "colour of buttons and links")                                       \
	X(COLOUR, layout_color_accent_text, "#ffffff", 0, 0,                   \
	  "colour of text on buttons")                                         \
	X(COLOUR, layout_color_header, "#12263f", 0, 0,                        \
	  "colour of the page's header")                                       \
	X(COLOUR, layout_color_header_text, "#ffffff", 0, 0,                   \
	  "colour of text in the page's header")                               \
	X(BOOL, form_oneshot, false, 0, 0,                                     \
	  "the form offers desktops that end when their viewer leaves")        \
	X(BOOL, oneshot, false, 0, 0,                                          \
	  "a session started by hand ends when its viewer leaves")             \
	X(STR, service_proxy, "", 0, 255,                                      \
	  "proxy for downloads and scripts, as "                               \
	  "http://proxy.lab.example:3128/")            \
	X(LIST, config_script, 0, 0, 8000,                                     \
	  "scripts that guests run as root when they boot: exec: or bash: "    \
	  "and commands, a URL, a path on the server, or virt-customize: and " \
	  "its commands; if(EXPR): in front; any number of lines")             \
	X(BOOL, config_script_required, true, 0, 0,                            \
	  "a session whose boot scripts cannot be had fails; no: it starts "   \
	  "with a warning")                                                    \
	X(BOOL, form_config_script, false, 0, 0,                               \
	  "visitors may give a boot script of their own in the form")          \
	X(BOOL, script_password, false, 0, 0,                                  \
	  "boot scripts may use @PW@, the password typed with the request")    \
	X(BOOL, script_http, false, 0, 0,                                      \
	  "boot scripts may be fetched by http, which anybody on the way can " \
	  "change; without it only those with a #sha256=")                     \
	X(INT, config_script_timeout, 300, 10, 3600,                           \
	  "seconds in which the boot scripts of a session must be in place")   \
	X(INT, service_max_script_length, 65535, 1, 65535,                     \
	  "bytes of a boot script")                                            \
	X(STR, script_hosts, "", 0, 4096,                                      \
	  "hosts from which boot scripts may be fetched although their "       \
	  "addresses are not public, separated by commas")                     \
	X(PATH, script_ca_file, "", 0, 0,                                      \
	  "PEM certificates of authorities for fetching boot scripts (empty: " \
	  "the system's)")                                                     \
	X(STR, fallback_servers, "", 0, 4096,                                  \
	  "servers that requests go to when this host is full, separated by "  \
	  "commas: names, addresses or URLs, as browsers reach them")          \
	X(ENUM, farm_policy, "spill", 0, 0,                                    \
	  "spill|balance: a session starts here while there is room, or on "   \
	  "the server that has the least to do")                               \
	X(BOOL, farm_perl, false, 0, 0,                                        \
	  "fallback_servers may have servers of the Perl program (.pl), which "\
	  "get the form with the user's password")                             \
	X(PATH, farm_secret, "", 0, 0,                                         \
	  "file with the secret that all servers of the farm have, made by "   \
	  "qwdctl secret --farm (empty: farm-secret below dir_service)")       \
	X(PATH, farm_ca_file, "", 0, 0,                                        \
	  "PEM certificates of authorities for the other servers (empty: the " \
	  "system's)")                                                         \
	X(BOOL, farm_http, false, 0, 0,                                        \
	  "other servers may be reached by http, which anybody on the way can "\
	  "read and change")                                                   \
	X(MILLI, farm_wait, 1000, 100, 10000,                                  \
	  "seconds to reach another server, and in which it tells its state")  \
	X(INT, farm_timeout, 10, 1, 30,                                        \
	  "seconds that another server may take to start or stop a session")   \
	X(INT, farm_skip, 30, 1, 3600,                                         \
	  "seconds for which a server that did not answer is not asked again") \
	X(NOTE, boot_delay, 0, 0, 0,                                           \
	  "the answer comes at once and readiness is observed, not awaited")   \
	X(NOTE, email_passwd, 0, 0, 0,                                         \
	  "the password is wanted in a file: see email_passwd_file")           \
	X(NOTE, service_port_vnc, 0, 0, 0,                                     \
	  "VNC listens on a private unix socket, never on a TCP port")

/* Other accepted names: X(alias, name). */
#define CONFIG_ALIASES(X)                                                      \
	X(service_max_session_nb, service_max_instance_nb)

#define CONFIG_MEMBER_STR(name) char *name;
#define CONFIG_MEMBER_PATH(name) char *name;
#define CONFIG_MEMBER_INT(name) long long name;
#define CONFIG_MEMBER_MILLI(name) long long name;
#define CONFIG_MEMBER_BOOL(name) bool name;
#define CONFIG_MEMBER_ENUM(name) char *name;
#define CONFIG_MEMBER_COLOUR(name) char *name;
#define CONFIG_MEMBER_LIST(name) struct text_list name;
#define CONFIG_MEMBER_NOTE(name)
#define CONFIG_MEMBER(kind, name, def, min, max, help) CONFIG_MEMBER_##kind(name)
#define CONFIG_NUMBER(kind, name, def, min, max, help) CONFIG_##name,

/* CONFIG_service, CONFIG_service_url, ...: indices for config.is_set. */
enum config_option { CONFIG_OPTIONS(CONFIG_NUMBER) CONFIG_OPTION_COUNT };

/* Its members stand in the table's order, whatever room that costs. */
struct config { /* NOLINT(clang-analyzer-optin.performance.Padding) */
	CONFIG_OPTIONS(CONFIG_MEMBER)
	char *file; /* the main file read, "" if it does not exist */
	bool is_set[CONFIG_OPTION_COUNT]; /* said by a file or by hand */
	unsigned source;                  /* the one being read */
	unsigned list_source[CONFIG_OPTION_COUNT]; /* where lists are from */
};

#define AUTO_CONFIG __attribute__((cleanup(config_release)))

/*
 * Fill *ret_config with the defaults.  Empty dir_machines, dir_snapshots,
 * dir_history and machines_conf are filled by config_finish(), not here.
 */
MUST_CHECK int config_init(struct config *ret_config, struct err *e);

/*
 * Read `file` and its config.d over *c.  A missing main file is fine only if
 * `must_exist` is false.  Values are checked one by one as they are set.
 */
MUST_CHECK int config_read(struct config *c, const char *file, bool must_exist,
			   struct err *e);

/*
 * Set one option from text (as `--name=value` does).  '-' and '_' are the
 * same in `name`.  A LIST gets one text more, or is replaced by it if it is
 * from the files.  ERR_CONFIG if unknown or refused; the message names it.
 * On failure *c is as before.
 */
MUST_CHECK int config_set(struct config *c, const char *name,
			  const char *value, struct err *e);

/* True if an option of text may have this value. */
bool config_allows(enum config_option option, const char *value);

/*
 * Derive the empty directories, ldap_base and the files of the secrets, and
 * check what depends on two options: images and overlays apart, nothing of the
 * service below dir_html, a server for each way to log in, and other servers
 * only as they may be reached.
 */
MUST_CHECK int config_finish(struct config *c, struct err *e);

/* One line per old option that is set but has no effect, "NAME has no effect:
 * WHY", to `out`. */
void config_notes(const struct config *c, FILE *out);

/*
 * All options with their values (or, with `defaults`, the defaults) as a
 * file that config_read() accepts, each with its help as a comment; of a NOTE
 * only the comment "# NAME has no effect: WHY".
 */
void config_print(const struct config *c, bool defaults, FILE *out);

/* The same as {NAME: text, or [text, ...] of one that may be repeated}, without
 * notes.  NULL if no memory. */
json_t *config_value(const struct config *c, bool defaults);

/* `  --name=VALUE   help` lines, for --help. */
void config_help(FILE *out);

void config_release(struct config *c);

#endif
