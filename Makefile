# Makefile - one non-recursive makefile for the program, its tests and its documents.
#
# Sources are found by wildcard; a new .c file in a room is built without an edit here.  An optional
# feature is a pair FOO.c / FOO-off.c: the table FEATURES says which feature chooses which pair, and
# the other half is dropped.  `make help` lists the targets.
#
# SPDX-License-Identifier: GPL-2.0-or-later
MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

BUILD ?= build
CONFIG := $(if $(filter build,$(BUILD)),config.mak,$(BUILD)/config.mak)
NO_CONFIG := help clean distclean format fuzz check-asan check-ubsan check-tsan
ifneq ($(filter-out $(NO_CONFIG),$(or $(MAKECMDGOALS),all)),)
include $(CONFIG)
endif

# ---- Sources -------------------------------------------------------------------------------------

ROOMS := util qapi io system migration monitor cli chardev $(patsubst %/,%,$(wildcard hw/*/)) target/riscv \
	block net ui

# feature:file without .c.  A pair of which only one half exists yet is fine.
FEATURES := SLIRP:net/slirp NBD:block/nbd VNC:ui/vnc VNC:ui/vnc-client PNG:ui/png ZSTD:hw/core/unzstd ZSTD:migration/codec-zstd \
	FABRIC:migration/rdma FABRIC:migration/rdma-library FABRIC:migration/rdma-endpoint \
	FABRIC:migration/rdma-channel FABRIC:migration/rdma-direct FABRIC:tests/unit/test-rdma-hostile

feature_drop = $(if $(filter y,$(CONFIG_$(1))),$(2)-off.c,$(2).c)
DROPPED := $(foreach f,$(FEATURES),$(call feature_drop,$(word 1,$(subst :, ,$f)),$(word 2,$(subst :, ,$f))))
MAIN := $(wildcard system/main.c)
SRCS := $(filter-out $(DROPPED) system/main.c,$(wildcard $(addsuffix /*.c,$(ROOMS))))

# ---- Generated code ------------------------------------------------------------------------------

ifneq ($(wildcard scripts/qapi-gen.py),)
ifneq ($(wildcard qapi/schema.json),)
QAPI_C := $(addprefix $(BUILD)/qapi/qapi-,types.c commands.c events.c introspect.c)
QAPI_STAMP := $(BUILD)/qapi.stamp
# What an 'if' in the schema may test: one CONFIG_FEATURE for each feature that is in.
QAPI_DEFINES := $(foreach f,$(FEATURES),$(if $(filter y,$(CONFIG_$(firstword $(subst :, ,$f)))),-D \
	CONFIG_$(firstword $(subst :, ,$f))))
endif
endif

# The schema that the unit tests of the generator and of the QMP server speak.
TEST_QAPI_C := $(addprefix $(BUILD)/qapi/test_qapi-,types.c commands.c events.c introspect.c)
TEST_QAPI_STAMP := $(BUILD)/qapi-test.stamp
TEST_QAPI_LIB := $(BUILD)/libqapi-test.a

TRACE_EVENTS := $(wildcard trace-events $(addsuffix /trace-events,$(ROOMS)))
TRACE_NAMES := $(subst /,-,$(patsubst %/,%,$(patsubst ./,root/,$(dir $(TRACE_EVENTS)))))
TRACE_C := $(patsubst %,$(BUILD)/trace/%.c,$(TRACE_NAMES) all)
TRACE_STAMP := $(BUILD)/trace.stamp

GEN_C := $(QAPI_C) $(TRACE_C)
GEN_STAMPS := $(QAPI_STAMP) $(TEST_QAPI_STAMP) $(TRACE_STAMP)

# ---- Objects, library, program -------------------------------------------------------------------

OBJS := $(SRCS:%.c=$(BUILD)/obj/%.o) $(GEN_C:$(BUILD)/%.c=$(BUILD)/obj/gen/%.o)
MAIN_OBJ := $(MAIN:%.c=$(BUILD)/obj/%.o)
LIB := $(BUILD)/libgodwit.a
PROGRAM := $(if $(MAIN),$(BUILD)/godwit)

UNIT_SRCS := $(filter-out $(DROPPED),$(wildcard tests/unit/test-*.c))
UNIT_TESTS := $(UNIT_SRCS:%.c=$(BUILD)/%)
# Helpers shared by unit tests: tests/unit/lib-*.c, linked into each of them.
UNIT_LIB_OBJS := $(patsubst %.c,$(BUILD)/obj/%.o,$(wildcard tests/unit/lib-*.c))
# Fuzz targets: with libFuzzer in a build directory of its own (make fuzz), and as replays of their corpora.
FUZZ_SRCS := $(wildcard tests/fuzz/fuzz-*.c)
FUZZ_REPLAYS := $(FUZZ_SRCS:tests/fuzz/fuzz-%.c=$(BUILD)/tests/fuzz/replay-%)
FUZZERS := $(FUZZ_SRCS:%.c=$(BUILD)/%)
FUZZ_TRAP := $(BUILD)/obj/tests/fuzz/trap.o
FUZZ_OBJS := $(FUZZ_SRCS:%.c=$(BUILD)/obj/%.o) $(BUILD)/obj/tests/fuzz/replay.o $(FUZZ_TRAP)
UNIT_OBJS := $(UNIT_SRCS:%.c=$(BUILD)/obj/%.o) $(UNIT_LIB_OBJS)

TEST_QAPI_OBJS := $(TEST_QAPI_C:$(BUILD)/%.c=$(BUILD)/obj/gen/%.o)
# GLib's locks, explained to ThreadSanitizer; see tests/tsan-glib.c.
ifneq ($(findstring thread,$(SANITIZERS)),)
TSAN_OBJ := $(BUILD)/obj/tests/tsan-glib.o
TSAN_WRAP := $(BUILD)/tsan.wrap
TSAN_LINK := $(TSAN_OBJ) @$(TSAN_WRAP)
endif

ALL_OBJS := $(TSAN_OBJ) $(OBJS) $(MAIN_OBJ) $(UNIT_OBJS) $(FUZZ_OBJS) $(TEST_QAPI_OBJS)
INCLUDES := -I$(BUILD)/include -Iinclude -I.

ifeq ($(V),1)
say = @:
Q :=
else
say = @printf '  %-7s %s\n' $(1) $(2)
Q := @
endif

.PHONY: all check check-build check-unit check-guest check-floors check-interop check-asan check-ubsan check-tsan \
	check-sanitized reconfigure install uninstall bench bench-grid fuzz fuzzers proof soak format lint help clean distclean docs

all: $(LIB) $(PROGRAM) $(GEN_STAMPS)

$(BUILD)/obj/%.o: %.c $(CONFIG)
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(INCLUDES) $(CFLAGS) $(CFLAGS_$(subst /,_,$*)) -MMD -MP -c -o $@ $<

$(BUILD)/obj/gen/%.o: $(BUILD)/%.c $(CONFIG)
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(INCLUDES) $(CFLAGS) -MMD -MP -c -o $@ $<

# Generated headers must be there before the first compile; afterwards the .d files know.
$(ALL_OBJS): | $(GEN_STAMPS)

# The list of objects is a file of its own, rewritten when it changes, so that the archive loses the
# members whose source has been removed or switched off.
$(BUILD)/objs.list: FORCE
	@mkdir -p $(@D)
	@echo '$(OBJS)' | cmp -s - $@ || echo '$(OBJS)' > $@

$(LIB): $(OBJS) $(BUILD)/objs.list
	$(call say,AR,$@)
	@rm -f $@
	$(Q)ar rcs $@ $(OBJS)

$(BUILD)/godwit: $(MAIN_OBJ) $(LIB) $(TSAN_WRAP)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(MAIN_OBJ) $(TSAN_LINK) $(LIB) $(LIBS)

$(TEST_QAPI_LIB): $(TEST_QAPI_OBJS)
	$(call say,AR,$@)
	$(Q)ar rcs $@ $^

$(UNIT_TESTS): $(BUILD)/%: $(BUILD)/obj/%.o $(UNIT_LIB_OBJS) $(TEST_QAPI_LIB) $(LIB) $(TSAN_WRAP)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(UNIT_LIB_OBJS) $(TEST_QAPI_LIB) $(TSAN_LINK) $(LIB) $(LIBS)

$(FUZZ_REPLAYS): $(BUILD)/tests/fuzz/replay-%: $(BUILD)/obj/tests/fuzz/fuzz-%.o $(BUILD)/obj/tests/fuzz/replay.o \
		$(TEST_QAPI_LIB) $(LIB) $(TSAN_WRAP)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter %.o,$^) $(TEST_QAPI_LIB) $(TSAN_LINK) $(LIB) $(LIBS)

$(FUZZERS): $(BUILD)/%: $(BUILD)/obj/%.o $(FUZZ_TRAP) $(TEST_QAPI_LIB) $(LIB)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -fsanitize=fuzzer $(LDFLAGS) -o $@ $< $(FUZZ_TRAP) $(TEST_QAPI_LIB) $(LIB) $(LIBS)

$(BUILD)/tests/bench/pages: $(BUILD)/obj/tests/bench/pages.o $(LIB)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $< $(LIB) $(LIBS)

$(BUILD)/tsan.wrap: $(TSAN_OBJ)
	$(Q)nm $< | sed -n 's/.* T __wrap_/-Wl,--wrap=/p' > $@

$(QAPI_C): $(QAPI_STAMP) ;
$(QAPI_STAMP): $(wildcard qapi/*.json scripts/qapi-gen.py scripts/qapi/*.py) $(CONFIG)
	$(call say,QAPI,qapi/schema.json)
	$(Q)python3 scripts/qapi-gen.py -o $(BUILD) $(QAPI_DEFINES) qapi/schema.json
	@touch $@

$(TEST_QAPI_C): $(TEST_QAPI_STAMP) ;
$(TEST_QAPI_STAMP): tests/unit/qapi-test.json $(wildcard scripts/qapi-gen.py scripts/qapi/*.py)
	$(call say,QAPI,$<)
	$(Q)python3 scripts/qapi-gen.py -o $(BUILD) -p test_ $<
	@touch $@

$(TRACE_C): $(TRACE_STAMP) ;
$(TRACE_STAMP): $(TRACE_EVENTS) scripts/tracetool $(BUILD)/trace.list
	$(call say,TRACE,'$(words $(TRACE_EVENTS)) files')
	$(Q)python3 scripts/tracetool -o $(BUILD) $(TRACE_EVENTS)
	@touch $@
$(BUILD)/trace.list: FORCE
	@mkdir -p $(@D)
	@echo '$(TRACE_EVENTS)' | cmp -s - $@ || echo '$(TRACE_EVENTS)' > $@
FORCE:

config.mak: configure
	./configure $(CONFIGURE_ARGS)
$(BUILD)/config.mak: configure
	./configure --build-dir=$(BUILD) $(CONFIGURE_ARGS)

reconfigure:
	./configure $(CONFIGURE_ARGS)

-include $(ALL_OBJS:.o=.d)

include tests/tests.mk

# ---- Installation, housekeeping ------------------------------------------------------------------

install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 755 $(BUILD)/godwit $(DESTDIR)$(PREFIX)/bin/godwit
	install -m 644 docs/user/godwit.1 $(DESTDIR)$(PREFIX)/share/man/man1/godwit.1
	$(if $(filter yes,$(QEMU_NAME)),ln -sf godwit $(DESTDIR)$(PREFIX)/bin/qemu-system-riscv64)

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/godwit $(DESTDIR)$(PREFIX)/share/man/man1/godwit.1
	$(if $(filter yes,$(QEMU_NAME)),rm -f $(DESTDIR)$(PREFIX)/bin/qemu-system-riscv64)

FILES ?= $(shell git ls-files '*.c' '*.h')
format:
	clang-format -i $(FILES)

lint: all
	@BUILD=$(BUILD) scripts/lint

clean:
	rm -rf $(BUILD)/obj $(BUILD)/tests $(BUILD)/qapi $(BUILD)/trace $(BUILD)/docs $(BUILD)/include/qapi \
		$(BUILD)/include/trace $(BUILD)/*.a $(BUILD)/*.stamp $(BUILD)/*.list $(BUILD)/godwit

distclean:
	rm -rf build build-asan build-ubsan build-tsan build-ci build-fuzz build-clang build-san config.mak

help:
	@sed -n 's/^#: //p' Makefile
#: make               the library and the program (V=1 shows the commands)
#: make check         every test; ends with "N passed, N failed, N skipped"
#: make check-unit    the unit tests only; check-guest: the guest programs only
#: make check-asan    unit and guest tests with AddressSanitizer; also check-ubsan, check-tsan
#: make check-floors  hold every #include against the floors of the house
#: make bench         speed, side by side with the distribution's emulator where there is one
#: make bench-grid    what each way of sending memory is good for, by line rate and workload (as root)
#: make fuzz          throw garbage at everything that reads what it did not write (FUZZ_SECONDS=30 each)
#: make proof         10^9 instructions of Linux, always the same digest; make soak: hours of stress
#: make lint          clang-tidy or cppcheck, and shellcheck; make format [FILES=...]: clang-format
#: make install       program and man page into $(DESTDIR)$(PREFIX); make uninstall: away again
#: make clean         remove what was built; make distclean: the configuration too
#: BUILD=DIR          use the build directory DIR (./configure --build-dir=DIR made it)
