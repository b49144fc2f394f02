/*
 * error.h - the one way in which a function below the surface reports failure.
 *
 * Floor F0.  Convention of the house: `bool f(..., Error **errp)`, true is success.  `errp` may be
 * NULL (the caller does not care), and *errp must be NULL on entry: the first error wins and is
 * never overwritten.  No locks: an Error belongs to one thread at a time.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_UTIL_ERROR_H
#define GODWIT_UTIL_ERROR_H

#include <glib.h>
#include <stdbool.h>

/* The classes that the QMP protocol shows to a client; everything else is ERROR_CLASS_GENERIC. */
typedef enum ErrorClass {
    ERROR_CLASS_GENERIC_ERROR,
    ERROR_CLASS_COMMAND_NOT_FOUND,
    ERROR_CLASS_DEVICE_NOT_ACTIVE,
    ERROR_CLASS_DEVICE_NOT_FOUND,
    ERROR_CLASS_KVM_MISSING_CAP,
} ErrorClass;

typedef struct Error Error;

/* Sets *errp to a new error of class GenericError; the text has no trailing newline or full stop. */
void error_setg(Error **errp, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

/* As error_setg, with ": strerror(os_errno)" appended. */
void error_setg_errno(Error **errp, int os_errno, const char *fmt, ...) G_GNUC_PRINTF(3, 4);

/* As error_setg, with a class of the caller's choice. */
void error_set(Error **errp, ErrorClass klass, const char *fmt, ...) G_GNUC_PRINTF(3, 4);

/* Adds a second line that says what would be right; shown by the command line and HMP only. */
void error_append_hint(Error **errp, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

/* Puts text in front of an error already set in *errp; no effect if there is none. */
void error_prepend(Error **errp, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

/* Moves src (may be NULL) to *dst; frees src if *dst is already set or dst is NULL. */
void error_propagate(Error **dst, Error *src);

/* The text, owned by the error. */
const char *error_get_pretty(const Error *err);

/* The hint or NULL, owned by the error. */
const char *error_get_hint(const Error *err);

ErrorClass error_get_class(const Error *err);

/* The class's QMP name, e.g. "CommandNotFound"; a static string. */
const char *error_class_name(ErrorClass klass);

/* A copy that the caller frees. */
Error *error_copy(const Error *err);

/* Frees err; NULL is allowed. */
void error_free(Error *err);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Error, error_free)

#endif
