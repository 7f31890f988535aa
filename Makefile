# SPDX-License-Identifier: GPL-2.0-only
#
# make help says what there is.

TOP	:= $(abspath $(dir $(lastword $(MAKEFILE_LIST))))
OUT	?= $(TOP)/out
KVER	?= $(shell uname -r)
# Where the target kernel's headers, vmlinux (for BTF) and KVM modules are; unset:
# this machine's own.
KDIR	?= /lib/modules/$(KVER)/build
# INJECT=1: with faults on purpose, COVERAGE=1: counts which lines ran; beside the product.
BUILD	:= $(OUT)/build/$(KVER)$(if $(INJECT),-inject)$(if $(COVERAGE),-coverage)

all: modules tools

help:
	@echo 'make             fitzroy.ko for the running kernel (or KVER=), and the tool'
	@echo 'make modules     fitzroy.ko only: $(OUT)/build/KVER/fitzroy.ko'
	@echo 'make tools       the tool only: $(OUT)/bin/fitzroy'
	@echo 'make demo        the main job on real input, in emulation: no KVM hardware needed'
	@echo 'make check       the test suite; last line: N passed, N failed, N skipped'
	@echo 'make check-deep  the same, and what is too slow for every day: hours'
	@echo 'make kunit       the KUnit tests, in a UML kernel and in one with KASAN in QEMU (or KUNIT=um)'
	@echo 'make coverage    how many lines of kmod/ the tests reach, and which ones they do not'
	@echo 'make matrix      build, load and test on every kernel (or KERNELS=), and print the table'
	@echo 'make bench       what it costs, into $(OUT)/bench.json; scripts/bench-compare OLD NEW'
	@echo 'make install     the module, the tool and the man pages, on this machine'
	@echo 'make clean       remove what was built; what was fetched stays in $(OUT)/cache'

# Objects of several kernels live side by side: each has a tree of links to the
# source and its own layout of KVM's private structures.
modules:
	@FZ_INJECT=$(INJECT) FZ_COVERAGE=$(COVERAGE) $(TOP)/scripts/build-module '$(KVER)' '$(KDIR)' '$(BUILD)'

tools:
	@$(TOP)/scripts/deps build
	@$(MAKE) --no-print-directory -C $(TOP)/userspace O=$(OUT)

tests: tools
	@$(MAKE) --no-print-directory -C $(TOP)/userspace O=$(OUT) tests
	@$(MAKE) --no-print-directory -C $(TOP)/tests O=$(OUT)

demo:
	@$(TOP)/scripts/demo

check:
	@$(TOP)/tests/check

# KERNELS: as scripts/kernels names them; V:intel for the other CPU.
matrix:
	@$(TOP)/tests/matrix $(KERNELS)

check-deep:
	@FZ_DEEP=1 $(TOP)/tests/check

# KUNIT: um, x86_64 or both. The source of a kernel is fetched by the name of its package.
kunit:
	@$(TOP)/tests/kunit/run $(KUNIT)

# PARTS: some of unit KVER:CPU.
coverage: tests
	@$(TOP)/tests/coverage/run $(PARTS)

# BENCH: some of the groups 6.1 6.12 ring identify db.
bench: tests
	@$(TOP)/scripts/deps bench
	@$(MAKE) --no-print-directory -C $(TOP)/tests O=$(OUT) bench
	@$(TOP)/tests/bench/run $(BENCH)

# What the suite compares the counts with.
bench-baseline: tests
	@$(TOP)/tests/bench/counted.sh --baseline 6.1 6.12

install: modules tools
	install -D -m 644 $(BUILD)/fitzroy.ko $(DESTDIR)/lib/modules/$(KVER)/updates/fitzroy.ko
	install -D -m 755 $(OUT)/bin/fitzroy $(DESTDIR)/usr/bin/fitzroy
	install -D -m 644 -t $(DESTDIR)/usr/share/man/man1 $(TOP)/Documentation/man/*.1
	$(if $(DESTDIR),,depmod $(KVER))

clean:
	rm -rf $(OUT)/build $(OUT)/bin $(OUT)/lib $(OUT)/tests $(OUT)/obj

.PHONY: all help modules tools tests demo check check-deep matrix kunit coverage bench bench-baseline install clean
