/*
 * QR codes (ISO/IEC 18004, by libqrencode) as SVG images.
 */
#ifndef QWD_WEB_QR_H
#define QWD_WEB_QR_H

#include "base/buf.h"
#include "base/err.h"

/*
 * Append a "data:" URL with an SVG image of the code for `text`: black on
 * white with the quiet zone, one path, a unit a module.  ERR_SYSTEM if the
 * text is too long for a code.
 */
MUST_CHECK int qr_data_url(const char *text, struct buf *out, struct err *e);

#endif
