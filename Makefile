# qemu-web-desktop: build, install, demo and tests.  `make help` tells more.
#
# One static archive holds every floor of src/; a program gets from it only
# the objects that it needs, and --as-needed drops the libraries that it does
# not, so the CGI links jansson, qrencode and libmd and nothing else.
#
# Everything made goes to build/, but for the two programs, which are put
# where the tree keeps them: cgi-bin/qemu-web-desktop and bin/qwdctl.

VERSION := 1.0.0

SHELL := /bin/bash
MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := all

BUILD := build
CGI := cgi-bin/qemu-web-desktop
CTL := bin/qwdctl
NET := bin/qwd-net
SCRIPT := bin/qwd-script
VISITOR := bin/qwd-visitor

# ---- Compiler ---------------------------------------------------------------

ifeq ($(origin CC),default)
CC := gcc
endif
ifeq ($(origin AR),default)
AR := gcc-ar
endif
CLANG := clang

WERROR := -Werror
WARNINGS := -Wall -Wextra -Wconversion -Wsign-conversion -Wshadow -Wformat=2 \
	-Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
	-Wwrite-strings -Wcast-align -Wpointer-arith -Wundef \
	-Wvla -Wswitch-enum -Wnull-dereference -Wdouble-promotion \
	-Wimplicit-fallthrough -Wdate-time
GCC_WARNINGS := -Wlogical-op -Wduplicated-cond -Wduplicated-branches \
	-Wjump-misses-init -Walloca
HARDENING := -fstack-protector-strong -fstack-clash-protection \
	-fcf-protection -fPIE -D_FORTIFY_SOURCE=3
LINK_HARDENING := -pie -Wl,-z,relro,-z,now,-z,noexecstack

LANGUAGE := -std=c17 -D_GNU_SOURCE -DQWD_VERSION='"$(VERSION)"' -iquote src
CFLAGS := -O2 -g
LDFLAGS :=
# The instrumented builds set these in place of the hardening.
SANITIZE :=

compile_flags = $(LANGUAGE) $(WARNINGS) $(GCC_WARNINGS) $(WERROR) \
	$(if $(SANITIZE),$(SANITIZE),$(HARDENING)) $(CPPFLAGS) $(CFLAGS)
link_flags = $(if $(SANITIZE),$(SANITIZE),$(LINK_HARDENING)) \
	-Wl,--as-needed $(LDFLAGS)

# Small ones statically: each shared library costs every session some 20 kB,
# and every request a tenth of a millisecond.
CGI_LIBS := -Wl,-Bstatic -lmd -ljansson -Wl,-Bdynamic -lqrencode
CTL_LIBS := -ljansson -lmd -lcurl -lcrypto -larchive -lpcre2-8
NET_LIBS := -ljansson -lmd -lcurl -lldap -llber -lcrypto
SCRIPT_LIBS := -Wl,-Bstatic -lmd -ljansson -Wl,-Bdynamic -lpcre2-8

# ---- Sources ----------------------------------------------------------------

