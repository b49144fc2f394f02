/*
 * wire.h - every constant that stands in a migration stream, with its layout; nothing else.
 *
 * Floor F2.  All integers are big-endian.  Numbers are those of QEMU 7.2 except where GODWIT stands in
 * the name; those are sent only after both sides have said that they understand them.
 *
 *   stream      = header, configuration, item…, EOF [, VMDESCRIPTION be32 length, JSON text]
 *   header      = be32 magic, be32 version
 *   configuration = u8 7, be32 length, machine name, subsection…
 *   START, FULL = u8 type, be32 section id, u8 length, idstr, be32 instance, be32 version, payload, footer
 *   PART, END   = u8 type, be32 section id, payload, footer
 *   footer      = u8 0x7e, be32 section id
 *   COMMAND     = u8 8, be16 command, be16 length, payload
 *   subsection  = u8 5, u8 length, name, be32 version, fields
 *   RAM record  = be64 page offset | flags [, u8 length, idstr unless CONTINUE], data
 *   way back    = be16 type, be16 length, payload
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef GODWIT_MIGRATION_WIRE_H
#define GODWIT_MIGRATION_WIRE_H

#define QEMU_VM_FILE_MAGIC 0x5145564du      /* "QEVM" */
#define QEMU_VM_FILE_VERSION 3

enum {
    QEMU_VM_EOF = 0x00,
    QEMU_VM_SECTION_START = 0x01,
    QEMU_VM_SECTION_PART = 0x02,
    QEMU_VM_SECTION_END = 0x03,
    QEMU_VM_SECTION_FULL = 0x04,
    QEMU_VM_SUBSECTION = 0x05,
    QEMU_VM_VMDESCRIPTION = 0x06,
    QEMU_VM_CONFIGURATION = 0x07,
    QEMU_VM_COMMAND = 0x08,
    QEMU_VM_SECTION_FOOTER = 0x7e,
};

/* RAM records: the low 12 bits of the first word. */
enum {
    RAM_SAVE_FLAG_ZERO = 0x02,          /* u8 fill byte */
    RAM_SAVE_FLAG_MEM_SIZE = 0x04,      /* total bytes; then u8 length, idstr, be64 bytes for each block */
    RAM_SAVE_FLAG_PAGE = 0x08,          /* 4096 bytes */
    RAM_SAVE_FLAG_EOS = 0x10,           /* ends the payload of every RAM section */
    RAM_SAVE_FLAG_CONTINUE = 0x20,      /* same block as the record before: no idstr */
    RAM_SAVE_FLAG_XBZRLE = 0x40,        /* u8 1, be16 length, delta */
    RAM_SAVE_FLAG_HOOK = 0x80,          /* u8 kind, be64 value; only over a channel with direct memory */
    RAM_SAVE_FLAG_COMPRESS_PAGE = 0x100,
    RAM_SAVE_FLAG_MULTIFD_FLUSH = 0x200,
    RAM_SAVE_FLAG_GODWIT_RUN = 0x800,   /* with ZERO or PAGE: be32 pages, then u8 fill byte or all pages' bytes */
};

/* Kinds of HOOK: what is said of pages that are written straight into the destination's memory. */
enum {
    RAM_GODWIT_HOOK_MARK = 1,           /* number: the destination says when it has read the stream up to here */
    RAM_GODWIT_HOOK_PLACED = 2,         /* so many pages have been written beside the stream; for counters */
};

/* Records of the disks' section: the low 9 bits of the first word; the rest is an offset in bytes. */
enum {
    BLK_MIG_FLAG_DEVICE_BLOCK = 0x01,   /* u8 length, name of the disk; without the flags below 1 MiB of data */
    BLK_MIG_FLAG_EOS = 0x02,            /* ends the payload of every section of disks */
    BLK_MIG_FLAG_PROGRESS = 0x04,       /* (offset / 512 is a percentage) */
    BLK_MIG_FLAG_ZERO_BLOCK = 0x08,     /* with DEVICE_BLOCK: the 1 MiB is zero */
    BLK_MIG_FLAG_GODWIT_SAME = 0x10,    /* with DEVICE_BLOCK: 16 bytes XXH3-128 of what the base image has there */
    BLK_MIG_FLAG_GODWIT_SIZE = 0x20,    /* with DEVICE_BLOCK: the offset is the disk's size */
};

/* Commands on the stream. */
enum {
    MIG_CMD_OPEN_RETURN_PATH = 1,       /* no payload */
    MIG_CMD_PING = 2,                   /* be32 value: the way back answers PONG with it */
    /* The source's last word: start the machine.  No payload.  Only after MIG_RP_GODWIT_READY. */
    MIG_CMD_GODWIT_GO = 0x4701,
    MIG_CMD_GODWIT_FILL = 0x4706,       /* any bytes, which mean nothing: they are sent to be timed */
};

/* Messages on the way back. */
enum {
    MIG_RP_MSG_SHUT = 1,                /* be32: 0, or the load failed */
    MIG_RP_MSG_PONG = 2,                /* be32 value of the PING */
    /* Everything is loaded and checked; the destination waits for GO.  be64 nanoseconds the load took. */
    MIG_RP_GODWIT_READY = 0x4701,
    /* The destination has taken the machine over: the source may forget it.  No payload. */
    MIG_RP_GODWIT_STARTED = 0x4702,
    /* Why the load failed: UTF-8 text, at most 1024 bytes, no NUL. */
    MIG_RP_GODWIT_ERROR = 0x4703,
};

/* Subsection of the configuration that says "I am Godwit and speak the handover": be32 flags. */
#define MIG_CONFIG_GODWIT "configuration/godwit"
#define MIG_CONFIG_GODWIT_HANDOVER 0x1u
#define MIG_CONFIG_GODWIT_RUNS 0x2u         /* RAM records may be runs of pages; only with HANDOVER */
/* Subsection of the configuration with validate-uuid: the 16 bytes of the machine's UUID. */
#define MIG_CONFIG_UUID "configuration/uuid"

#endif
