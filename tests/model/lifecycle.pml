/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lifecycle.pml -- a device's life with direct mappings: granting, pinning,
 *                  taking back, changing a file under a lease, removing
 *
 * One device, one file. Clients do what they want: obey a RECALL, ignore it,
 * unmap, pin, die at any step; hostile ones also say RETURNED without having
 * unmapped, and fork children that keep the mapping. A deadline may pass at
 * any time, so it is nothing but another thing that may happen. A lock's
 * section is one atomic step; what happens without a lock is as many steps as
 * others could come in between. Counting itself is atomic here: reference.pml
 * is about that.
 *
 *   here              there
 *   Requester         lease_grant, lease_pin         fs/core/lease*.c
 *                     MAP and PIN, served and answered   fs/direct
 *                     udax_mmap, udax_pin            fs/client
 *   Library           what else a client does: RECALL answered, UNMAP, UNPIN,
 *                     fork, exit                     fs/client
 *   take_device, Taker   direct_revoke_device: recall, zap, kill, and the proof
 *                     by the device's lock           fs/direct
 *   take_pages        lease_ops.recall, for a break  fs/direct
 *   lease_return, client_gone                        fs/core/lease*.c
 *   Truncate          a request that is parked       fs/fuse/park.c
 *                     lease_break_start, _end        fs/core/lease*.c
 *   Removal           removal_thread                 fs/dax/removal_thread.c
 *   Canceller         removal_cancel                 fs/dax/removal.c
 *
 * Checked, with every order of steps:
 *   no reference lost or leaked   counter == ledger after each change of the
 *                                 lease lists; zero when all have ended
 *   no mapping after dead         nobody maps, or can map, when it is closed
 *   no grant or pin after the confirmed kill
 *   nothing is freed under a lease, a pin or a mapping of an honest client
 *   a pinned page is not zapped
 *   a cancelled removal leaves everything usable
 *   removal terminates when pins do, a break also (LTL, weak fairness: a
 *   thread that can go on does; a client need not)
 *
 * What the model says about the code's order of steps:
 *   - A client has provably let go only when its lock is free *and* no request
 *     of it is being served: between the lease and the descriptor with the
 *     lock the byte is free too.                             [UNDER_WAY]
 *   - What has to be proven gone is a client's descriptor; it may have said
 *     UNMAP for all its leases and kept the mappings. So revoking asks who was
 *     given one, not who has leases, and draining asks again: a pin may have
 *     been all that let it pass.
 *     [COUNTER_ALONE]
 *   - Whether a break is in force is asked where the lease is published, in
 *     one hold of the lock; earlier, and the break waits for a lease that
 *     nobody was asked for.                                  [BREAK_ASKED_EARLY]
 *   - A zap that found no mapping where a break wants one proves nothing: the
 *     reply may be received and not mapped yet.              [ZAP_OF_NOTHING]
 *   - A client answers a RECALL when no MAP of its own is under way: the lease
 *     may be one that it has not heard of yet.               [ANSWERS_EARLY]
 *
 * MUTANT_...: a mistake each, which check.sh wants to see caught.
 */
#ifndef CLIENTS
#define CLIENTS 1
#endif
#ifndef PAGES
#define PAGES 1
#endif
#ifndef REQUESTS
#define REQUESTS 2 /* of a client; 0: without end */
#endif
#ifndef REMOVALS
#define REMOVALS 1 /* all but the last may be cancelled, and it, too */
#endif
#ifndef TRUNCATES
#define TRUNCATES 0
#endif

mtype = { live, blocking, revoking, draining, dead };
mtype state = live;
mtype = { undecided, cancelled, released };
mtype verdict = undecided;

/* The device: fs/dax. */
bool dying;
byte count[PAGES]; /* of a folio */
byte ref;	   /* busy folios and gates */
bool section[CLIENTS];

/* The file: its lock, breaks in force, what became of its pages. */
bool exclusive, wanted;
byte shared;
bool in_force;	   /* a break of page 0 */
bool freed;	   /* page 0 */

