# make            the four programs: tandemd, tandem-worker, tandem-train, tandem (in build/plain/bin)
# make demo       install what is missing, build, train one job per strategy through the service, compare
# make check      install what is missing, build, run every test; make check K=alpha: tests whose name holds "alpha"
# make SAN=1 ...  the same under AddressSanitizer and UBSan, in a build folder of its own
# make torture    kill -9 child, agent and daemon ten times each, print the table
# make bench      measure (never part of check)     make install PREFIX=/usr/local     make clean
# Knobs: CC, WERROR=1 (warnings stop the build), J (tests side by side), V=1 (show each command), KEEP=1 and DATA=folder (demo)
CC      ?= cc
SAN     ?=
WERROR  ?=
PREFIX  ?= /usr/local
DESTDIR ?=
J       ?= $(shell nproc)
CCNAME  := $(notdir $(lastword $(CC)))
comma   := ,
BUILD   := build/$(if $(SAN),san,plain)$(if $(filter clang%,$(CCNAME)),-clang)
BIN     := $(BUILD)/bin
VERSION := 0.1.0
Q       := $(if $(V),,@)

# ---- what the house is built with -------------------------------------------------------------------
DEBS := gcc make pkg-config binutils curl jq ca-certificates libmicrohttpd-dev libjansson-dev libsqlite3-dev \
        libcurl4-gnutls-dev nettle-dev libdnnl-dev libpng-dev libjpeg-dev libarchive-dev zlib1g-dev

# Each flag of this list is tried on the compiler once: what it does not know is left out.
PROBED := -Wduplicated-cond -Wduplicated-branches -Wlogical-op -Walloca -Wcast-align=strict -Wstringop-overflow=4 \
          -Warith-conversion -ftrivial-auto-var-init=zero -fstack-clash-protection -fcf-protection=full \
          -fno-strict-overflow -fno-delete-null-pointer-checks
probe   = $(shell echo 'int x;' | $(CC) -Werror $(1) -c -x c -o /dev/null - 2>/dev/null && echo '$(1)')
KNOWN  := $(foreach f,$(PROBED),$(call probe,$(f)))
WARN    = -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wformat=2 -Wvla -Wnull-dereference -Wundef \
          -Wstrict-prototypes -Wmissing-prototypes -Wcast-qual -Wimplicit-fallthrough $(if $(WERROR),-Werror)
HARDEN  = -fstack-protector-strong -fPIE $(if $(SAN),,-D_FORTIFY_SOURCE=3)
SANFLAGS = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
BASE    = -std=c17 -D_GNU_SOURCE -DTANDEM_VERSION='"$(VERSION)"' -I. -I$(BUILD)/gen -MMD -MP -g -pthread \
          $(WARN) $(HARDEN) $(KNOWN) $(if $(SAN),$(SANFLAGS)) $(CFLAGS_EXTRA)
# The training core: fast, but every NaN and every rounding as written (never -ffast-math).
CORE    = -O3 -fno-math-errno -fno-trapping-math -ffp-contract=off
PLAIN   = -O2
LINK    = -pie -pthread -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code $(if $(SAN),$(SANFLAGS)) $(LDFLAGS)

HAVE_DNNL := $(shell echo '\#include <dnnl.h>' | $(CC) -E -x c - >/dev/null 2>&1 && echo 1)
ifneq ($(HAVE_DNNL),)
BASE += -DHAVE_DNNL
endif

