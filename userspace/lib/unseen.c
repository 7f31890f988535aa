// SPDX-License-Identifier: GPL-2.0-only
/* unseen.c - what the records say of what was not seen: MIXED, DRIFT, AUDIT */
#include "identify_priv.h"

#define OUT_OF_MEMORY(err) fz_fail(err, -ENOMEM, "out of memory")

/*
 * @ns more of being mixed, over at @time. A bucket that leaks the share that is
 * allowed: it is over the limit exactly if some stretch of time was.
 */
static void stay(struct fz_stay *s, uint64_t ns, uint64_t time, unsigned int times)
{
	uint64_t leaked = time > s->at ? (time - s->at) / 100 * FZ_STAY_PERCENT * times : 0;

	s->level = s->level > leaked ? s->level - leaked : 0;
	/* What a hostile log says may be anything. */
	s->level = ns > UINT64_MAX - s->level ? UINT64_MAX : s->level + ns;
	s->at = time;
	if (s->level > FZ_STAY_NS * times && !s->since)
		s->since = time;
}

static void close_window(struct fz_identify *id, struct fz_mixed_frame *m, uint64_t ns,
			 uint64_t time)
{
	struct fz_results_vm *vm = &id->r.vms[m->vm];

	m->open = 0;
	m->ns += ns;
	vm->mixed_ns += ns;
	if (ns > m->longest)
		m->longest = ns;
	stay(&m->stay, ns, time, 1);
	stay(&vm->stay, ns, time, 2);
}

static uint64_t mixed_hash(uint32_t vm, uint64_t gfn)
{
	return fz_mix(gfn) + vm;
}

static struct fz_mixed_frame *find_mixed(struct fz_identify *id, uint32_t vm, uint64_t gfn)
{
	uint64_t hash = mixed_hash(vm, gfn);
	size_t it = FZ_INDEX_START(hash);
	uint32_t at;

	while ((at = fz_index_next(&id->by_mixed, hash, &it)) != FZ_NONE)
		if (id->r.mixed[at].vm == vm && id->r.mixed[at].gfn == gfn)
			return &id->r.mixed[at];
	return NULL;
}

/* The frame whose window began at @since, or NULL. */
static struct fz_mixed_frame *find_window(struct fz_identify *id, uint32_t vm, uint64_t since)
{
	size_t it = FZ_INDEX_START(since);
	uint32_t at;

	while ((at = fz_index_next(&id->by_since, since, &it)) != FZ_NONE)
		if (id->r.mixed[at].vm == vm && id->r.mixed[at].open == since)
			return &id->r.mixed[at];
	return NULL;
}

/* Those that are mixed, or stay so, matter; of the others only the numbers are kept. */
static int forget_mixed(struct fz_identify *id, uint64_t time)
{
	struct fz_index by_mixed = { 0 }, by_since = { 0 };
	size_t i, n = 0;
	int ret = 0;

	for (i = 0; i < id->r.nmixed; i++) {
		struct fz_mixed_frame *m = &id->r.mixed[i];
		struct fz_gone *g = &id->r.vms[m->vm].let_go;

		if ((m->open || m->stay.since) && n < id->limit / 2) {
			id->r.mixed[n++] = *m;
			continue;
		}
		if (m->open)
			close_window(id, m, time - m->open, time);
		g->mixed_frames++;
		g->windows += m->windows;
		g->ns += m->ns;
		g->longest = m->longest > g->longest ? m->longest : g->longest;
		g->findings += m->stay.since != 0;
	}
	id->r.nmixed = n;
	for (i = 0; i < n && !ret; i++) {
		const struct fz_mixed_frame *m = &id->r.mixed[i];

		ret = fz_index_add(&by_mixed, mixed_hash(m->vm, m->gfn), i);
		if (!ret && m->open)
			ret = fz_index_add(&by_since, m->open, i);
	}
	free(id->by_mixed.slot);
	free(id->by_since.slot);
	id->by_mixed = by_mixed;
	id->by_since = by_since;
	return ret;
}

