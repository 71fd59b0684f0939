# The rules that tools check; `make check-lint` runs each lint-* target.
# Results are kept in build/lint, so that only what changed is looked at again.

LINT := $(BUILD)/lint
LINT_SRC := $(FLOOR_SRC) $(CTL_SRC) $(NET_SRC) $(SCRIPT_SRC) $(VISITOR_SRC) $(CGI_SRC)
TEST_SRC := $(UNIT_SRC) $(UNIT_HELP_SRC) $(FUZZ_SRC) $(FUZZ_HELP_SRC) \
	$(wildcard tests/lint/*.c)
HEADERS := $(wildcard src/*/*.h tests/unit/*.h)

LINTS := warnings banned floors headers cppcheck tidy shell templates documented
.PHONY: lint $(LINTS:%=lint-%)
lint: $(LINTS:%=lint-%)

# Compiling is the lint: -Werror.
lint-warnings: programs unit-programs

# At -O0 and without _FORTIFY_SOURCE every call is still there by its name.
lint-banned: $(LINT_SRC:%.c=$(LINT)/O0/%.o)
	@tests/lint/banned $(LINT)/O0 $(LINT_SRC)

$(LINT)/O0/%.o: %.c
	@mkdir -p $(@D)
	@$(CC) $(LANGUAGE) -O0 -fno-builtin -MMD -MP -c -o $@ $<
-include $(shell find $(LINT)/O0 -name '*.d' 2>/dev/null)

lint-floors:
	@tests/lint/floors

lint-headers: $(HEADERS:%=$(LINT)/headers/%.ok)
$(LINT)/headers/%.ok: % $(BUILD)/flags $(HEADERS)
	@mkdir -p $(@D)
	@echo '  ALONE $<'
	@$(CC) $(LANGUAGE) $(WARNINGS) $(WERROR) -fsyntax-only -x c $<
	@touch $@

lint-cppcheck:
	@mkdir -p $(LINT)/cppcheck
	@cppcheck --quiet --std=c11 --language=c -D_GNU_SOURCE -D__GNUC__=12 \
		-DQWD_VERSION='""' -Isrc --include=tests/lint/cppcheck.h \
		--error-exitcode=1 --inline-suppr \
		--enable=warning,performance,portability \
		--suppressions-list=tests/lint/cppcheck.txt \
		--cppcheck-build-dir=$(LINT)/cppcheck -j 2 \
		$(LINT_SRC) $(TEST_SRC)

lint-tidy: $(LINT_SRC:%.c=$(LINT)/tidy/%.ok)
$(LINT)/tidy/%.ok: %.c .clang-tidy $(OBJ)/%.o
	@mkdir -p $(@D)
	@echo '  TIDY  $<'
	@clang-tidy --quiet $< -- $(LANGUAGE) 2>$@.err \
		|| { cat $@.err >&2; exit 1; }
	@touch $@

# Every shell script of ours.  What is only sourced is judged more mildly: its
# names are used elsewhere, and `set -e` is its user's.
lint-shell:
	@tests/lint/shell-scripts | { \
		programs=() parts=(); \
		while read -r f; do \
			if [ -x "$$f" ]; then programs+=("$$f"); else parts+=("$$f"); fi; \
		done; \
		shellcheck -x -S warning -P SCRIPTDIR:. "$${programs[@]}" && \
		shellcheck -x -S warning -e SC2034,SC2154,SC2164 "$${parts[@]}"; \
	}

# The pages of src/doc and the manual against the program: events of the log,
# options, tests.
lint-documented: programs
	@tests/lint/documented $(CTL)
	@tests/lint/options-documented $(CTL) src/man/qemu-web-desktop.conf.5 etc/config.conf

lint-templates: $(if $(wildcard src/web/template.c),$(LINT)/templates)
	@$(if $(wildcard src/web/template.c),$< $(wildcard $(addprefix html/desktop/*.,html css txt)),\
		echo 'no src/web/template.c: nothing to check')
$(LINT)/templates: $(OBJ)/tests/lint/templates.o $(LIB)
	@mkdir -p $(@D)
	@$(CC) $(link_flags) -o $@ $^ $(CGI_LIBS)
