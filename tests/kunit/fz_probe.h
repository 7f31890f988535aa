/* SPDX-License-Identifier: GPL-2.0-only */
/* fz_probe.h - for the tests: nothing that differs between kernels matters to them */
