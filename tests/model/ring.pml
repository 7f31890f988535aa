/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ring.pml - a model of one ring: kmod/ring.c, fz_rings_barrier(), userspace/lib/reader.c
 *
 * ring.sh proves it and its mutants; Documentation/ring.rst has the design.
 *
 * Memory. Two threads share it: the producer's CPU, and the reader, in whose ioctl the
 * barrier runs. Nothing orders accesses to different places but what is named here, no
 * control dependency either, of which a compiler need not know. What is ordered happens
 * in order; what is not happens in any. A load that may come late, after its value was
 * used, is a guess that the load then confirms; a run that guessed wrong never was, and
 * is pruned.
 *
 *	A  acquire: consumer.pos, then the record's bytes are written
 *	B  release: the record's bytes are written, then producer.pos
 *	C  acquire: producer.pos, then the record's bytes are read
 *	D  release: the record's bytes are read, then consumer.pos
 *	E  full: the mark is odd, then the producer's clock
 *	F  full: the barrier's clock, then the mark
 *	G  release: producer.pos, then the mark is even
 *	H  acquire: the mark is even, then producer.pos
 *
 * -DNO_A ... -DNO_H take one away. So do, in logic: NO_TIME (the barrier promises its own
 * time too), NO_WAIT (it does not wait), NO_ROOM (a LOST record asks for no room of its
 * own), NO_CLEAR (losses are said twice), NO_LIE (a position that cannot be is believed).
 *
 * A record is one cell here, of two halves. Positions wrap at MOD, so that they do wrap.
 */
#ifndef CELLS
#define CELLS	2	/* of the ring; a power of two */
#endif
#ifndef EVENTS
#define EVENTS	4	/* that the producer has to say */
#endif
#ifndef ROUNDS
#define ROUNDS	2	/* of the reader while it does */
#endif
#ifndef TICKS
#define TICKS	3	/* of the clock */
#endif
#define MOD	(4 * CELLS)

/* Shared between the two. */
byte clock;
byte mark;
byte producer, consumer;	/* positions, as the other side sees them */
byte head[CELLS], tail[CELLS];	/* number + 1 of the record that each half is of */
byte when[CELLS], first[CELLS];	/* in the head: its time; LOST: its first number + 1 */

/* For the proof alone. */
byte unread[CELLS];		/* number + 1 of a record that is still to be read */
byte numbers, lost_counter;	/* given, and of these lost */
bool idle, done;		/* all events said; and all losses */
bool bad, guessing, pruned;

inline must(x)
{
	bad = bad || !(x);
	assert(!bad || guessing)
}

/* Between two looks at it, time goes on or does not. */
inline look_at_clock(t)
{
	if
	:: clock < TICKS -> d_step { clock++; t = clock }
	:: t = clock
	fi
}

/* ---------------------------------------------------------------- producer */

inline begin()
{
#ifdef NO_E
	if
	:: mark = (mark + 1) % 16; look_at_clock(now)
	:: look_at_clock(now); mark = (mark + 1) % 16
	fi
#else
	mark = (mark + 1) % 16;
	look_at_clock(now)
#endif
}

inline end()
{
	mark = (mark + 1) % 16;
#ifdef NO_G
	if
	:: late -> producer = pos; late = false
	:: else
	fi
#endif
}

/* What is written over must have been read; a liar reads nothing. */
inline over(cell, number)
{
#ifndef HOSTILE
	must(unread[cell] == 0 || unread[cell] == number + 1);
	unread[cell] = number + 1
#else
	skip
#endif
}

inline write_head(cell, number, lost)
{
	atomic {
		over(cell, number);
		d_step { head[cell] = number + 1; when[cell] = now; first[cell] = lost }
	}
}

inline write_tail(cell, number)
{
	atomic {
		over(cell, number);
		tail[cell] = number + 1
	}
}

inline write(at, number, lost)
{
	if
	:: write_head((at) % CELLS, number, lost); write_tail((at) % CELLS, number)
	:: write_tail((at) % CELLS, number); write_head((at) % CELLS, number, lost)
	fi
}

inline publish()
{
	pos = (pos + 1) % MOD;
#ifdef NO_G
	if
	:: producer = pos; late = false
	:: late = true
	fi
#else
	producer = pos
#endif
}

/* What start() to fz_ring_commit() do. */
inline put(number, lost)
{
	d_step { said++; seq++ };
#ifdef NO_B
	if
	:: write(pos, number, lost); publish()
	:: publish(); write(pos + MOD - 1, number, lost)
	fi
#else
	write(pos, number, lost);
	publish()
#endif
}

inline put_lost()
{
	d_step { lost_said = lost_said + lost_count };
	put(seq - 1, lost_first + 1);
#ifndef NO_CLEAR
	lost_count = 0
#endif
}

/* The bytes of both may be written before either is published. */
inline put_lost_and_record()
{
	if
	:: put_lost(); put(seq - 1, 0)
	:: d_step {
		lost_said = lost_said + lost_count;
		said = said + 2;
		seq = seq + 2
	   };
	   write(pos + 1, seq - 1, 0);
	   write(pos, seq - 2, lost_first + 1);
	   publish();
	   publish();
#ifndef NO_CLEAR
	   lost_count = 0
#endif
	fi
}

/* How much room is there? fz_ring_free(). */
inline look()
{
#ifdef NO_A
	c = 0;
	do
	:: c < MOD - 1 -> c++
	:: break
	od;
	guessing = true;
#else
	c = consumer;
#endif
	d_step {
		room = (pos + MOD - c) % MOD;
		if
		:: room <= CELLS -> room = CELLS - room
#ifdef NO_LIE
		:: else -> room = CELLS
#else
		:: else -> room = 0
#endif
		fi
	}
}

