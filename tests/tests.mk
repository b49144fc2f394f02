# tests.mk - the targets that run something; included by the Makefile.
#
# SPDX-License-Identifier: GPL-2.0-or-later

RUN_TESTS := BUILD=$(BUILD) python3 scripts/run-tests -j 2 --timeout 60
GUEST_RUN := $(addprefix --long ,$(wildcard tests/guest/run))
# Those that boot Linux have more time: a loaded machine takes several times as long.
LINUX_TESTS := $(wildcard tests/system/test-linux tests/system/test-migrate-linux tests/system/test-migrate-bridge)
SYSTEM_TESTS := $(foreach f,$(filter-out $(LINUX_TESTS),$(wildcard tests/system/test-*)),$(if $(shell test -x $f && echo y),$f))

check-build: all $(UNIT_TESTS) $(FUZZ_REPLAYS)

check: check-build
	@$(RUN_TESTS) $(addprefix --long ,$(LINUX_TESTS)) $(GUEST_RUN) $(SYSTEM_TESTS) $(UNIT_TESTS) $(FUZZ_REPLAYS) scripts/check-floors

check-unit: check-build
	@$(RUN_TESTS) $(UNIT_TESTS)

check-guest: check-build
	@$(RUN_TESTS) $(GUEST_RUN)

check-floors:
	@scripts/check-floors

# Side by side with the distribution's emulator, where it is installed.
check-interop: check-build
	@$(RUN_TESTS) $(if $(wildcard tests/interop/run),--long tests/interop/run)

# Each sanitizer has a build directory of its own, and runs the unit and guest tests there.
check-asan: SAN := address
check-ubsan: SAN := undefined
check-tsan: SAN := thread
check-asan check-ubsan check-tsan: check-%:
	./configure --build-dir=build-$* --enable-sanitizers=$(SAN) $(SAN_CONFIGURE_ARGS) >/dev/null
	@$(MAKE) --no-print-directory BUILD=build-$* check-sanitized

check-sanitized: check-build
	@$(RUN_TESTS) --scale 4 $(UNIT_TESTS) $(FUZZ_REPLAYS) $(GUEST_RUN)

bench: all $(BUILD)/tests/bench/pages
	@$(BUILD)/tests/bench/pages
	@if [ -x tests/bench/run ]; then BUILD=$(BUILD) tests/bench/run; else echo "no tests/bench/run"; fi

# Line rates x workloads x engines, some twenty minutes; what it writes stands in docs/user/tuning.md.
bench-grid: all
	@GODWIT=$(BUILD)/godwit tests/bench/grid --markdown $(BUILD)/grid.md --svg $(BUILD)/grid.svg

# Each target for FUZZ_SECONDS (30); NAMES="hart board" chooses.
fuzz:
	@tests/fuzz/run $(NAMES)

fuzzers: $(FUZZERS)

# What takes minutes to hours; see docs/devel/testing.md.
proof soak: all
	@BUILD=$(BUILD) GODWIT=$(BUILD)/godwit tests/proof/$@