/* Clients, as core and direct know them. */
byte lease[CLIENTS], pin[CLIENTS]; /* bits: pages */
bool serving[CLIENTS];		   /* a request is under way */
bool gone[CLIENTS];		   /* it is forgotten */
bool given[CLIENTS];		   /* it has a descriptor, as far as we know */
bool look[CLIENTS];		   /* RETURNED for the device has come */
byte step[CLIENTS];		   /* 1 recalled, 2 zap tried */
byte force[CLIENTS];		   /* the same for the break */

/* Clients, as they are. */
bool alive[CLIENTS] = true;
bool hostile[CLIENTS];
bool sent[CLIENTS];	 /* the daemon's copy of its fd, or in the socket */
bool fd[CLIENTS];
byte map[CLIENTS];
byte kid[CLIENTS];	 /* its child maps */
bool asked[CLIENTS];	 /* RECALL, all of the device, not yet answered */
bool asked_page[CLIENTS]; /* RECALL of page 0 */

/* What only the checks look at. */
bool confirmed, promised;
byte pending[PAGES]; /* counted, not yet in a list */
byte gates;
byte epoch;

#define BIT(p) (1 << (p))
#define HELD(c) (fd[c] || sent[c] || map[c] || kid[c])
#define TAKING (state == revoking || state == draining)
#define HAS(mask, p) (((mask) >> (p)) & 1)

#if CLIENTS == 1
#define ALL(of) (of(0))
#define SUM(mask, p) HAS(mask[0], p)
#else
#define ALL(of) (of(0) && of(1))
#define SUM(mask, p) (HAS(mask[0], p) + HAS(mask[1], p))
#endif
#if PAGES == 1
#define ACTIVE (count[0] > 0)
#define PAGES_RIGHT PAGE_RIGHT(0)
#else
#define ACTIVE ((count[0] > 0) + (count[1] > 0))
#define PAGES_RIGHT (PAGE_RIGHT(0) && PAGE_RIGHT(1))
#endif
#define PAGE_RIGHT(p) (count[p] == SUM(lease, p) + SUM(pin, p) + pending[p])
#define LEDGER_RIGHT (ref == ACTIVE + gates && PAGES_RIGHT)

#define NOT_HELD(c) (!HELD(c))
#define HONEST_OFF(c) (hostile[c] || !HAS(map[c], 0))
#define OFF_PAGE(c) (!HAS(lease[c], 0) && !HAS(pin[c], 0))
#define ONLY_PINS(c) (!given[c] || pin[c] != 0)
#define NOT_GIVEN(c) (!given[c])
#define NO_PINS(c) (pin[c] == 0)
#define NOT_GIVEN_UP(c) \
	!(HAS(lease[c], 0) && !HAS(pin[c], 0) && force[c] == 2)

/* ---------------------------------------------------- counts, in one step */

inline get(p)
{
	count[p]++;
	if
	:: count[p] == 1 -> ref++
	:: else
	fi
}

inline put(p)
{
	assert(count[p] > 0);
	count[p]--;
	if
	:: count[p] == 0 -> assert(ref > 0); ref--
	:: else
	fi
}

inline put_pages(pages)
{
	if
	:: HAS(pages, 0) -> put(0)
	:: else
	fi;
#if PAGES > 1
	if
	:: HAS(pages, 1) -> put(1)
	:: else
	fi
#endif
}

inline drop_lease(c, pages)
{
	put_pages(lease[c] & (pages));
	lease[c] = lease[c] & ~(pages)
}

inline drop_pin(c)
{
	put_pages(pin[c]);
	pin[c] = 0
}

/* What is pinned stays. */
inline lease_return(c, pages)
{
	drop_lease(c, (pages) & ~pin[c]);
	assert(LEDGER_RIGHT)
}

inline client_gone(c)
{
	drop_lease(c, 3);
	if
	:: !alive[c] -> drop_pin(c); gone[c] = true
	:: else
	fi;
	given[c] = false;
	look[c] = false;
	step[c] = 0;
	assert(LEDGER_RIGHT)
}

inline die(c)
{
	alive[c] = false;
	map[c] = 0;
	fd[c] = false;
	asked[c] = false;
	asked_page[c] = false
}

/* ------------------------------------------------------- a client's wishes */

