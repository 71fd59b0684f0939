/*
 * Memory: how a process that has done its work, and will wait for hours, gives
 * back what that took.
 */
#ifndef QWD_SYS_MEMORY_H
#define QWD_SYS_MEMORY_H

/* For a process that is to stay small, before anything else: large blocks are
 * mapped by themselves, so that nothing of them is left when they are freed. */
void memory_begin_small(void);

/*
 * Give back free heap, stack that was used deeper down, and the pages of
 * programs and libraries that nobody has written to: those come back from the
 * file when they are needed (madvise(2), MADV_DONTNEED).  Nothing is lost.
 */
void memory_give_back(void);

#endif