# The floors that the CGI and qwdctl share, from the ground up; one that does
# not exist yet is empty.
FLOORS := base sys conf session auth vm run farm web
FLOOR_SRC := $(wildcard $(FLOORS:%=src/%/*.c))
CTL_SRC := $(wildcard src/ctl/*.c)
NET_SRC := $(wildcard src/net/*.c)
SCRIPT_SRC := $(wildcard src/script/*.c)
VISITOR_SRC := $(wildcard src/visitor/*.c)
CGI_SRC := $(wildcard cgi-bin/*.c)
UNIT_SRC := $(wildcard tests/unit/test_*.c)
# Whatever else lies in tests/unit helps unit tests, each of which is linked with
# what it uses of it; so in tests/fuzz, with all of it.
UNIT_HELP_SRC := $(filter-out $(UNIT_SRC),$(wildcard tests/unit/*.c))
FUZZ_SRC := $(wildcard tests/fuzz/fuzz_*.c)
FUZZ_HELP_SRC := $(filter-out $(FUZZ_SRC),$(wildcard tests/fuzz/*.c))

OBJ := $(BUILD)/obj
FLOOR_OBJ := $(FLOOR_SRC:%.c=$(OBJ)/%.o)
CTL_OBJ := $(CTL_SRC:%.c=$(OBJ)/%.o)
NET_OBJ := $(NET_SRC:%.c=$(OBJ)/%.o)
SCRIPT_OBJ := $(SCRIPT_SRC:%.c=$(OBJ)/%.o)
VISITOR_OBJ := $(VISITOR_SRC:%.c=$(OBJ)/%.o)
CGI_OBJ := $(CGI_SRC:%.c=$(OBJ)/%.o)
UNIT_HELP_OBJ := $(UNIT_HELP_SRC:%.c=$(OBJ)/%.o)
FUZZ_HELP_OBJ := $(FUZZ_HELP_SRC:%.c=$(OBJ)/%.o)
LIB := $(BUILD)/libqwd.a
CTL_LIB := $(BUILD)/libctl.a
NET_LIB := $(BUILD)/libnet.a
UNIT_LIB := $(BUILD)/libunit.a
UNIT := $(UNIT_SRC:tests/unit/%.c=$(BUILD)/unit/%)
FUZZ := $(FUZZ_SRC:tests/fuzz/%.c=$(BUILD)/fuzz/%)

# ---- Programs ---------------------------------------------------------------

.PHONY: all programs unit-programs fuzz-programs
all: programs
programs: $(CGI) $(CTL) $(NET) $(SCRIPT) $(VISITOR)
unit-programs: $(UNIT)
fuzz-programs: $(FUZZ)

# Objects are made anew when the way to compile them changes.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@echo '$(subst ','\'',$(CC) $(compile_flags))' | cmp -s - $@ || \
		echo '$(subst ','\'',$(CC) $(compile_flags))' >$@
.PHONY: FORCE
FORCE:

$(OBJ)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	@echo '  CC    $<'
	@$(CC) $(compile_flags) -MMD -MP -c -o $@ $<

$(LIB): $(FLOOR_OBJ)
$(CTL_LIB): $(CTL_OBJ)
$(NET_LIB): $(NET_OBJ)
$(UNIT_LIB): $(UNIT_HELP_OBJ)
$(LIB) $(CTL_LIB) $(NET_LIB) $(UNIT_LIB):
	@echo '  AR    $@'
	@mkdir -p $(@D)
	@rm -f $@
	@$(AR) rcs $@ $^

$(CGI): $(CGI_OBJ) $(LIB)
	@echo '  LINK  $@'
	@mkdir -p $(@D)
	@$(CC) $(link_flags) -o $@ $^ $(CGI_LIBS)

$(CTL): $(CTL_OBJ) $(LIB)
	@echo '  LINK  $@'
	@mkdir -p $(@D)
	@$(CC) $(link_flags) -o $@ $^ $(CTL_LIBS)

$(NET): $(NET_OBJ) $(LIB)
	@echo '  LINK  $@'
	@mkdir -p $(@D)
	@$(CC) $(link_flags) -o $@ $^ $(NET_LIBS)

$(SCRIPT): $(SCRIPT_OBJ) $(LIB)
	@echo '  LINK  $@'
	@mkdir -p $(@D)
	@$(CC) $(link_flags) -o $@ $^ $(SCRIPT_LIBS)

$(VISITOR): $(VISITOR_OBJ) $(LIB)
	@echo '  LINK  $@'
	@mkdir -p $(@D)
	@$(CC) $(link_flags) -o $@ $^ $(CGI_LIBS)

# The programs with a wall clock that a test can set (tests/e2e/clock.c).
.PHONY: clock-programs
clock-programs: $(BUILD)/clock/qemu-web-desktop $(BUILD)/clock/qwdctl
$(BUILD)/clock/qemu-web-desktop: $(CGI_OBJ) $(OBJ)/tests/e2e/clock.o $(LIB)
	@echo '  LINK  $@'
	@mkdir -p $(@D)
	@$(CC) $(link_flags) -o $@ $^ $(CGI_LIBS)
$(BUILD)/clock/qwdctl: $(CTL_OBJ) $(OBJ)/tests/e2e/clock.o $(LIB)
	@echo '  LINK  $@'
	@mkdir -p $(@D)
	@$(CC) $(link_flags) -o $@ $^ $(CTL_LIBS)

# And with one that takes its time where a test may look (tests/e2e/lazy.c).
.PHONY: lazy-programs
lazy-programs: $(BUILD)/lazy/qemu-web-desktop
$(BUILD)/lazy/qemu-web-desktop: $(CGI_OBJ) $(OBJ)/tests/e2e/lazy.o $(LIB)
	@echo '  LINK  $@'
	@mkdir -p $(@D)
	@$(CC) $(link_flags) -o $@ $^ $(CGI_LIBS)

# A unit test has its own main(); those of qwdctl and qwd-net stay in their
# archives.
$(BUILD)/unit/%: $(OBJ)/tests/unit/%.o $(UNIT_LIB) $(CTL_LIB) $(NET_LIB) $(LIB)
	@echo '  LINK  $@'
	@mkdir -p $(@D)
	@$(CC) $(link_flags) -o $@ $^ -lcmocka $(CGI_LIBS) $(NET_LIBS) $(SCRIPT_LIBS)

$(BUILD)/fuzz/%: $(OBJ)/tests/fuzz/%.o $(FUZZ_HELP_OBJ) $(CTL_LIB) $(NET_LIB) $(LIB)
	@echo '  LINK  $@'
	@mkdir -p $(@D)
	@$(CC) $(link_flags) -fsanitize=fuzzer -o $@ $^ $(CGI_LIBS) $(NET_LIBS) $(SCRIPT_LIBS)

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)

# ---- Instrumented builds, each in a directory of its own ---------------------

SAN_FLAGS := -fsanitize=address,undefined -fno-sanitize-recover=all \
	-fno-omit-frame-pointer
IN_ASAN := BUILD=build/asan CGI=build/asan/qemu-web-desktop \
	CTL=build/asan/qwdctl NET=build/asan/qwd-net \
	SCRIPT=build/asan/qwd-script VISITOR=build/asan/qwd-visitor \
	CFLAGS='-O1 -g'
IN_FUZZ := BUILD=build/libfuzzer CC='$(CLANG)' AR=ar GCC_WARNINGS= \
	CFLAGS='-O1 -g'

.PHONY: asan-programs libfuzzer-programs
asan-programs:
	@$(MAKE) --no-print-directory $(IN_ASAN) SANITIZE='$(SAN_FLAGS)' \
		programs unit-programs
libfuzzer-programs:
	@$(MAKE) --no-print-directory $(IN_FUZZ) \
		SANITIZE='-fsanitize=fuzzer-no-link $(SAN_FLAGS)' fuzz-programs

# ---- Demo -------------------------------------------------------------------

PORT ?= 8080

# It ends with make, also when make is killed.
.PHONY: demo guest guest-uefi guest-cloud
demo:
	@exec setpriv --pdeathsig TERM tests/site/demo '$(PORT)' $(DEMO)

# The guest of the tests, and the demo's first; the desktop is the demo's
# affair, in the background.
GUESTS := tests/site/guests
guest: build/guests/tiny.iso
build/guests/tiny.iso: $(wildcard $(GUESTS)/tiny.sh $(GUESTS)/lib.sh \
		$(GUESTS)/kernel.*) $(shell find $(GUESTS)/tiny -type f)
	@$(GUESTS)/tiny.sh $@

# It starts by UEFI, also with secure boot; for the end-to-end tests.
guest-uefi: build/guests/uefi.raw
build/guests/uefi.raw: $(wildcard $(GUESTS)/uefi.sh $(GUESTS)/lib.sh) \
		$(shell find $(GUESTS)/tiny -type f)
	@$(GUESTS)/uefi.sh $@

# Debian with cloud-init, for the slow end-to-end tests; as root.
guest-cloud: build/guests/cloud.qcow2
build/guests/cloud.qcow2: $(wildcard $(addprefix $(GUESTS)/,cloud.sh lib.sh \
		kernel.* cloud/packages desktop/initrd/init))
	@$(GUESTS)/cloud.sh $@

# ---- Tests ------------------------------------------------------------------

PACKAGES := $(addprefix packages-,build run guests check package)
.PHONY: packages $(PACKAGES)
$(PACKAGES): packages-%:
	@tests/packages/install $*
packages:
	@tests/packages/install build run guests check

CHECKS := unit lint asan valgrind fuzz faults e2e

.PHONY: check $(CHECKS:%=check-%) check-long bench
check: packages
	@tests/run $(CHECKS)
$(CHECKS:%=check-%): check-%: packages
	@tests/run $*
check-long:
	@tests/packages/install build run guests check long
	@LONG=1 tests/run $(CHECKS)
bench: packages
	@tests/run bench

# What needs nothing but what building needs, and libcmocka; for systems
# without apt.
.PHONY: test
test:
	@tests/run unit

# A whole Debian machine, with systemd, in QEMU: minutes.
SYSTEM := build/system
.PHONY: check-system
check-system: packages
	@tests/run system
.PHONY: check-nfs
check-nfs: packages
	@tests/run nfs
$(SYSTEM)/debian.raw: tests/system/image.sh tests/system/packages
	@tests/system/image.sh $@
# Apache's own packages, to be installed anew inside.
$(SYSTEM)/apache: tests/system/packages
	@rm -rf $@ && mkdir -p $@
	@cd $@ && apt-get -qq -o APT::Sandbox::User= download \
		apache2 apache2-bin apache2-data apache2-utils

include tests/lint/lint.mk

# ---- Installation -----------------------------------------------------------

# The paths are those that the program, the snippet for Apache and the Debian
# package have built in; DESTDIR stages them.  With another prefix the
# configuration is told so (config.d/prefix.conf).
prefix := /usr
sysconfdir := /etc
bindir := $(prefix)/bin
cgidir := $(prefix)/lib/cgi-bin
libexecdir := $(prefix)/libexec/qemu-web-desktop
datadir := $(prefix)/share/qemu-web-desktop
confdir := $(sysconfdir)/qemu-web-desktop
mandir := $(prefix)/share/man
docdir := $(prefix)/share/doc/qemu-web-desktop
bashdir := $(prefix)/share/bash-completion/completions
zshdir := $(prefix)/share/zsh/vendor-completions
unitdir := $(prefix)/lib/systemd/system
sysusersdir := $(prefix)/lib/sysusers.d
tmpfilesdir := $(prefix)/lib/tmpfiles.d

HTML := $(shell find html -type f -printf '%P\n' 2>/dev/null)
MAN := $(wildcard src/man/*.[1-8])
DOC := $(wildcard src/doc/*.md src/doc/*/*.md etc/examples/* etc/fail2ban/*/* \
	etc/firewall/* etc/apparmor/*)
UNITS := $(wildcard etc/systemd/q*.*)

.PHONY: install uninstall
install: all
	install -d -m 755 '$(DESTDIR)$(cgidir)' '$(DESTDIR)$(bindir)' \
		'$(DESTDIR)$(confdir)' '$(DESTDIR)$(confdir)/config.d' \
		'$(DESTDIR)$(unitdir)'
	install -m 755 $(CGI) '$(DESTDIR)$(cgidir)/qemu-web-desktop'
	ln -sfn qemu-web-desktop '$(DESTDIR)$(cgidir)/qemu-web-desktop.pl'
	ln -sfnr '$(DESTDIR)$(cgidir)/qemu-web-desktop' \
		'$(DESTDIR)$(bindir)/qemu-web-desktop'
	ln -sfn qemu-web-desktop '$(DESTDIR)$(bindir)/qemu-web-desktop.pl'
	install -m 755 $(CTL) '$(DESTDIR)$(bindir)/qwdctl'
	install -D -m 755 $(NET) '$(DESTDIR)$(libexecdir)/qwd-net'
	install -D -m 755 $(SCRIPT) '$(DESTDIR)$(libexecdir)/qwd-script'
	install -D -m 755 $(VISITOR) '$(DESTDIR)$(libexecdir)/qwd-visitor'
	install -m 644 src/vm/qwd_display.py '$(DESTDIR)$(libexecdir)/qwd_display.py'
	for f in $(HTML); do \
		install -D -m 644 "html/$$f" "$(DESTDIR)$(datadir)/html/$$f" \
			|| exit 1; \
	done
	sed -e 's|\(Define QWD_CGI\) .*|\1 $(cgidir)/qemu-web-desktop|' \
		-e 's|\(Define QWD_HTML\) .*|\1 $(datadir)/html|' \
		-e 's|\(Define QWD_CONFIG\) .*|\1 $(confdir)/config.conf|' \
		etc/apache.conf >'$(DESTDIR)$(confdir)/apache.conf'
	chmod 644 '$(DESTDIR)$(confdir)/apache.conf'
	for f in $(DOC); do \
		to=$${f#*/}; \
		install -D -m 644 "$$f" "$(DESTDIR)$(docdir)/$${to#doc/}" || exit 1; \
	done
	for f in $(wildcard machines.conf etc/config.conf); do \
		to="$(DESTDIR)$(confdir)/$${f##*/}"; \
		test -e "$$to" || install -m 644 "$$f" "$$to" || exit 1; \
	done
	test '$(prefix)' = /usr || printf '%s\n' \
		'# Written by make install: where things are with its prefix.' \
		'dir_html = $(datadir)/html' 'dir_libexec = $(libexecdir)' \
		>'$(DESTDIR)$(confdir)/config.d/prefix.conf'
	for f in $(MAN); do \
		install -D -m 644 "$$f" \
			"$(DESTDIR)$(mandir)/man$${f##*.}/$${f##*/}" || exit 1; \
	done
	for f in $(UNITS); do \
		to="$(DESTDIR)$(unitdir)/$${f##*/}"; \
		sed 's|=/usr/bin/|=$(bindir)/|' "$$f" >"$$to" && \
			chmod 644 "$$to" || exit 1; \
	done
	install -D -m 644 etc/systemd/sysusers.conf \
		'$(DESTDIR)$(sysusersdir)/qemu-web-desktop.conf'
	install -D -m 644 etc/systemd/tmpfiles.conf \
		'$(DESTDIR)$(tmpfilesdir)/qemu-web-desktop.conf'
	install -D -m 644 etc/completion/qwdctl.bash '$(DESTDIR)$(bashdir)/qwdctl'
	install -D -m 644 etc/completion/_qwdctl '$(DESTDIR)$(zshdir)/_qwdctl'

# The site's own files in /etc and /var stay.
uninstall:
	rm -f '$(DESTDIR)$(bashdir)/qwdctl' '$(DESTDIR)$(zshdir)/_qwdctl'
	rm -f '$(DESTDIR)$(cgidir)/qemu-web-desktop' \
		'$(DESTDIR)$(cgidir)/qemu-web-desktop.pl' \
		'$(DESTDIR)$(bindir)/qemu-web-desktop' \
		'$(DESTDIR)$(bindir)/qemu-web-desktop.pl' \
		'$(DESTDIR)$(bindir)/qwdctl' \
		'$(DESTDIR)$(confdir)/apache.conf' \
		'$(DESTDIR)$(confdir)/config.d/prefix.conf' \
		'$(DESTDIR)$(sysusersdir)/qemu-web-desktop.conf' \
		'$(DESTDIR)$(tmpfilesdir)/qemu-web-desktop.conf'
	for f in $(UNITS); do \
		rm -f "$(DESTDIR)$(unitdir)/$${f##*/}"; \
	done
	rm -rf '$(DESTDIR)$(datadir)/html' '$(DESTDIR)$(docdir)'
	rm -f '$(DESTDIR)$(libexecdir)/qwd-net' \
		'$(DESTDIR)$(libexecdir)/qwd-script' \
		'$(DESTDIR)$(libexecdir)/qwd-visitor' \
		'$(DESTDIR)$(libexecdir)/qwd_display.py'
	-rmdir '$(DESTDIR)$(datadir)' '$(DESTDIR)$(libexecdir)'
	for f in $(MAN); do \
		rm -f "$(DESTDIR)$(mandir)/man$${f##*.}/$${f##*/}"; \
	done

# ---- The Debian package -----------------------------------------------------

# Built in a copy of what belongs to the tree, so that nothing of it is touched.
DEB := $(BUILD)/deb

.PHONY: deb
deb: packages-build packages-package
	@tests/packages/deb '$(DEB)'

# ---- Cleaning ---------------------------------------------------------------

.PHONY: clean distclean help
# The guests took minutes to make: they stay until distclean.
clean:
	rm -f $(CGI) $(CTL) $(NET) $(SCRIPT) $(VISITOR)
	test ! -d build || find build -mindepth 1 -maxdepth 1 \
		! -name guests ! -name demo -exec rm -rf {} +
distclean: clean
	rm -rf build bin

define HELP
make              build cgi-bin/qemu-web-desktop and bin/qwdctl
make demo         a whole private site on this machine, until Ctrl-C
                  (PORT=8080; installs Debian packages)
make check        all tests: unit, lint, asan, valgrind, fuzz, e2e
make check-unit   unit tests
make check-lint   compiler, cppcheck, clang-tidy, shellcheck and our own rules
make check-asan   unit tests under AddressSanitizer and UBSan
make check-valgrind  unit tests under valgrind
make check-fuzz   every fuzzer for 15 seconds
make check-faults kill and fail at a sample of all system calls
make check-e2e    end-to-end tests with the real servers and a browser
make check-long   all of them, with the slow cases and longer fuzzing;
                  installs libguestfs, makes a Debian with cloud-init
make bench        speed and size, as ratios
make packages     only install the Debian packages for all of the above
make check-system  the package on a Debian machine of its own, in QEMU
make check-nfs    jobs of Slurm over NFS, on such a machine
make test         unit tests, without installing anything
make deb          the Debian package, in build/deb
make install      DESTDIR=... prefix=/usr
make uninstall
make clean        what was built, not the guests;  make distclean: all
endef
export HELP
help:
	@echo "$$HELP"