#if defined(MUTANT_BREAK_ASKED_EARLY)
#define GRANTS_IN_A_BREAK
#define ASK !(p == 0 && in_force)
#elif defined(MUTANT_GRANTS_IN_A_BREAK)
#define GRANTS_IN_A_BREAK
#endif
#ifndef ASK
#define ASK true
#endif

proctype Requester(byte c)
{
	byte n, p, got, began;

	do
	:: atomic { (REQUESTS == 0 || n < REQUESTS) && alive[c] ->
		serving[c] = true;
		began = (state == live -> epoch : 255);
#if REQUESTS > 0
		n++
#endif
		};
		if
		:: goto map_some
		:: pin[c] == 0 && map[c] -> goto pin_some
		fi;

map_some:	atomic { !exclusive && !wanted -> shared++ }
		do
		:: p < PAGES && !HAS(lease[c], p) && !(p == 0 && freed) && ASK ->
			section[c] = true;
			atomic {
				if
				:: dying ->
					section[c] = false;
					assert(began != epoch);
					break
				:: else -> get(p); pending[p]++
				fi
			}
#ifdef MUTANT_NO_SECTION
			section[c] = false;
#endif
			/* Under lease_lock. */
			atomic {
				pending[p]--;
				section[c] = false;
				if
#ifndef GRANTS_IN_A_BREAK
				:: p == 0 && in_force -> put(p); break
#endif
				:: else ->
					assert(!confirmed);
					lease[c] = lease[c] | BIT(p);
					got = got | BIT(p);
					p++
				fi;
				assert(LEDGER_RIGHT)
			}
		:: else -> break
		od;
		shared--;
		if
		:: got == 0 -> goto served
		:: else
		fi;
		/* A gate, the descriptor, its lock. */
		atomic {
			if
#ifndef MUTANT_UNDER_WAY
			:: dying -> lease_return(c, got); goto served
#endif
			:: else -> sent[c] = true; given[c] = true
			fi
		}
		/* The reply; nobody receives it when he is dead. */
		atomic {
			fd[c] = alive[c];
			sent[c] = false
		}
		atomic {
			if
			:: alive[c] && fd[c] ->
				assert(state != dead);
				assert(hostile[c] || !(HAS(got, 0) && freed));
				map[c] = map[c] | got
			:: alive[c] && !fd[c] -> lease_return(c, got)
			:: else
			fi
		}
		goto served;

pin_some:	section[c] = true;
		atomic {
			p = 0;
#if PAGES > 1
			if
			:: true
			:: p = 1
			fi;
#endif
			if
			:: !HAS(lease[c], p) || !alive[c]
			:: p == 0 && in_force
#ifndef MUTANT_PIN_UNCHECKED
			:: dying -> assert(began != epoch)
#endif
			:: else ->
				get(p);
				pin[c] = pin[c] | BIT(p);
				assert(!confirmed && LEDGER_RIGHT)
			fi;
			section[c] = false
		}
served:		atomic { serving[c] = false; p = 0; got = 0; began = 0 }
	:: else -> break
	od
}

#ifdef MUTANT_ANSWERS_EARLY
#define MAY_ANSWER(c) true
#else
#define MAY_ANSWER(c) !serving[c]
#endif

proctype Library(byte c)
{
	bool forked;

end:	do
	:: atomic { asked[c] && MAY_ANSWER(c) ->
		asked[c] = false;
		map[c] = map[c] & pin[c];
		fd[c] = fd[c] && pin[c] != 0;
		look[c] = true }
	:: atomic { asked_page[c] && MAY_ANSWER(c) && !HAS(pin[c], 0) ->
		asked_page[c] = false;
		map[c] = map[c] & ~1;
		lease_return(c, 1) }
	/* munmap(2), then UNMAP */
	:: atomic { alive[c] && !serving[c] && (map[c] & ~pin[c]) ->
		lease_return(c, map[c]);
		map[c] = map[c] & pin[c] }
	:: atomic { hostile[c] && lease[c] && !serving[c] -> lease_return(c, lease[c]) }
	/* After a recall the pinned rest goes now. */
	:: atomic { alive[c] && pin[c] ->
		drop_pin(c);
		assert(LEDGER_RIGHT);
		if
		:: step[c] > 0 -> step[c] = 0
		:: else
		fi }
	:: atomic { alive[c] -> die(c) }
	/* Hostile: RETURNED and nothing done; children. */
	:: atomic { hostile[c] && asked[c] -> asked[c] = false; look[c] = true }
	:: atomic { hostile[c] && asked_page[c] ->
		asked_page[c] = false;
		lease_return(c, 1) }
	:: atomic { hostile[c] && map[c] && !forked ->
		forked = true;
		kid[c] = map[c] }
	:: atomic { kid[c] -> kid[c] = 0 }
#ifdef NEED_NOT
	:: atomic { alive[c] || kid[c] -> skip }
#endif
	od
}