# ---- rooms ------------------------------------------------------------------------------------------
obj      = $(patsubst %.c,$(BUILD)/%.o,$(1))
MAINS   := server/tandemd.c worker/tandem_worker.c worker/run/tandem_train.c clients/cli/tandem.c
ISA     := v2 v3 v4
src      = $(filter-out $(MAINS) worker/net/kernel_simd.c $(if $(HAVE_DNNL),,worker/net/backend_dnnl.c worker/net/dnnl_shim.c),$(sort $(foreach d,$(1),$(wildcard $(d)/*.c))))
SCHEMA  := $(call obj,$(call src,schema/base schema/job schema/api))
CORELIB := $(call obj,$(call src,worker/net worker/data worker/train)) \
           $(if $(wildcard worker/net/kernel_simd.c),$(foreach i,$(ISA),$(BUILD)/worker/net/kernel_simd_$(i).o)) $(foreach i,v3 v4,$(BUILD)/worker/train/train_kernel_$(i).o)
RUN     := $(call obj,$(call src,worker/run))
AGENT   := $(call obj,$(call src,worker))
SERVER  := $(call obj,$(call src,server))
CLI     := $(call obj,$(call src,clients/cli))
TESTC   := $(call obj,$(call src,tests tests/unit tests/agree tests/server tests/e2e tests/sim))
BENCH   := $(patsubst tests/bench/%.c,$(BIN)/%,$(wildcard tests/bench/bench_*.c))
FUZZERS := $(wildcard tests/fuzz/fuzz_*.c)
EMBED   := $(sort $(wildcard schema/sql/*.sql schema/examples/*.json) $(wildcard schema/openapi.json))

L_BASE   := -ljansson -lnettle -lm
L_CURL   := -lcurl
L_SERVER := -lmicrohttpd -lsqlite3
L_CORE   := $(if $(HAVE_DNNL),-ldnnl -lgomp) -lpng -ljpeg -larchive -lz
libs     := $(BUILD)/libschema.a
have      = $(if $(wildcard $(1)),$(2))
PROGRAMS := $(call have,server/tandemd.c,$(BIN)/tandemd) $(call have,worker/tandem_worker.c,$(BIN)/tandem-worker) \
            $(call have,worker/run/tandem_train.c,$(BIN)/tandem-train) $(call have,clients/cli/tandem.c,$(BIN)/tandem)

.PHONY: all deps demo check torture bench layers install clean programs
.DELETE_ON_ERROR:
.SECONDARY:
all: deps
	@$(MAKE) --no-print-directory programs
programs: $(PROGRAMS)

# ---- packages ---------------------------------------------------------------------------------------
deps:
	@clients/cluster/deps.sh $(DEBS)

# ---- objects ----------------------------------------------------------------------------------------
$(BUILD)/worker/net/%.o $(BUILD)/worker/data/%.o $(BUILD)/worker/train/%.o: OPT = $(CORE)
OPT = $(PLAIN)
$(BUILD)/tests/%.o: OPT = $(PLAIN) -Wno-missing-prototypes
$(BUILD)/%.o: %.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(BASE) $(OPT) -c -o $@ $<
# The same loops, compiled for three levels of x86-64; kernel_pick.c chooses at run time.
$(foreach i,$(ISA),$(BUILD)/worker/net/kernel_simd_$(i).o): $(BUILD)/worker/net/kernel_simd_%.o: worker/net/kernel_simd.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(CORE) $(BASE) -march=x86-64-$* -mprefer-vector-width=512 -DKERNEL_ISA=$* -c -o $@ $<
$(foreach i,v3 v4,$(BUILD)/worker/train/train_kernel_$(i).o): $(BUILD)/worker/train/train_kernel_%.o: worker/train/train_kernel.c Makefile
	@mkdir -p $(@D)
	$(Q)$(CC) $(CORE) $(BASE) -march=x86-64-$* -mprefer-vector-width=512 -DKERNEL_ISA=$* -c -o $@ $<
$(BUILD)/gen/%.o: $(BUILD)/gen/%.c
	$(Q)$(CC) $(PLAIN) $(BASE) -c -o $@ $<
$(BUILD)/libschema.a: $(SCHEMA)
	@rm -f $@
	$(Q)$(AR) rcs $@ $^

$(BIN)/tandemd: $(call obj,server/tandemd.c) $(SERVER) $(BUILD)/gen/embedded.o $(libs)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LINK) -o $@ $^ $(L_SERVER) $(L_BASE)
$(BIN)/tandem-worker: $(call obj,worker/tandem_worker.c) $(AGENT) $(libs)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LINK) -o $@ $^ $(L_CURL) $(L_BASE)
$(BIN)/tandem-train: $(call obj,worker/run/tandem_train.c) $(RUN) $(CORELIB) $(filter-out %/api_call.o %/api_try.o,$(SCHEMA))
	@mkdir -p $(@D)
	$(Q)$(CC) $(LINK) -o $@ $^ $(L_CORE) $(L_BASE)
$(BIN)/tandem: $(call obj,clients/cli/tandem.c) $(CLI) $(libs)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LINK) -o $@ $^ $(L_CURL) $(L_BASE)

# The SQL, the API description and the examples ride inside the programs: bytes, one array a file, then a table of names.
$(BUILD)/gen/embedded.c: $(EMBED) Makefile
	@mkdir -p $(@D)
	@{ echo '#include "schema/base/embedded.h"'; \
	   i=0; for f in $(EMBED); do \
	     echo "static const unsigned char f$$i[] = {"; od -An -v -tx1 $$f | sed 's/ \(..\)/0x\1,/g'; echo "0};"; i=$$((i+1)); done; \
	   echo 'const struct embedded_file embedded_files[] = {'; \
	   i=0; for f in $(EMBED); do echo "{\"$$f\", f$$i, sizeof f$$i - 1},"; i=$$((i+1)); done; \
	   echo '{0, 0, 0}};'; } > $@.part && mv $@.part $@

# ---- tests: every function named test_* is one, found by nm; every tests/*/NAME.sh is one, too -----------
$(BUILD)/gen/all_tests.c: $(TESTC)
	@mkdir -p $(@D)
	@{ names=$$(nm -g --defined-only $(TESTC) | awk '$$2=="T" && $$3 ~ /^test_/ {print $$3}' | sort); \
	   echo '#include "tests/check_list.h"'; \
	   for t in $$names; do echo "void $$t(void);"; done; \
	   echo 'const struct test all_tests[] = {'; \
	   for t in $$names; do echo "{\"$$t\", $$t},"; done; echo '{0, 0}};'; } > $@.part && mv $@.part $@
# Our own calls of malloc and its kin are counted in the tests (tests/allocation_count.c); those inside libraries are not.
$(BIN)/tests: LINK += $(patsubst %,-Wl$(comma)--wrap=%,malloc calloc realloc aligned_alloc mmap)
$(BIN)/tests: $(TESTC) $(BUILD)/gen/all_tests.o $(SERVER) $(AGENT) $(RUN) $(CORELIB) $(CLI) $(BUILD)/gen/embedded.o $(SCHEMA)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LINK) -o $@ $^ $(L_SERVER) $(L_CORE) $(L_CURL) $(L_BASE)
$(BIN)/bench_replay: LINK += -Wl,--wrap=sampler_read # it reads crops that were drawn elsewhere, too
$(BIN)/bench_%: $(BUILD)/tests/bench/bench_%.o $(SERVER) $(AGENT) $(RUN) $(CORELIB) $(BUILD)/gen/embedded.o $(SCHEMA)
	@mkdir -p $(@D)
	$(Q)$(CC) $(LINK) -o $@ $^ $(L_SERVER) $(L_CORE) $(L_CURL) $(L_BASE)

check: deps
	@$(MAKE) --no-print-directory layers
	@$(MAKE) --no-print-directory programs $(BIN)/tests
	@TANDEM_BIN=$(CURDIR)/$(BIN) TANDEM_SAN=$(SAN) $(BIN)/tests -j $(J) $(if $(K),-k '$(K)')
layers:
	@tests/agree/layers.sh
# kill -9 of child, agent and daemon, ten times each; KILLS=50 TANDEM_SEED=7 for more
torture: all
	@cd "$$(mktemp -d)" && TANDEM_BIN=$(CURDIR)/$(BIN) TANDEM_ROOT=$(CURDIR) TANDEM_KILLS=$(or $(KILLS),10) sh $(CURDIR)/tests/e2e/kill_loops.sh
# libFuzzer targets (clang only): build/fuzz/fuzz_job_spec tests/vectors/job_spec/valid -max_total_time=60
.PHONY: fuzz
fuzz: $(patsubst tests/fuzz/%.c,build/fuzz/%,$(FUZZERS))
FUZZED := $(wildcard schema/base/*.[ch] schema/job/*.[ch] schema/api/api_table.[ch] worker/data/image*.[ch] worker/data/exif.[ch] \
          worker/data/read_*.[ch] worker/data/label_map.[ch] worker/data/manifest*.[ch] server/http_guard.[ch])
build/fuzz/%: tests/fuzz/%.c $(FUZZED)
	@mkdir -p $(@D)
	$(Q)clang -std=c17 -D_GNU_SOURCE -DTANDEM_VERSION='"$(VERSION)"' -I. -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
	    -o $@ $(filter %.c,$^) -lpng -ljpeg -lz $(L_BASE)
demo: all
	@TANDEM_BIN=$(CURDIR)/$(BIN) clients/curl/demo.sh
bench: programs $(BENCH)
	@TANDEM_BIN=$(CURDIR)/$(BIN) tests/bench/run.sh
install: programs
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(PROGRAMS) $(DESTDIR)$(PREFIX)/bin
clean:
	rm -rf build
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)
