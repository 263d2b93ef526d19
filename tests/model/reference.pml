/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * reference.pml -- a folio's count, the device's counter, and their kill, step
 *                  by step
 *
 * Every step that other threads can see in between is a step here. What the
 * counter promises is what lifecycle.pml then takes for granted: one reference
 * a busy folio, and nothing new once the kill was confirmed.
 *
 *   here              there
 *   Getter            count_get, count_put          fs/dax/pgmap_folio.c
 *   ref_put, words    percpu_ref_*                  fs/dax/percpu_ref.c
 *   in_section        read_side_enter, _exit        fs/dax/read_side.h
 *   grace             read_side_synchronize
 *   Remover           block, drain, bring_back      fs/dax/removal_thread.c
 *                     pgmap_kill, _wait_idle, _resurrect  fs/dax/pgmap.c
 *   Canceller         removal_cancel                fs/dax/removal.c
 *
 * Checked: the counter is never below what is in use, and equal to it when
 * nothing is under way (R1, R10, invariant 2); nothing becomes visible after
 * the confirmed kill (R3, 3); zero is not seen before confirm, and once (12,
 * 17); cancel and release never both happen (R9); the device does not go under
 * a folio in use; a cancelled kill leaves a counter that counts.
 *
 * MUTANT_...: a mistake each, which check.sh wants to see caught.
 */
#ifndef GETTERS
#define GETTERS 2
#endif
#ifndef ROUNDS
#define ROUNDS 2 /* gets of a getter */
#endif
#ifndef KILLS
#define KILLS 2 /* tries to remove, the first ones cancelled */
#endif
#define FOLIOS 2

/* percpu_ref: the per-CPU words are one number here: their sum is all that is
 * ever asked. count stands without BIAS, which is a flag. */
bool dead;
bool bias = true;
short words;
short count = 2; /* the initial reference, and the pgmap's own hold */
bool released;

byte folio[FOLIOS];
bool in_section[GETTERS];
mtype = { undecided, cancelled, taken };
mtype verdict = undecided;

/* What nobody but the checks looks at. */
bool confirmed;	   /* the kill was */
bool closed;	   /* the device is unmapped */
bool promised;	   /* somebody was told that his cancel was in time */
byte own = 2;	   /* of words + count: initial and hold */
byte under_way;	   /* references taken, not yet in a folio; or the reverse */

#define ACTIVE ((folio[0] > 0) + (folio[1] > 0))
#define COUNTER (words + count - own)

inline check()
{
	assert(COUNTER >= ACTIVE);
	assert(COUNTER - under_way <= ACTIVE)
}

/* In a section. As in the code the mode is read first and acted on after. */
inline ref_put(mode)
{
	mode = dead;
	atomic {
		if
		:: !mode -> words--
		:: else ->
			count--;
			if
			:: count == 0 && !bias ->
				assert(confirmed && !released);
				released = true
			:: else
			fi
		fi;
		under_way--;
		assert(bias || count >= 0);
		mode = false
	}
}

proctype Getter(byte me)
{
	byte n, f, seen;
	bool mode;

	do
	:: n < ROUNDS ->
		n++;
		if
		:: f = 0
		:: f = 1
		fi;
#ifndef MUTANT_NO_SECTION
		in_section[me] = true;
#endif
		seen = folio[f];
again:
		if
		:: seen > 0 ->
			if
			:: dead -> goto refused
			:: else
			fi;
			atomic {
				if
				:: folio[f] == seen -> folio[f]++; goto got
				:: else -> seen = folio[f]; goto again
				fi
			}
		:: else
		fi;
#ifdef MUTANT_COUNT_FIRST
		atomic {
			if
			:: folio[f] == 0 -> folio[f] = 1
			:: else -> seen = folio[f]; goto again
			fi
		}
		mode = dead;
		if
		:: mode -> atomic { folio[f]--; mode = false; goto refused }
		:: else -> words++
		fi;
		goto got;
#endif
		mode = dead;
		if
		:: mode -> mode = false; goto refused
		:: else -> atomic { words++; under_way++ }
		fi;
		atomic {
			seen = folio[f];
			if
			:: seen == 0 -> folio[f] = 1; under_way--; goto got
			:: else
			fi
		}
#ifdef MUTANT_LOSER_KEEPS
		under_way--;
#else
		ref_put(mode);
#endif
		goto again;
got:
		atomic {
			assert(!confirmed); /* it can be seen from here on */
			check();
			in_section[me] = false
		}
		atomic { assert(!closed); in_section[me] = true; seen = 0 }
		atomic {
			folio[f]--;
			if
			:: folio[f] == 0 -> under_way++
			:: else -> goto out
			fi
		}
		ref_put(mode);
refused:
out:
		atomic { in_section[me] = false; seen = 0; f = 0 }
	:: else -> break
	od
}

inline grace()
{
#ifdef MUTANT_NO_GRACE
	skip
#else
	i = 0;
	do
	:: i < GETTERS -> !in_section[i]; i++
	:: else -> i = 0; break
	od
#endif
}

/* The initial reference, and the hold. Nobody can see the mode change. */
inline own_put()
{
	atomic {
		count--;
		own--;
		if
		:: count == 0 && !bias ->
			assert(confirmed && !released);
			released = true
		:: else
		fi
	}
}

inline kill()
{
	dead = true;
	grace();
#ifdef MUTANT_BIAS_BEFORE_SUM
	atomic {
		bias = false;
		assert(count > 0)
	}
#endif
	atomic { count = count + words; words = 0; bias = false }
	confirmed = true;
	own_put()
}

/* percpu_ref_resurrect, or bring_back from released; then the hold again. */
inline resurrect()
{
#ifdef MUTANT_RESURRECT_ADDS
	atomic { count++; own++ }
#else
	atomic {
		if
		:: count > 0 -> count++
		:: else -> assert(released); count = 1; released = false
		fi;
		own++
	}
#endif
	bias = true;
	atomic { confirmed = false; dead = false }
	atomic {
		if
		:: own == 1 -> words++; own++
		:: else
		fi
	}
}

proctype Remover()
{
	byte n, i;

	do
	:: n < KILLS ->
		n++;
		kill();
		own_put(); /* pgmap_wait_idle: only others keep it now */
		do
		:: released -> break
		:: verdict == cancelled -> break
		od;
#ifdef MUTANT_VERDICT_LOOKED_AT
		if
		:: verdict == cancelled -> goto back
		:: else
		fi;
		verdict = taken;
#else
		atomic {
			if
			:: verdict == undecided -> verdict = taken
			:: else -> goto back
			fi
		}
#endif
		atomic {
			assert(released && ACTIVE == 0 && !promised);
			closed = true
		}
		break;
back:
		assert(verdict == cancelled);
		resurrect();
		atomic {
			verdict = undecided;
			promised = false;
			check()
		}
	:: else -> break
	od
}

proctype Canceller()
{
	byte n;

	do
	:: n < KILLS - 1 ->
		n++;
		atomic {
			if
			:: dead && verdict == undecided ->
				verdict = cancelled;
				promised = true
			:: true
			fi
		}
	:: else -> break
	od
}

init {
	byte g;

	atomic {
		do
		:: g < GETTERS -> run Getter(g); g++
		:: else -> break
		od;
		run Remover();
		run Canceller()
	}
	/* Nothing under way any more: counter and ledger are equal. */
	timeout;
	atomic {
		assert(under_way == 0 && ACTIVE == 0 && COUNTER == 0);
		assert(closed == released);
		assert(closed || !dead && own == 2)
	}
}
