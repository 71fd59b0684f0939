#include "ctl/progress.h"

#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>

#include "sys/clock.h"

enum {
	REDRAW_MS = 200,
	NAME_COLUMNS = 28,
	BAR_MIN = 6,
	BAR_MAX = 40,
};

void progress_init(struct progress *p, bool show)
{
	*p = (struct progress){ .show = show };
	pthread_mutex_init(&p->lock, NULL);
}

void progress_release(struct progress *p)
{
	pthread_mutex_destroy(&p->lock);
}

/* ---- One line ---- */

static void add_rate(struct buf *out, const struct progress_bar *b,
		     long long now_ms)
{
	long long ms = now_ms - b->began_ms;
	long long got = b->done - b->first;
	long long rate = ms > 0 ? got * 1000 / ms : 0; /* bytes a second */
	long long left;

	buf_printf(out, "  %lld.%lld MB/s", rate / 1000000,
		   rate / 100000 % 10);
	if (b->total <= 0 || rate <= 0)
		return;
	left = (b->total - b->done + rate - 1) / rate;
	if (left >= 3600)
		buf_printf(out, "  %lld:%02lld:%02lld left", left / 3600,
			   left / 60 % 60, left % 60);
	else
		buf_printf(out, "  %lld:%02lld left", left / 60, left % 60);
}

static void add_bar(struct buf *out, const struct progress_bar *b, size_t size)
{
	long long full = b->done * (long long)size / b->total;

	buf_puts(out, "  [");
	for (size_t i = 0; i < size; i++)
		buf_putc(out, (long long)i < full ? '#' : '.');
	buf_puts(out, "]");
}

/* At most NAME_COLUMNS of the name; names are ASCII (text_is_file_name). */
static void add_name(struct buf *out, const char *name, size_t width)
{
	size_t room = width < NAME_COLUMNS ? width : NAME_COLUMNS;

	if (strlen(name) > room && room > 2)
		buf_printf(out, "%.*s..", (int)room - 2, name);
	else
		buf_printf(out, "%-*.*s", (int)room, (int)room, name);
}

void progress_line(const struct progress_bar *b, long long now_ms,
		   size_t width, struct buf *out)
{
	AUTO_BUF struct buf tail = BUF_INIT(256);
	size_t used;

	add_name(out, b->name, width);
	if (b->word) {
		buf_printf(&tail, "  %s", b->word);
	} else if (b->total > 0) {
		buf_printf(&tail, "  %3lld %%", b->done * 100 / b->total);
		add_rate(&tail, b, now_ms);
	} else {
		buf_printf(&tail, "  %lld MB", b->done / 1000000);
		add_rate(&tail, b, now_ms);
	}
	used = out->len + tail.len;
	if (!b->word && b->total > 0 && used + BAR_MIN + 4 <= width) {
		size_t room = width - used - 4;

		add_bar(out, b, room < BAR_MAX ? room : BAR_MAX);
	}
	/* Cut where even that does not fit. */
	if (out->len < width)
		buf_printf(out, "%.*s", (int)(width - out->len),
			   buf_str(&tail));
}

/* ---- The screen ---- */

static size_t terminal_width(void)
{
	struct winsize size;

	if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) < 0 || size.ws_col < 20)
		return 80;
	return size.ws_col;
}

static void wipe(struct progress *p)
{
	for (; p->drawn; p->drawn--)
		fputs("\033[A\r\033[K", stderr);
}

static void draw(struct progress *p)
{
	size_t width = terminal_width() - 1;
	long long now = clock_boot_ms();

	if (!p->show)
		return;
	wipe(p);
	for (size_t i = 0; i < PROGRESS_BARS; i++) {
		AUTO_BUF struct buf line = BUF_INIT(1024);

		if (!p->bars[i].name)
			continue;
		progress_line(&p->bars[i], now, width, &line);
		fprintf(stderr, "%s\n", buf_str(&line));
		p->drawn++;
	}
	p->drawn_ms = now;
	fflush(stderr);
}

int progress_begin(struct progress *p, const char *name)
{
	int bar = -1;

	pthread_mutex_lock(&p->lock);
	for (int i = 0; i < PROGRESS_BARS && bar < 0; i++)
		if (!p->bars[i].name)
			bar = i;
	if (bar >= 0) {
		p->bars[bar] = (struct progress_bar){
			.name = name, .word = "connecting", .first = -1
		};
		draw(p);
	}
	pthread_mutex_unlock(&p->lock);
	return bar;
}

void progress_set(struct progress *p, int bar, long long done, long long total)
{
	struct progress_bar *b;

	if (bar < 0)
		return;
	pthread_mutex_lock(&p->lock);
	b = &p->bars[bar];
	if (b->first < 0) {
		b->first = done;
		b->began_ms = clock_boot_ms();
	}
	b->word = NULL;
	b->done = done;
	b->total = total;
	if (clock_boot_ms() - p->drawn_ms >= REDRAW_MS)
		draw(p);
	pthread_mutex_unlock(&p->lock);
}

void progress_word(struct progress *p, int bar, const char *word)
{
	if (bar < 0)
		return;
	pthread_mutex_lock(&p->lock);
	p->bars[bar].word = word;
	draw(p);
	pthread_mutex_unlock(&p->lock);
}

void progress_end(struct progress *p, int bar)
{
	if (bar < 0)
		return;
	pthread_mutex_lock(&p->lock);
	p->bars[bar].name = NULL;
	draw(p);
	pthread_mutex_unlock(&p->lock);
}

void progress_say(struct progress *p, FILE *out, const char *fmt, ...)
{
	va_list ap;

	pthread_mutex_lock(&p->lock);
	wipe(p);
	va_start(ap, fmt);
	vfprintf(out, fmt, ap);
	va_end(ap);
	fflush(out);
	draw(p);
	pthread_mutex_unlock(&p->lock);
}