/* ------------------------------------------------------------- taking back */

inline zap(c, pages)
{
#ifdef MUTANT_ZAPS_PINNED
	assert(!alive[c] || !(pin[c] & map[c] & (pages)));
	map[c] = map[c] & ~(pages)
#else
	map[c] = map[c] & (~(pages) | pin[c])
#endif
}

#ifdef MUTANT_NO_PROOF
#define PROVEN(c) (look[c] || step[c] == 2 || !alive[c])
#elif defined(MUTANT_UNDER_WAY)
#define PROVEN(c) (!HELD(c))
#else
#define PROVEN(c) (!HELD(c) && !serving[c])
#endif
#ifdef MUTANT_UNPIN_FORGOTTEN
#define RECALLS (state == revoking)
#else
#define RECALLS TAKING
#endif

/* One step that is possible for that client. */
#define TAKE_DEVICE(c) \
	:: atomic { PROVEN(c) && !gone[c] && \
		    (!alive[c] || given[c] && (TAKING || look[c])) -> \
		client_gone(c) } \
	:: atomic { RECALLS && given[c] && step[c] == 0 -> \
		asked[c] = alive[c]; step[c] = 1 } \
	:: atomic { RECALLS && given[c] && step[c] == 1 -> \
		step[c] = 2; \
		if \
		:: zap(c, 3); kid[c] = 0; fd[c] = fd[c] && pin[c] != 0 \
		:: true \
		fi } \
	:: atomic { RECALLS && given[c] && step[c] == 2 && \
		    (map[c] & ~pin[c] || pin[c] == 0 && HELD(c)) -> \
		die(c); kid[c] = 0 }

#ifdef MUTANT_ZAP_OF_NOTHING
#define ZAPPED(c) true
#else
#define ZAPPED(c) HAS(map[c], 0)
#endif

/* Page 0 of that client, for a break. */
#define TAKE_PAGE(c) \
	:: atomic { in_force && force[c] == 1 && HAS(lease[c], 0) && \
		    !HAS(pin[c], 0) -> \
		force[c] = 2; \
		if \
		:: ZAPPED(c) -> zap(c, 1); lease_return(c, 1) \
		:: true \
		fi }

proctype Taker()
{
end:	do
	TAKE_DEVICE(0)
#if CLIENTS > 1
	TAKE_DEVICE(1)
#endif
#if TRUNCATES > 0
	TAKE_PAGE(0)
#if CLIENTS > 1
	TAKE_PAGE(1)
#endif
#endif
	od
}

/* --------------------------------------------------- a change under a lease */

inline recall_page(c)
{
	if
	:: HAS(lease[c], 0) ->
		asked_page[c] = alive[c];
		force[c] = 1
	:: else -> force[c] = 0
	fi
}

