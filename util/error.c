/*
 * error.c - error objects: a class, a text and an optional hint.
 *
 * Floor F0; below it GLib only.  Threads: an Error is owned by one thread at a time.
 * Invariant: the first error wins; error_set* on an *errp that is already set is ignored.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "util/error.h"

#include <stdarg.h>
#include <string.h>

struct Error {
    ErrorClass klass;
    char *text;
    char *hint;
};

static void error_setv(Error **errp, ErrorClass klass, int os_errno, const char *fmt, va_list ap)
{
    if (!errp || *errp) {
        return;
    }
    Error *err = g_new0(Error, 1);
    err->klass = klass;
    err->text = g_strdup_vprintf(fmt, ap);
    if (os_errno) {
        char *text = err->text;
        err->text = g_strdup_printf("%s: %s", text, g_strerror(os_errno));
        g_free(text);
    }
    *errp = err;
}

void error_setg(Error **errp, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    error_setv(errp, ERROR_CLASS_GENERIC_ERROR, 0, fmt, ap);
    va_end(ap);
}

void error_setg_errno(Error **errp, int os_errno, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    error_setv(errp, ERROR_CLASS_GENERIC_ERROR, os_errno, fmt, ap);
    va_end(ap);
}

void error_set(Error **errp, ErrorClass klass, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    error_setv(errp, klass, 0, fmt, ap);
    va_end(ap);
}

void error_append_hint(Error **errp, const char *fmt, ...)
{
    if (!errp || !*errp) {
        return;
    }
    va_list ap;
    va_start(ap, fmt);
    char *more = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    char *old = (*errp)->hint;
    (*errp)->hint = g_strconcat(old ? old : "", more, NULL);
    g_free(old);
    g_free(more);
}

void error_prepend(Error **errp, const char *fmt, ...)
{
    if (!errp || !*errp) {
        return;
    }
    va_list ap;
    va_start(ap, fmt);
    char *front = g_strdup_vprintf(fmt, ap);
    va_end(ap);
    char *old = (*errp)->text;
    (*errp)->text = g_strconcat(front, old, NULL);
    g_free(old);
    g_free(front);
}

void error_propagate(Error **dst, Error *src)
{
    if (!src) {
        return;
    }
    if (!dst || *dst) {
        error_free(src);
        return;
    }
    *dst = src;
}

const char *error_get_pretty(const Error *err)
{
    return err->text;
}

const char *error_get_hint(const Error *err)
{
    return err->hint;
}

ErrorClass error_get_class(const Error *err)
{
    return err->klass;
}

const char *error_class_name(ErrorClass klass)
{
    static const char *const names[] = {
        [ERROR_CLASS_GENERIC_ERROR] = "GenericError",
        [ERROR_CLASS_COMMAND_NOT_FOUND] = "CommandNotFound",
        [ERROR_CLASS_DEVICE_NOT_ACTIVE] = "DeviceNotActive",
        [ERROR_CLASS_DEVICE_NOT_FOUND] = "DeviceNotFound",
        [ERROR_CLASS_KVM_MISSING_CAP] = "KVMMissingCap",
    };
    return names[klass];
}

Error *error_copy(const Error *err)
{
    Error *copy = g_new0(Error, 1);
    copy->klass = err->klass;
    copy->text = g_strdup(err->text);
    copy->hint = g_strdup(err->hint);
    return copy;
}

void error_free(Error *err)
{
    if (err) {
        g_free(err->text);
        g_free(err->hint);
        g_free(err);
    }
}
