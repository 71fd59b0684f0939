#include "vm/script_order.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/text.h"
#include "sys/file.h"

int script_order_make(const char *password, const char *script, struct err *e)
{
	AUTO_CLOSE int fd = memfd_create("order", MFD_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "memfd_create");
	/* Two strings, each with its NUL. */
	if (file_write_all(fd, password, strlen(password) + 1) < 0 ||
	    file_write_all(fd, script, strlen(script) + 1) < 0)
		return err_sys(e, "cannot write the order");
	return TAKE_FD(fd);
}

int script_order_read(int fd, struct script_order *ret, struct err *e)
{
	struct buf *b = &ret->bytes;
	struct stat st;
	const char *end;

	if (fstat(fd, &st) < 0)
		return err_sys(e, "order");
	if (st.st_size < 2 || st.st_size > SCRIPT_ORDER_MAX)
		return err_set(e, ERR_DAMAGED, "order: of a wrong size");
	/* At once, so that no copy is left behind by growing. */
	b->data = malloc((size_t)st.st_size + 1);
	if (!b->data)
		return err_set(e, ERR_SYSTEM, "no memory");
	b->room = (size_t)st.st_size + 1;
	if (pread(fd, b->data, (size_t)st.st_size, 0) != st.st_size)
		return err_sys(e, "order");
	b->len = (size_t)st.st_size;
	b->data[b->len] = '\0';
	end = b->data + strlen(b->data) + 1;
	if (end + strlen(end) + 1 != b->data + b->len ||
	    !text_is_utf8(b->data, strlen(b->data)) ||
	    !text_is_utf8(end, strlen(end)))
		return err_set(e, ERR_DAMAGED, "order: malformed");
	ret->password = b->data;
	ret->script = end;
	return 0;
}

void script_order_release(struct script_order *o)
{
	if (o->bytes.data)
		explicit_bzero(o->bytes.data, o->bytes.room);
	buf_release(&o->bytes);
	o->password = o->script = "";
}