proctype Truncate()
{
	byte n;

	do
	:: n < TRUNCATES && !freed ->
		n++;
again:		atomic {
			if
			:: dying -> goto ends
			:: else -> ref++; gates++
			fi
		}
		wanted = true;
		atomic { !exclusive && shared == 0 ->
			exclusive = true;
			wanted = false }
#ifdef MUTANT_FREES_BEFORE_ACK
		if
		:: in_force || count[0] == 0 -> goto frees
#else
		if
		:: count[0] == 0 -> goto frees
#endif
		:: else
		fi;
		/* Parked: no lock, no gate. */
		atomic { exclusive = false; ref--; gates-- }
		atomic {
			in_force = true;
			if
			:: ALL(OFF_PAGE) -> goto again
			:: else
			fi;
			recall_page(0);
#if CLIENTS > 1
			recall_page(1)
#endif
		}
		if
		:: ALL(OFF_PAGE) -> goto again
#ifdef MUTANT_FREES_BEFORE_ACK
		:: goto again
#endif
#ifndef UNINTERRUPTED
		:: goto ends
#endif
		:: dying -> goto ends
		:: !ALL(NOT_GIVEN_UP) -> goto ends
		fi;
frees:		atomic {
			assert(ALL(HONEST_OFF));
			assert(ALL(OFF_PAGE) && count[0] == 0);
			freed = true;
			exclusive = false;
			ref--;
			gates--;
			assert(LEDGER_RIGHT)
		}
ends:
#ifdef MUTANT_BREAK_STAYS
		skip
#else
		in_force = false
#endif
	:: else -> break
	od
}

/* ----------------------------------------------------------------- removal */

#if REMOVALS > 0
proctype Removal()
{
	byte n;

	do
	:: n < REMOVALS ->
		atomic { n++; epoch++; state = blocking }
		dying = true;
		!section[0];
#if CLIENTS > 1
		!section[1];
#endif
		confirmed = true;
		if
		:: verdict == cancelled -> goto back
		:: else
		fi;
		/* Requests in flight may outlast blocking: the counter waits. */
		state = revoking;
		if
		:: verdict == cancelled -> goto back
		:: ALL(ONLY_PINS)
		fi;
		state = draining;
		if
		:: verdict == cancelled
#ifdef MUTANT_COUNTER_ALONE
		:: ref == 0
#else
		:: ref == 0 && ALL(NOT_GIVEN)
#endif
		fi;
#ifdef MUTANT_VERDICT_LOOKED_AT
		if
		:: verdict == cancelled -> goto back
		:: else
		fi;
		verdict = released;
#else
		atomic {
			if
			:: verdict == undecided -> verdict = released
			:: else -> goto back
			fi
		}
#endif
		atomic {
			assert(ref == 0 && ALL(NOT_HELD) && LEDGER_RIGHT);
			assert(!promised);
			state = dead
		}
		break;
back:
		atomic { dying = false; confirmed = false }
		atomic {
			step[0] = 0;
#if CLIENTS > 1
			step[1] = 0;
#endif
			assert(LEDGER_RIGHT);
			promised = false;
			verdict = undecided;
			state = live;
			epoch++
		}
	:: else -> break
	od
}

#endif

proctype Canceller()
{
	byte n;

	do
	:: n < REMOVALS ->
		n++;
		atomic {
			if
			:: state != live && state != dead &&
			   verdict == undecided ->
				verdict = cancelled;
				promised = true
			:: true
			fi
		}
	:: else -> break
	od
}

init {
	atomic {
#ifdef HOSTILE
		hostile[0] = true;
#endif
		run Requester(0);
		run Library(0);
#if CLIENTS > 1
		run Requester(1);
		run Library(1);
#endif
		run Taker();
#if TRUNCATES > 0
		run Truncate();
#endif
#ifndef UNCANCELLED
		run Canceller();
#endif
#if REMOVALS > 0
		run Removal();
#endif
		skip
	}
	/* Nobody can do anything any more: everything has come back. */
	timeout;
	atomic {
		assert(ref == 0 && LEDGER_RIGHT && ALL(NOT_HELD));
		assert(state == live || state == dead);
		assert(!in_force && !exclusive && shared == 0);
		assert(dying == (state == dead))
	}
}

#ifdef NEED_NOT
/* Clients that need not do anything: it ends all the same, by kill. */
ltl removal_ends {
	(<>[] ALL(NO_PINS)) ->
	[] ((state != live && state != dead) ->
	    <> (state == live || state == dead))
}
/* A break ends when pins do, however many ask for the range meanwhile. */
ltl break_ends {
	(<>[] ALL(NO_PINS)) -> [] (in_force -> <> !in_force)
}
#endif