/* The frame of @rec, known as mixed from now on; NULL = out of memory. */
static struct fz_mixed_frame *make_mixed(struct fz_identify *id, uint32_t vm,
					 const struct fz_rec *rec)
{
	struct fz_mixed_frame *m = find_mixed(id, vm, rec->gfn);

	if (m)
		return m;
	if (id->limit && id->r.nmixed >= id->limit && forget_mixed(id, rec->time))
		return NULL;
	if (id->r.nmixed == FZ_NONE - 1 || FZ_GROW(id->r.mixed, id->r.nmixed, id->mixed_cap) ||
	    fz_index_add(&id->by_mixed, mixed_hash(vm, rec->gfn), id->r.nmixed))
		return NULL;
	m = &id->r.mixed[id->r.nmixed++];
	*m = (struct fz_mixed_frame){ .vm = vm, .gfn = rec->gfn, .first = rec->time };
	return m;
}

/* Windows that ended stay in the index until they are most of it. */
static int forget_ended(struct fz_identify *id)
{
	struct fz_index open = { 0 };
	size_t i;

	if (id->by_since.n < 2 * id->r.nmixed + 1024)
		return 0;
	for (i = 0; i < id->r.nmixed; i++) {
		if (id->r.mixed[i].open && fz_index_add(&open, id->r.mixed[i].open, i)) {
			free(open.slot);
			return -ENOMEM;
		}
	}
	free(id->by_since.slot);
	id->by_since = open;
	return 0;
}

static int add_mixed(struct fz_identify *id, uint32_t vm, const struct fz_rec *rec,
		     struct fz_error *err)
{
	struct fz_mixed_frame *m = make_mixed(id, vm, rec);

	if (!m || forget_ended(id) || fz_index_add(&id->by_since, rec->time, m - id->r.mixed))
		return OUT_OF_MEMORY(err);
	m->windows++;
	m->rip = rec->rip;
	m->cr3 = rec->cr3;
	m->cpl = rec->cpl;
	m->last = rec->time;
	m->open = rec->time;
	return 0;
}

static int end_mixed(struct fz_identify *id, uint32_t vm, const struct fz_rec *rec,
		     struct fz_error *err)
{
	struct fz_mixed_frame *m = find_window(id, vm, rec->u.mixed_end.since);

	if (!m) {
		/* Its begin was lost, or lies before the log. */
		m = make_mixed(id, vm, rec);
		if (!m)
			return OUT_OF_MEMORY(err);
		m->windows++;
		m->last = rec->time;
	}
	close_window(id, m, rec->u.mixed_end.ns, rec->time);
	return 0;
}

static int add_drift(struct fz_identify *id, uint32_t vm, const struct fz_rec *rec,
		     struct fz_error *err)
{
	struct fz_drifted d = { .vm = vm, .gfn = rec->gfn, .time = rec->time,
				.unseen_ns = rec->u.drift.unseen_ns,
				.captured = rec->u.drift.captured };
	int ret;

	if (id->limit && id->r.ndrifted >= FZ_UNSEEN_MAX) {
		id->r.vms[vm].let_go.findings++;
		return 0;
	}
	ret = fz_identify_content(id, rec, &d.content, err);
	if (ret)
		return ret;
	if (FZ_GROW(id->r.drifted, id->r.ndrifted, id->drifted_cap))
		return OUT_OF_MEMORY(err);
	id->r.drifted[id->r.ndrifted++] = d;
	return 0;
}

/* An audit that is repeated finds the same entries again. */
static int add_audit(struct fz_identify *id, uint32_t vm, const struct fz_rec *rec,
		     struct fz_error *err)
{
	uint64_t hash = fz_mix(fz_mix(rec->gfn) + rec->u.audit.spte) + vm;
	size_t it = FZ_INDEX_START(hash);
	struct fz_audited *a;
	uint32_t at;

	while ((at = fz_index_next(&id->by_audited, hash, &it)) != FZ_NONE) {
		a = &id->r.audited[at];
		if (a->vm == vm && a->gfn == rec->gfn && a->spte == rec->u.audit.spte &&
		    a->level == rec->u.audit.level)
			break;
	}
	if (at == FZ_NONE && id->limit && id->r.naudited >= FZ_UNSEEN_MAX) {
		id->r.vms[vm].let_go.findings++;
		return 0;
	}
	if (at == FZ_NONE) {
		if (id->r.naudited == FZ_NONE - 1 ||
		    FZ_GROW(id->r.audited, id->r.naudited, id->audited_cap) ||
		    fz_index_add(&id->by_audited, hash, id->r.naudited))
			return OUT_OF_MEMORY(err);
		a = &id->r.audited[id->r.naudited++];
		*a = (struct fz_audited){ .vm = vm, .gfn = rec->gfn, .spte = rec->u.audit.spte,
			.level = rec->u.audit.level, .state = rec->u.audit.state,
			.first = rec->time };
	}
	a->last = rec->time;
	a->times++;
	return 0;
}

