/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * chrdev.h - /dev/fitzroy
 */
#ifndef FZ_CHRDEV_H
#define FZ_CHRDEV_H

int fz_chrdev_init(void);
void fz_chrdev_exit(void);

#endif
