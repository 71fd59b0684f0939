#include "sys/memory.h"

#include <assert.h>
#include <link.h>
#include <malloc.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum {
	LARGE_BYTES = 8 * 1024,
	STACK_BYTES = 1024 * 1024,
	SEGMENTS_MAX = 16,
};

void memory_begin_small(void)
{
	(void)mallopt(M_MMAP_THRESHOLD, LARGE_BYTES);
	(void)mallopt(M_TOP_PAD, 0);
}

/* An address that the kernel or the linker gave as a number. */
static void drop(uintptr_t start, size_t len)
{
	void *place;

	static_assert(sizeof(place) == sizeof(start), "numbers hold addresses");
	memcpy(&place, &start, sizeof(place));
	(void)madvise(place, len, MADV_DONTNEED);
}

/* One object's segments that are mapped from its file and never written to:
 * relocated data has PF_W, also where it is read-only by now.  The table of
 * segments lies in one of them, so it is read before they go. */
static int drop_clean(struct dl_phdr_info *object, size_t size, void *page_arg)
{
	const uintptr_t page = *(const uintptr_t *)page_arg;
	struct {
		uintptr_t start;
		size_t len;
	} clean[SEGMENTS_MAX];
	size_t count = 0;

	(void)size;
	for (size_t i = 0; i < object->dlpi_phnum && count < SEGMENTS_MAX;
	     i++) {
		const ElfW(Phdr) *p = &object->dlpi_phdr[i];
		uintptr_t start = object->dlpi_addr + p->p_vaddr;
		uintptr_t end = start + p->p_filesz;

		if (p->p_type != PT_LOAD || (p->p_flags & PF_W))
			continue;
		start = start / page * page;
		end = (end + page - 1) / page * page;
		clean[count].start = start;
		clean[count++].len = end - start;
	}
	for (size_t i = 0; i < count; i++)
		drop(clean[i].start, clean[i].len);
	return 0;
}

void memory_give_back(void)
{
	uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
	/* Not the page that this very function uses, nor the one below. */
	uintptr_t top = ((uintptr_t)__builtin_frame_address(0) / page - 2) *
			page;

	(void)malloc_trim(0);
	(void)dl_iterate_phdr(drop_clean, &page);
	/* What is not mapped of this is left out. */
	drop(top - STACK_BYTES, STACK_BYTES);
}
