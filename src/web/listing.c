#include "web/listing.h"

#include <string.h>

#include "sys/hostload.h"
#include "vm/display.h"

/* Sessions that live. */
static long long count_live(const struct session_list *list)
{
	long long count = 0;

	for (size_t i = 0; i < list->count; i++)
		count += !session_is_final(&list->list[i]);
	return count;
}

static int add_use(json_t *host, const struct hostload *load,
		   long long sessions)
{
	long long used_mb = load->memory_mb - load->memory_available_mb;
	/* load_milli is the average divided by the cores; two decimals. */
	long long centi = (load->load_milli * load->cpus + 5) / 10;
	json_t *use;
	int result;

	use = json_pack("{sf sI sI sI sI}", "load", (double)centi / 100.0,
			"load_percent", (json_int_t)load->load_milli / 10,
			"memory_available_mb",
			(json_int_t)load->memory_available_mb,
			"memory_percent",
			(json_int_t)(load->memory_mb ?
					     used_mb * 100 / load->memory_mb :
					     0),
			"sessions", (json_int_t)sessions);
	result = json_object_update(host, use);
	json_decref(use);
	return result;
}

json_t *listing_host(const struct config *c, const struct session_list *list,
		     bool oversee, struct err *e)
{
	struct hostload load;
	char name[256] = "";
	json_t *host;

	if (hostload_read(&load, e) < 0)
		return NULL;
	if (gethostname(name, sizeof(name) - 1) < 0 || !name[0])
		snprintf(name, sizeof(name), "localhost");
	host = json_pack("{ss sI sI sI}", "name", name, "cpus",
			 (json_int_t)load.cpus, "memory_mb",
			 (json_int_t)load.memory_mb, "sessions_max",
			 (json_int_t)c->service_max_instance_nb);
	if (host && (!oversee || add_use(host, &load, count_live(list)) == 0))
		return host;
	json_decref(host);
	err_set(e, ERR_SYSTEM, "no memory");
	return NULL;
}

static json_t *public_face(const struct config *c, const struct session *s,
			   const char *user)
{
	AUTO_FREE char *url = NULL;

	if (s->state == SESSION_RUNNING &&
	    (!user || strcmp(user, s->user) == 0))
		url = display_url(c, s);
	return session_to_public(s, url);
}

json_t *listing_sessions(const struct config *c,
			 const struct session_list *list, const char *user)
{
	json_t *sessions = json_array();
	int failed = !sessions;

	for (size_t i = 0; i < list->count && !failed; i++)
		failed = json_array_append_new(
			sessions, public_face(c, &list->list[i], user));
	if (!failed)
		return sessions;
	json_decref(sessions);
	return NULL;
}
