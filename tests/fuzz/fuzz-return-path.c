/*
 * fuzz-return-path.c - a destination that is not one: what it says reaches a machine that is being moved.
 *
 * The input: a byte, how much of the rest is said at once; what remains is said when the source has sent its last
 * word, or never.  Then it hangs up.  Whatever it said, the machine is here and runs, or was given away to one that
 * said READY and, behind GO, STARTED, or waits for an operator's word; and it can be moved again.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "migration/migration-internal.h"
#include "migration/register.h"
#include "migration/wire.h"
#include "system/memory.h"
#include "util/main-loop.h"

#define PAGES 2
#define MESSAGES_MAX 1024       /* bytes of one message's data */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int images_here = 1;     /* what the hooks were told */

static bool give_images(Machine *m, Error **errp)
{
    images_here--;
    return true;
}

static bool take_images(Machine *m, Error **errp)
{
    images_here++;
    return true;
}

static void announce(Machine *m)
{
}

static bool attach(Machine *m, Error **errp)
{
    static const MigrationHooks hooks = { give_images, take_images, announce };
    m->savevm = savevm_new(m);
    migration_set_hooks(migration_new(m), &hooks);
    return true;
}

static void reset(Machine *m)
{
}

static void detach(Machine *m)
{
    migration_free(m->migration);
    savevm_free(m->savevm);
    m->savevm = NULL;
}

static Machine *source(void)
{
    static const MachineLayerOps layers = { .attach = attach, .reset = reset, .detach = detach };
    static const MachineClass bare = { .name = "bare", .desc = "no harts", .layers = &layers };
    Machine *m = machine_new(&bare, machine_config_new(&bare), NULL);
    machine_lock(m);
    ram_block_new(m, "main", PAGES * TARGET_PAGE_SIZE, NULL);
    machine_unlock(m);
    json_t *told = json_pack("{si}", "avail-switchover-bandwidth", 1000000000);
    if (!machine_done(m, NULL)) {
        g_error("no machine");
    }
    machine_lock(m);
    if (!migration_set_options(m->migration, told, false, NULL)) {
        g_error("no options");
    }
    vm_start(m);
    machine_unlock(m);
    json_decref(told);
    return m;
}

/* ---- what it says, as the page on the stream has it ---- */

typedef struct Said {
    bool ready, started;        /* before anything that ends the talk */
    bool over;                  /* something that cannot be, or a refusal */
} Said;

static bool message_can_be(const Said *said, unsigned type, unsigned len)
{
    switch (type) {
    case MIG_RP_MSG_SHUT:
    case MIG_RP_MSG_PONG:
        return len == 4;
    case MIG_RP_GODWIT_READY:
        return len == 8;
    case MIG_RP_GODWIT_STARTED:
        return len == 0 && said->ready;
    case MIG_RP_GODWIT_ERROR:
        return len > 0;
    default:
        return false;
    }
}

static Said understand(const uint8_t *p, size_t size)
{
    Said said = { false, false, false };
    for (size_t at = 0; !said.over && at + 4 <= size;) {
        unsigned type = p[at] << 8 | p[at + 1], len = p[at + 2] << 8 | p[at + 3];
        at += 4;
        if (len > MESSAGES_MAX || !message_can_be(&said, type, len)) {
            said.over = true;
            break;
        }
        if (len > size - at) {
            break;
        }
        bool refusal = type == MIG_RP_MSG_SHUT && (p[at] | p[at + 1] | p[at + 2] | p[at + 3]);
        said.ready |= type == MIG_RP_GODWIT_READY;
        said.started |= type == MIG_RP_GODWIT_STARTED;
        said.over = refusal || type == MIG_RP_GODWIT_ERROR;
        at += len;
    }
    return said;
}

/* ---- the destination ---- */

static void say(int fd, const uint8_t *p, size_t size)
{
    if (size && send(fd, p, size, MSG_NOSIGNAL) != (ssize_t)size && errno != EPIPE && errno != ECONNRESET) {
        g_error("the input does not fit into the socket");
    }
}

/* Listens until the source's last word has come, or the source has hung up. */
static void hear_go(Machine *m, int fd)
{
    static const uint8_t go[] = { QEMU_VM_COMMAND, MIG_CMD_GODWIT_GO >> 8, MIG_CMD_GODWIT_GO & 0xff, 0, 0 };
    uint8_t buf[65536 + sizeof(go)] = { 0 };
    ssize_t n = 1;
    while (n > 0 && memcmp(buf, go, sizeof(go))) {
        struct pollfd p = { .fd = fd, .events = POLLIN };
        main_loop_iterate(m->loop, false);
        if (poll(&p, 1, 1) <= 0) {
            continue;
        }
        /* buf begins with the last bytes that were heard. */
        n = recv(fd, buf + sizeof(go), sizeof(buf) - sizeof(go), 0);
        if (n > 0) {
            memmove(buf, buf + n, sizeof(go));
        }
    }
}

/* ---- the end ---- */

static void check_end(Machine *m, const Said *first, const Said *all)
{
    MigrationInfoData info;
    machine_lock(m);
    MigrationState *s = m->migration;
    migration_query(s, &info);
    bool runs = runstate_is_running(m), completed = info.status == MIGRATION_STATUS_COMPLETED;
    bool doubt = info.handover == MIGRATION_HANDOVER_IN_DOUBT;
    if (!completed && info.status != MIGRATION_STATUS_FAILED) {
        g_error("it has not ended");
    }
    if (runs + completed + doubt != 1 || images_here != runs) {
        g_error("runs %d, completed %d, in doubt %d, images %d", runs, completed, doubt, images_here);
    }
    if ((completed && !(all->ready && all->started)) || (doubt && !first->ready)) {
        g_error("a machine was given away to one that had not said that it took it");
    }
    if (!completed && (!info.error_desc || !g_utf8_validate(info.error_desc, -1, NULL))) {
        g_error("no reason, or none that can be shown");
    }
    migration_info_clear(&info);
    if (!runs && (!migration_settle(s, true, NULL) || !runstate_is_running(m))) {
        g_error("an operator's word does not settle it");
    }
    machine_unlock(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static Machine *m;
    int ends[2];
    size_t at_once = size ? MIN(data[0], size - 1) : 0;
    const uint8_t *words = data + !!size;
    size -= !!size;
    const Said first = understand(words, at_once), all = understand(words, size);
    if (!m) {
        m = source();
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
        g_error("no sockets");
    }
    say(ends[1], words, at_once);
    machine_lock(m);
    MigrationAddress *address = migration_address_parse("fd:wire", NULL, NULL);
    if (!migration_start(m->migration, address, ends[0], MIGRATION_DISKS_STAY, NULL)) {
        g_error("it does not begin");
    }
    machine_unlock(m);
    if (first.ready && !first.over) {
        hear_go(m, ends[1]);
        say(ends[1], words + at_once, size - at_once);
    }
    shutdown(ends[1], SHUT_WR);
    while (m->migration->run) {
        main_loop_iterate(m->loop, true);
    }
    close(ends[1]);
    check_end(m, &first, &all);
    return 0;
}
