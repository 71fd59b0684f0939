#include "web/qr.h"

#include <qrencode.h>
#include <stdbool.h>

#include "base/text.h"

enum { QUIET = 4, SVG_MAX = 256 * 1024 };

static bool is_dark(const QRcode *code, int x, int y)
{
	return code->data[y * code->width + x] & 1;
}

/* One horizontal line for each run of dark modules. */
static void draw_row(const QRcode *code, int y, struct buf *svg)
{
	for (int x = 0; x < code->width; x++) {
		int start = x;

		while (x < code->width && is_dark(code, x, y))
			x++;
		if (x > start)
			buf_printf(svg, "M%d %dh%d", start + QUIET, y + QUIET,
				   x - start);
	}
}

static void draw(const QRcode *code, struct buf *svg)
{
	int size = code->width + 2 * QUIET;

	buf_printf(svg,
		   "<svg xmlns=\"http://www.w3.org/2000/svg\" "
		   "viewBox=\"0 -.5 %d %d\" shape-rendering=\"crispEdges\">"
		   "<path fill=\"#fff\" d=\"M0-.5h%dv%dH0z\"/>"
		   "<path stroke=\"#000\" d=\"",
		   size, size, size, size);
	for (int y = 0; y < code->width; y++)
		draw_row(code, y, svg);
	buf_puts(svg, "\"/></svg>");
}

int qr_data_url(const char *text, struct buf *out, struct err *e)
{
	AUTO_BUF struct buf svg = BUF_INIT(SVG_MAX);
	QRcode *code = QRcode_encodeString8bit(text, 0, QR_ECLEVEL_M);

	if (!code)
		return err_sys(e, "cannot make a QR code");
	draw(code, &svg);
	QRcode_free(code);
	buf_puts(out, "data:image/svg+xml;base64,");
	text_base64(out, svg.data, svg.len);
	if (buf_failed(&svg) || buf_failed(out))
		return err_set(e, ERR_SYSTEM, "no memory for a QR code");
	return 0;
}