/* A reader that lies gets nothing written. */
inline no_lie()
{
	must((pos + MOD - c) % MOD <= CELLS)
}

inline looked()
{
#ifdef NO_A
	atomic {
		if
		:: c != consumer -> pruned = true
		:: else -> guessing = false; assert(!bad)
		fi
	}
#else
	skip
#endif
}

#ifdef NO_ROOM
#define NEED	1
#else
#define NEED	(1 + (lost_count > 0))
#endif

/* fz_ring_reserve(), the record, fz_ring_commit() */
inline say()
{
	look();
	if
	:: room >= NEED && lost_count -> no_lie(); put_lost_and_record()
	:: room >= NEED && !lost_count -> no_lie(); put(seq - 1, 0)
	:: room < NEED ->
		d_step {
			if
			:: !lost_count -> lost_first = seq
			:: else
			fi;
			lost_count++;
			lost_counter++;
			seq++
		}
	fi;
	looked()
}

/* fz_ring_flush_lost() */
inline flush_lost()
{
	look();
	if
	:: room -> no_lie(); put_lost(); tried = false
	:: !room -> tried = true
	fi;
	looked()
}

active proctype Producer()
{
	byte pos, seq, now, lost_count, lost_first;	/* as in struct fz_ring */
	byte said, lost_said, c, room, need, i;
	bool late, tried;

	do
	:: !pruned && i < EVENTS ->
		d_step { i++; idle = (i == EVENTS) };
		begin();
		say();
		end()
	/* The barrier or a timer has losses said here. Twice in vain would show no more. */
	:: !pruned && lost_count && (!tried || c != consumer) ->
		begin();
		flush_lost();
		end()
	:: !pruned && i == EVENTS && !lost_count -> break
	:: pruned -> goto out
	od;
	/* Each number once: in a record, or in a LOST record. */
	assert(seq == said + lost_counter && lost_said == lost_counter);
	d_step { numbers = seq; done = true };
out:	skip
}

/* ---------------------------------------------------------------- consumer */

#ifndef HOSTILE

inline read_head(cell)
{
	d_step { h = head[cell]; time = when[cell]; l = first[cell] }
}

inline read(at)
{
	if
	:: read_head((at) % CELLS); t = tail[(at) % CELLS]
	:: t = tail[(at) % CELLS]; read_head((at) % CELLS)
	fi;
	unread[(at) % CELLS] = 0
}

/* Whole, the next, in order of time, and not one that the last barrier called there. */
inline check()
{
	atomic {
		must(h == t);
		if
		:: l -> must(l == next + 1 && h > l); lost = lost + h - l
		:: else -> must(h == next + 1)
		fi;
		must(time >= newest && time >= promised);
		d_step { next = h; newest = time }
	}
}

inline take()
{
#ifdef NO_D
	if
	:: read(mine); consumer = (mine + 1) % MOD
	:: consumer = (mine + 1) % MOD; read(mine)
	fi;
#else
	read(mine);
	consumer = (mine + 1) % MOD;
#endif
	mine = (mine + 1) % MOD;
	check()
}

/* If it is odd, until it is another. */
inline wait_for_mark()
{
#ifndef NO_WAIT
	m = mark;
	if
	:: m % 2 && (mark != m || pruned)
	:: m % 2 == 0
	fi
#else
	skip
#endif
}

/* The barrier, then the position: all that is before @until is before @seen. */
inline barrier()
{
#ifdef NO_F
	if
	:: look_at_clock(until); wait_for_mark()
	:: wait_for_mark(); look_at_clock(until)
	fi;
	seen = producer;
#else
	look_at_clock(until);
#ifdef NO_H
	if
	:: wait_for_mark(); seen = producer
	:: seen = producer; wait_for_mark()
	fi;
#else
	wait_for_mark();
	seen = producer;
#endif
#endif
#ifdef NO_TIME
	until++
#endif
}

active proctype Consumer()
{
	byte mine, seen, until, rounds, m, h, t, l, time;
	byte promised, newest, next, lost;
	bool all, last;

	do
	:: !pruned && (rounds < ROUNDS || idle) ->
		d_step {
			all = idle;
			last = done;
			promised = until;
			if
			:: rounds < ROUNDS -> rounds++
			:: else
			fi
		};
		barrier();
#ifdef NO_C
		/* Guess that a record is there, read it, and see whether it was. */
		if
		:: guessing = true;
		   read(mine);
		   atomic {
			seen = producer;
			if
			:: seen == mine -> pruned = true
			:: else ->
				mine = (mine + 1) % MOD;
				check();
				guessing = false;
				assert(!bad)
			fi
		   };
		   consumer = mine
		:: true
		fi;
#endif
		do
		:: mine != seen && (all || when[mine % CELLS] < until) -> take()
		:: mine != seen && !all && when[mine % CELLS] >= until -> break
		:: mine == seen -> break
		od;
		if
		:: last && !pruned -> break
		:: else
		fi
	:: pruned -> goto out
	od;
	if
	:: !pruned -> assert(mine == producer && next == numbers && lost == lost_counter)
	:: else
	fi;
out:	skip
}

#else

/* Any position at any time, and nothing is read. */
active proctype Liar()
{
	byte i;

	do
	:: !done ->
		i = 0;
		do
		:: i < MOD - 1 -> i++
		:: break
		od;
		consumer = i
	:: done -> break
	od
}

#endif
