/*
 * vmstate-types.c - how each primitive type stands in the stream: put and get side by side.
 *
 * Floor F3; below it qemu-file and, for timers, the machine's clocks.  Context: machine stopped, lock
 * held.  Wire format: integers big-endian in their own width; bool one byte, 0 or 1; a timer is be64,
 * the absolute expiry in nanoseconds of its clock, all ones when it is not armed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <inttypes.h>
#include <string.h>

#include "migration/vmstate.h"
#include "system/clock.h"

/* A value that must equal what this machine has (VMS_MUST_EQUAL), or is taken over. */
static bool settle(int64_t here, int64_t arrived, const VMStateField *field, Error **errp)
{
    if ((field->flags & VMS_MUST_EQUAL) && here != arrived) {
        error_setg(errp, "%s: the stream has %" PRId64 " but this machine has %" PRId64, field->name,
                   arrived, here);
        return false;
    }
    return true;
}

#define DEFINE_INTEGER(NAME, TYPE, WIRE_TYPE, PUT, GET) \
    static bool put_##NAME(QEMUFile *f, const void *pv, const VMStateField *field, Error **errp) \
    { \
        TYPE v; \
        memcpy(&v, pv, sizeof(v)); \
        PUT(f, (WIRE_TYPE)v); \
        return true; \
    } \
    static bool get_##NAME(QEMUFile *f, void *pv, const VMStateField *field, Error **errp) \
    { \
        TYPE here, v = (TYPE)GET(f); \
        memcpy(&here, pv, sizeof(here)); \
        if (!settle((int64_t)here, (int64_t)v, field, errp)) { \
            return false; \
        } \
        memcpy(pv, &v, sizeof(v)); \
        return true; \
    } \
    const VMStateInfo vmstate_info_##NAME = { .name = #NAME, .get = get_##NAME, .put = put_##NAME };

DEFINE_INTEGER(int8, int8_t, uint8_t, qemu_put_byte, qemu_get_byte)
DEFINE_INTEGER(int16, int16_t, uint16_t, qemu_put_be16, qemu_get_be16)
DEFINE_INTEGER(int32, int32_t, uint32_t, qemu_put_be32, qemu_get_be32)
DEFINE_INTEGER(int64, int64_t, uint64_t, qemu_put_be64, qemu_get_be64)
DEFINE_INTEGER(uint8, uint8_t, uint8_t, qemu_put_byte, qemu_get_byte)
DEFINE_INTEGER(uint16, uint16_t, uint16_t, qemu_put_be16, qemu_get_be16)
DEFINE_INTEGER(uint32, uint32_t, uint32_t, qemu_put_be32, qemu_get_be32)
DEFINE_INTEGER(uint64, uint64_t, uint64_t, qemu_put_be64, qemu_get_be64)

static bool put_bool(QEMUFile *f, const void *pv, const VMStateField *field, Error **errp)
{
    qemu_put_byte(f, *(const bool *)pv);
    return true;
}

static bool get_bool(QEMUFile *f, void *pv, const VMStateField *field, Error **errp)
{
    uint8_t v = qemu_get_byte(f);
    if (v > 1) {
        error_setg(errp, "%s: a bool is 0 or 1, the stream has %u", field->name, v);
        return false;
    }
    *(bool *)pv = v;
    return true;
}

const VMStateInfo vmstate_info_bool = { .name = "bool", .get = get_bool, .put = put_bool };

static bool put_bytes(QEMUFile *f, const void *pv, const VMStateField *field, Error **errp)
{
    qemu_put_buffer(f, pv, field->size);
    return true;
}

static bool get_bytes(QEMUFile *f, void *pv, const VMStateField *field, Error **errp)
{
    qemu_get_buffer(f, pv, field->size);
    return true;
}

const VMStateInfo vmstate_info_buffer = { .name = "buffer", .get = get_bytes, .put = put_bytes };

static bool put_unused(QEMUFile *f, const void *pv, const VMStateField *field, Error **errp)
{
    for (size_t i = 0; i < field->size; i++) {
        qemu_put_byte(f, 0);
    }
    return true;
}

static bool get_unused(QEMUFile *f, void *pv, const VMStateField *field, Error **errp)
{
    for (size_t i = 0; i < field->size && !qemu_file_get_error(f); i++) {
        qemu_get_byte(f);
    }
    return true;
}

const VMStateInfo vmstate_info_unused_buffer = {
    .name = "unused_buffer", .get = get_unused, .put = put_unused,
};

static bool put_timer(QEMUFile *f, const void *pv, const VMStateField *field, Error **errp)
{
    qemu_put_be64(f, timer_expire_time_ns(*(QEMUTimer *const *)pv));
    return true;
}

static bool get_timer(QEMUFile *f, void *pv, const VMStateField *field, Error **errp)
{
    QEMUTimer *timer = *(QEMUTimer **)pv;
    uint64_t expire = qemu_get_be64(f);
    if (expire == TIMER_NEVER) {
        timer_del(timer);
    } else if (expire > INT64_MAX) {
        error_setg(errp, "%s: timer expiry 0x%" PRIx64 " ns is out of range", field->name, expire);
        return false;
    } else {
        timer_mod(timer, (int64_t)expire);
    }
    return true;
}

const VMStateInfo vmstate_info_timer = { .name = "timer", .get = get_timer, .put = put_timer };
