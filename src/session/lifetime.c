#include "session/lifetime.h"

#include "sys/clock.h"

static const char field[] = "snapshot_lifetime";

void lifetime_end_at(const struct config *c, struct session *s,
		     long long now_ms, long long ends_boot_ms)
{
	long long left_ms = ends_boot_ms - now_ms;
	long long before_ms = c->snapshot_warning * 1000;

	s->ends = s->ends_boot_ms = s->warn_boot_ms = 0;
	if (!ends_boot_ms)
		return;
	s->ends_boot_ms = ends_boot_ms;
	s->ends = clock_wall() + left_ms / 1000;
	if (before_ms > left_ms / 2)
		before_ms = left_ms / 2;
	if (before_ms > 0)
		s->warn_boot_ms = ends_boot_ms - before_ms;
}

void lifetime_begin(const struct config *c, struct session *s, long long now_ms,
		    long long seconds)
{
	s->started = clock_wall();
	s->started_boot_ms = now_ms;
	lifetime_end_at(c, s, now_ms, seconds ? now_ms + seconds * 1000 : 0);
}

long long lifetime_left_s(const struct session *s, long long now_ms)
{
	long long left_ms = s->ends_boot_ms - now_ms;

	return left_ms > 0 ? (left_ms + 999) / 1000 : 0;
}

/* The end of the longest life; 0 if there is none. */
static long long last_end(const struct config *c, const struct session *s)
{
	long long total_s = c->snapshot_lifetime_total;

	if (c->snapshot_unlimited)
		return 0;
	if (total_s < c->snapshot_lifetime)
		total_s = c->snapshot_lifetime;
	return s->started_boot_ms + total_s * 1000;
}

/* The latest end that one extension gives, but not before the present one. */
static long long latest_end(const struct config *c, const struct session *s,
			    long long now_ms)
{
	long long last = last_end(c, s);
	long long end = now_ms + c->snapshot_lifetime * 1000;

	if (last && end > last)
		end = last;
	return end > s->ends_boot_ms ? end : s->ends_boot_ms;
}

static int check_wish(const struct config *c, const struct session *s,
		      long long now_ms, long long seconds, struct err *e)
{
	long long most = (latest_end(c, s, now_ms) - now_ms) / 1000;
	char text[32];

	if (seconds < LIFETIME_MIN_S || seconds > c->snapshot_lifetime)
		return err_field(e, field,
				 "The time is a whole number of seconds, from "
				 "%d to %lld.",
				 LIFETIME_MIN_S, c->snapshot_lifetime);
	if (now_ms + seconds * 1000 < s->ends_boot_ms) {
		clock_duration(lifetime_left_s(s, now_ms), text, sizeof(text));
		return err_field(e, field,
				 "This desktop runs longer than that already: "
				 "for another %s.",
				 text);
	}
	if (seconds > most) {
		clock_duration(most, text, sizeof(text));
		return err_field(e, field,
				 "This desktop may run for another %s at most, "
				 "%lld seconds.",
				 text, most);
	}
	return 0;
}

int lifetime_extended(const struct config *c, const struct session *s,
		      long long now_ms, long long seconds,
		      long long *ret_ends_boot_ms, struct err *e)
{
	if (s->state >= SESSION_STOPPING)
		return err_set(e, ERR_CONFLICT,
			       "This desktop is ending or has ended: it cannot "
			       "be extended.");
	if (!s->ends_boot_ms)
		return err_set(e, ERR_CONFLICT,
			       "This desktop runs until you stop it: there is "
			       "nothing to extend.");
	if (seconds == 0 && !c->snapshot_unlimited)
		return err_field(e, field,
				 "Desktops without an end are not allowed "
				 "here.");
	if (seconds != 0 && seconds != LIFETIME_LONGEST &&
	    check_wish(c, s, now_ms, seconds, e) < 0)
		return -1;
	if (seconds == LIFETIME_LONGEST)
		*ret_ends_boot_ms = latest_end(c, s, now_ms);
	else
		*ret_ends_boot_ms = seconds ? now_ms + seconds * 1000 : 0;
	return 0;
}

long long lifetime_offer_s(const struct config *c, const struct session *s,
			   long long now_ms)
{
	long long end;

	if (s->state >= SESSION_STOPPING || !s->ends_boot_ms)
		return 0;
	end = latest_end(c, s, now_ms);
	return end - s->ends_boot_ms < LIFETIME_MIN_S * 1000LL ?
		       0 :
		       (end - now_ms) / 1000;
}
