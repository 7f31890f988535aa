// SPDX-License-Identifier: GPL-2.0-only
/*
 * work.c - something for the compiler in the guest to do: containers for many types
 *
 * It is compiled, never run. What it holds does not matter; that it stays as it is does.
 */
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CONTAINERS(name, type, less, hash)						\
struct name##_list {									\
	type *at;									\
	size_t n, room;									\
};											\
											\
int name##_push(struct name##_list *l, type value)					\
{											\
	if (l->n == l->room) {								\
		size_t room = l->room ? l->room * 2 : 16;				\
		type *at = realloc(l->at, room * sizeof(*at));				\
											\
		if (!at)								\
			return -ENOMEM;							\
		l->at = at;								\
		l->room = room;								\
	}										\
	l->at[l->n++] = value;								\
	return 0;									\
}											\
											\
static void name##_sift(type *at, size_t i, size_t n)					\
{											\
	for (;;) {									\
		size_t kid = 2 * i + 1;							\
		type swap;								\
											\
		if (kid >= n)								\
			return;								\
		if (kid + 1 < n && less(at[kid], at[kid + 1]))				\
			kid++;								\
		if (!less(at[i], at[kid]))						\
			return;								\
		swap = at[i];								\
		at[i] = at[kid];							\
		at[kid] = swap;								\
		i = kid;								\
	}										\
}											\
											\
void name##_sort(struct name##_list *l)							\
{											\
	size_t i;									\
											\
	for (i = l->n / 2; i--; )							\
		name##_sift(l->at, i, l->n);						\
	for (i = l->n; i > 1; i--) {							\
		type swap = l->at[0];							\
											\
		l->at[0] = l->at[i - 1];						\
		l->at[i - 1] = swap;							\
		name##_sift(l->at, 0, i - 1);						\
	}										\
}											\
											\
long name##_find(const struct name##_list *l, type value)				\
{											\
	size_t from = 0, to = l->n;							\
											\
	while (from < to) {								\
		size_t at = from + (to - from) / 2;					\
											\
		if (less(l->at[at], value))						\
			from = at + 1;							\
		else									\
			to = at;							\
	}										\
	return from < l->n && !less(value, l->at[from]) ? (long)from : -1;		\
}											\
											\
uint64_t name##_digest(const struct name##_list *l)					\
{											\
	uint64_t sum = 14695981039346656037ULL;						\
	size_t i;									\
											\
	for (i = 0; i < l->n; i++)							\
		sum = (sum ^ hash(l->at[i])) * 1099511628211ULL;			\
	return sum;									\
}											\
											\
int name##_unique(struct name##_list *l)						\
{											\
	struct name##_list out = { 0 };							\
	size_t i;									\
											\
	name##_sort(l);									\
	for (i = 0; i < l->n; i++)							\
		if (!i || less(l->at[i - 1], l->at[i]))					\
			if (name##_push(&out, l->at[i])) {				\
				free(out.at);						\
				return -ENOMEM;						\
			}								\
	free(l->at);									\
	*l = out;									\
	return 0;									\
}

struct point { double x, y; };
struct name { char text[24]; uint32_t id; };

#define BY_VALUE(a, b)	((a) < (b))
#define BY_NORM(a, b)	(hypot((a).x, (a).y) < hypot((b).x, (b).y))
#define BY_TEXT(a, b)	(strcmp((a).text, (b).text) < 0)
#define INTEGER(a)	((uint64_t)(a) * 0x9e3779b97f4a7c15ULL)
#define REAL(a)		((uint64_t)(sqrt(fabs((double)(a))) * 1e6))
#define NORM(a)		((uint64_t)((a).x * (a).x + (a).y * (a).y))
#define TEXT(a)		(strlen((a).text) * 31 + (a).id)

CONTAINERS(u8, uint8_t, BY_VALUE, INTEGER)
CONTAINERS(i16, int16_t, BY_VALUE, INTEGER)
CONTAINERS(u32, uint32_t, BY_VALUE, INTEGER)
CONTAINERS(i64, int64_t, BY_VALUE, INTEGER)
CONTAINERS(real, float, BY_VALUE, REAL)
CONTAINERS(wide, double, BY_VALUE, REAL)
CONTAINERS(point, struct point, BY_NORM, NORM)
CONTAINERS(name, struct name, BY_TEXT, TEXT)