/* The VM runs no more, or nobody watches it. */
static void end_all(struct fz_identify *id, uint32_t vm, uint64_t time)
{
	size_t i;

	for (i = 0; i < id->r.nmixed; i++)
		if (id->r.mixed[i].vm == vm && id->r.mixed[i].open)
			close_window(id, &id->r.mixed[i], time - id->r.mixed[i].open, time);
}

int fz_unseen_add(struct fz_identify *id, uint32_t vm, const struct fz_rec *rec,
		  struct fz_error *err)
{
	struct fz_mixed_frame *m;

	if (id->r.nmixed && (rec->type == FZ_REC_MIXED || rec->type == FZ_REC_EXEC ||
			     rec->type == FZ_REC_REEXEC)) {
		/* Captured again, so no longer mixed; that it ended was lost. */
		m = find_mixed(id, vm, rec->gfn);
		if (m && m->open)
			close_window(id, m, rec->time - m->open, rec->time);
	}
	switch (rec->type) {
	case FZ_REC_VM_DIED:
	case FZ_REC_VM_DETACH:
		end_all(id, vm, rec->time);
		return 0;
	case FZ_REC_MIXED:
		return add_mixed(id, vm, rec, err);
	case FZ_REC_MIXED_END:
		return end_mixed(id, vm, rec, err);
	case FZ_REC_DRIFT:
		return add_drift(id, vm, rec, err);
	case FZ_REC_AUDIT:
		return add_audit(id, vm, rec, err);
	}
	return 0;
}

int fz_add_finding(struct fz_identify *id, enum fz_finding_kind kind, uint32_t vm, size_t at,
		   uint64_t time)
{
	if (FZ_GROW(id->r.findings, id->r.nfindings, id->findings_cap))
		return -ENOMEM;
	id->r.findings[id->r.nfindings++] = (struct fz_finding){ .kind = kind, .vm = vm,
		.at = at, .time = time, .count = 1 };
	return 0;
}

int fz_unseen_settle(struct fz_identify *id, struct fz_error *err)
{
	struct fz_results *r = &id->r;
	size_t i;
	int ret = 0;

	for (i = 0; i < r->nvms; i++) {
		r->vms[i].mixed_open = 0;
		if (r->vms[i].stay.since)
			ret |= fz_add_finding(id, FZ_FINDING_STAYS_MANY, i, 0,
					      r->vms[i].stay.since);
	}
	for (i = 0; i < r->nmixed; i++) {
		struct fz_mixed_frame *m = &r->mixed[i];
		struct fz_stay s = m->stay;

		/* One that did not end is as long as the log, or the VM. */
		if (m->open) {
			r->vms[m->vm].mixed_open++;
			stay(&s, r->vms[m->vm].last - m->open, r->vms[m->vm].last, 1);
		}
		if (s.since)
			ret |= fz_add_finding(id, FZ_FINDING_STAYS, m->vm, i, s.since);
	}
	for (i = 0; i < r->ndrifted; i++)
		ret |= fz_add_finding(id, FZ_FINDING_DRIFT, r->drifted[i].vm, i,
				      r->drifted[i].time);
	for (i = 0; i < r->naudited; i++)
		ret |= fz_add_finding(id, FZ_FINDING_AUDIT, r->audited[i].vm, i,
				      r->audited[i].first);
	return ret ? OUT_OF_MEMORY(err) : 0;
}

void fz_unseen_free(struct fz_identify *id)
{
	free(id->r.mixed);
	free(id->r.drifted);
	free(id->r.audited);
	free(id->r.findings);
	free(id->by_mixed.slot);
	free(id->by_since.slot);
	free(id->by_audited.slot);
}

uint32_t fz_content_classes(const struct fz_content *c, uint32_t classes[FZ_REFS_MAX])
{
	uint32_t i, n = 0;

	for (i = 0; i < c->ncandidates; i++)
		if (!n || classes[n - 1] != c->candidates[i].class)
			classes[n++] = c->candidates[i].class;
	return n;
}
