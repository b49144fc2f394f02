/*
 * fdset.h - numbered sets of file descriptors, opened through paths /dev/fdset/N.
 *
 * Floor F0.  A management program hands descriptors in with -add-fd or QMP add-fd and then names the
 * set where a path is called for: the files may be out of this process's own reach.  One FdSets a
 * machine.  No lock of its own: the machine's lock guards it.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_UTIL_FDSET_H
#define GODWIT_UTIL_FDSET_H

#include <stdint.h>

#include "util/error.h"

typedef struct FdSets FdSets;

FdSets *fdsets_new(void);
/* Closes every descriptor; NULL is allowed. */
void fdsets_free(FdSets *sets);

/*
 * Puts fd, which the sets own from then on, into set *id; *id below 0 makes a new set and stores its
 * number there.  opaque (may be NULL) is text for fdsets_foreach.
 */
void fdsets_add(FdSets *sets, int64_t *id, int fd, const char *opaque);

/* Closes fd of set id, or all of the set if fd is below 0.  False with *errp if there is none such. */
bool fdsets_remove(FdSets *sets, int64_t id, int fd, Error **errp);

/* Calls fn for every descriptor, sets in order of their numbers. */
void fdsets_foreach(FdSets *sets,
                    void (*fn)(int64_t id, int fd, const char *opaque, void *user), void *user);

/* True for "/dev/fdset/…". */
bool fdset_is_path(const char *path);

/*
 * A duplicate of the first descriptor in the path's set whose access mode is that of flags (O_RDONLY,
 * O_WRONLY or O_RDWR; one opened for both serves any); O_CLOEXEC is set on it.  It shares the file
 * offset with the original.  The caller closes it.  -1 with *errp set if there is none.
 */
int fdsets_open(FdSets *sets, const char *path, int flags, Error **errp);

#endif
