// SPDX-License-Identifier: GPL-2.0-only
/* vercmp.c - for each line "A B" of versions: -1, 0 or 1 in the order deb, rpm or apk; x = none */
#include <stdio.h>
#include <string.h>
#include "vercmp.h"

int main(int argc, char **argv)
{
	static const char *const names[FZ_ORDERS] = { "deb", "rpm", "apk" };
	char a[2048], b[2048];
	int order = 0, cmp;

	while (order < FZ_ORDERS && (argc != 2 || strcmp(argv[1], names[order])))
		order++;
	if (order == FZ_ORDERS)
		return 2;
	while (scanf("%2047s %2047s", a, b) == 2) {
		if (fz_version_compare(order, a, b, &cmp))
			puts("x");
		else
			printf("%d\n", (cmp > 0) - (cmp < 0));
	}
	return 0;
}
