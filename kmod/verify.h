/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * verify.h - look again: at what may execute, and at the page tables
 */
#ifndef FZ_VERIFY_H
#define FZ_VERIFY_H

#include <linux/moduleparam.h>
#include <fitzroy.h>

extern unsigned int fz_verify_ms;
extern unsigned int fz_verify_pages;
extern unsigned int fz_audit_ms;

/* For verify_ms and audit_ms: a new value counts at once. */
extern const struct kernel_param_ops fz_verify_ops;

/* There is a VM to look at. Any context but under a runqueue lock. */
void fz_verify_kick(void);

/* The settings, as FZ_IOC_INFO tells them. */
void fz_verify_info(struct fz_info *info);

int fz_verify_init(void);
void fz_verify_exit(void);

#endif
