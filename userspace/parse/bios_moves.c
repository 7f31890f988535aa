// SPDX-License-Identifier: GPL-2.0-only
/*
 * bios_moves.c - where SeaBIOS moves code: moved.h
 *
 * No header tells. Its linker puts, one behind the other: the list of fields to add to and
 * the one to subtract from, relative to the code that is moved, each ascending; the one
 * of fields that stay, relative to the first list itself; some other code; the code that
 * is moved.
 */
#include <string.h>
#include "moved.h"

#define LIST_MIN	64U		/* a shorter first list is none */
#define GAP		(64U << 10)	/* from the lists' end to the code that is moved, at most */
#define STEP		16U
#define JUNK		4U
#define CODE_MAX	(256U << 10)
#define STEPS_MAX	(64U << 20)	/* of the search, which a hostile file can prolong */

static uint32_t u32(const uint8_t *p)
{
	return p[0] | p[1] << 8 | p[2] << 16 | (uint32_t)p[3] << 24;
}

/* How many ascending fields does the list at @at have? */
static uint32_t ascending(const uint8_t *data, size_t size, size_t at)
{
	uint32_t n = 0, last = 0, v;

	for (; at + 4 <= size && n < FZ_MOVES_MAX; at += 4, n++, last = v) {
		v = u32(data + at);
		if (v > CODE_MAX || (n && v <= last))
			break;
	}
	return n;
}

static bool into(uint32_t addr, uint32_t from, uint32_t bytes)
{
	return addr - from < bytes;
}

/* Do all of the @n fields of the list at @list lead into code that begins at @start? */
static bool fits(const uint8_t *data, size_t size, size_t list, uint32_t n, size_t start,
		 uint32_t *steps)
{
	uint32_t base = FZ_MOVES_TOP - size, span = u32(data + list + 4 * (n - 1)) + 4, i;

	if (start + span > size)
		return false;
	for (i = 0; i < n; i++, ++*steps)
		if (!into(u32(data + start + u32(data + list + 4 * i)), base + start,
			  size - start))
			return false;
	return true;
}

static bool take(struct fz_moves *m, uint32_t *fields, enum fz_move list, uint32_t at)
{
	uint32_t all = m->n[0] + m->n[1] + m->n[2];

	if (all == FZ_MOVES_MAX)
		return false;
	fields[all] = at;
	m->n[list]++;
	if (list != FZ_MOVE_STAYS && at + 4 > m->end)
		m->end = at + 4;
	return true;
}

static bool read_lists(const uint8_t *data, size_t size, size_t list, uint32_t n, size_t start,
		       struct fz_moves *m, uint32_t *fields)
{
	uint32_t base = FZ_MOVES_TOP - size, i, at, v, last = 0;
	size_t p = list;

	*m = (struct fz_moves){ .start = start, .end = start, .bytes = size };
	for (i = 0; i < n; i++, p += 4)
		if (!take(m, fields, FZ_MOVE_ADD, start + u32(data + p)))
			return false;
	for (; p + 4 <= start; p += 4, last = v) {
		v = u32(data + p);
		if ((m->n[FZ_MOVE_SUBTRACT] && v <= last) || v > size - start - 4)
			break;
		at = start + v;
		/* out of what is moved, as far as that is known; and not out of the BIOS */
		if (into(base + at + 4 + u32(data + at), base + start, m->end - start) ||
		    !into(base + at + 4 + u32(data + at), base, size))
			break;
		if (!take(m, fields, FZ_MOVE_SUBTRACT, at))
			return false;
	}
	for (; p + 4 <= start; p += 4) {
		v = u32(data + p);
		if (v > size - list - 4)
			break;
		at = list + v;
		v = u32(data + at);
		if (into(at, m->start, m->end - m->start) ||
		    (!into(v, base + start, m->end - start) &&
		     !into(base + at + 4 + v, base + start, m->end - start)))
			break;
		if (!take(m, fields, FZ_MOVE_STAYS, at))
			return false;
	}
	return true;
}

bool fz_bios_moves(const uint8_t *data, size_t size, struct fz_moves *m, uint32_t *fields)
{
	size_t list, from, start, found = 0, found_list = 0;
	uint32_t n, found_n = 0, steps = 0;

	if (size < 4096 || size > FZ_MOVES_TOP)
		return false;
	for (from = 0; from + 4 * LIST_MIN <= size; from += 4 * (n ? n : 1)) {
		n = ascending(data, size, from);
		/* What stands before the list may be small enough to look like its begin. */
		for (list = from; n >= LIST_MIN && list < from + 4 * JUNK; list += 4) {
			uint32_t left = n - (list - from) / 4;

			start = (list + 4 * left + STEP - 1) / STEP * STEP;
			for (; start < size && start - list - 4 * left < GAP; start += STEP) {
				if (++steps > STEPS_MAX)
					return false;
				if (!fits(data, size, list, left, start, &steps))
					continue;
				if (found)
					return false;	/* two answers */
				found = start;
				found_list = list;
				found_n = left;
			}
			if (found_list == list)
				break;
		}
	}
	return found && read_lists(data, size, found_list, found_n, found, m, fields);
}
