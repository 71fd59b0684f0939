/*
 * News of directories (inotify(7)): a descriptor that becomes readable when a
 * file comes into one of them.  It makes who waits quick, and no more: there
 * may be none (the kernel's limit of them for each user), and of what another
 * host does on a network's file system none comes.  So look from time to time,
 * too; and close it once nothing is waited for, since a user has few.
 */
#ifndef QWD_SYS_NEWS_H
#define QWD_SYS_NEWS_H

#include <stdint.h>
#include <sys/inotify.h>

/* A descriptor (close-on-exec, non-blocking) for news of the directory behind
 * `dir`; -1 if there is none, which is no error.  IN_MOVED_TO tells of files
 * that file_replace() has written, IN_CREATE of those that were made or linked
 * there. */
int news_of(int dir, uint32_t mask);

/* Of another directory, too.  Nothing if `news` is -1. */
void news_add(int news, int dir, uint32_t mask);

/* Forget what has come.  Nothing if `news` is -1. */
void news_read(int news);

#endif
