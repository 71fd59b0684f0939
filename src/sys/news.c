#include "sys/news.h"

#include <stdio.h>
#include <unistd.h>

int news_of(int dir, uint32_t mask)
{
	int news = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);

	news_add(news, dir, mask);
	return news;
}

void news_add(int news, int dir, uint32_t mask)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", dir);
	if (news >= 0)
		(void)inotify_add_watch(news, path, mask | IN_ONLYDIR);
}

void news_read(int news)
{
	char events[4096];

	while (news >= 0 && read(news, events, sizeof(events)) > 0)
		;
}
