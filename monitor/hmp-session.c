/*
 * hmp-session.c - a person at a terminal: prompt, line editing, commands.
 *
 * Floor F6; below it the commands and the line editor.  Main loop's thread, machine lock held.
 * Invariant: while a command runs the session stays; what it writes after a close is dropped.  The editor is
 * suspended exactly while there is a job.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "config-host.h"
#include "monitor/hmp-internal.h"
#include "monitor/monitor.h"
#include "monitor/readline.h"
#include "system/clock.h"
#include "trace/monitor.h"

/* What scripts and management programs wait for. */
#define PROMPT "(qemu) "
#define TICK_NS (200 * 1000 * 1000)

struct HmpSession {
    HmpContext ctx;
    Readline *rl;
    const HmpSessionOps *ops;
    void *opaque;
    bool open;
    bool hidden;            /* a mux shows something else */
    HmpJob job;             /* tick NULL: none */
    QEMUTimer *timer;       /* of the job; made when it is needed first */
};

static void session_write(void *opaque, const char *text, size_t len)
{
    HmpSession *session = opaque;
    if (session->open) {
        session->ops->write(session->opaque, text, len);
    }
}

static void session_line(void *opaque, const char *line)
{
    HmpSession *session = opaque;
    trace_hmp_line(line);
    hmp_execute(&session->ctx, line);
}

static GPtrArray *session_complete(void *opaque, const char *line, size_t *word_start)
{
    HmpSession *session = opaque;
    return hmp_complete(&session->ctx, line, word_start);
}

/* ---- a command that goes on ---- */

static void end_job(HmpSession *session)
{
    if (session->job.tick) {
        timer_del(session->timer);
        g_free(session->job.opaque);
        session->job = (HmpJob) { 0 };
    }
}

static void tick_in(HmpSession *session, int64_t delay_ns)
{
    timer_mod(session->timer, qemu_clock_get_ns(session->ctx.machine, QEMU_CLOCK_REALTIME) + delay_ns);
}

static void session_tick(void *opaque)
{
    HmpSession *session = opaque;
    if (session->hidden) {
        return;
    }
    if (!session->job.tick(&session->ctx, session->job.opaque)) {
        tick_in(session, TICK_NS);
        return;
    }
    end_job(session);
    readline_resume(session->rl);
    if (session->ops->accept) {
        session->ops->accept(session->opaque);
    }
}

static void session_interrupt(void *opaque)
{
    HmpSession *session = opaque;
    if (session->job.tick) {
        session->job.interrupt(&session->ctx, session->job.opaque);
        tick_in(session, 0);
    }
}

bool hmp_wait(HmpContext *ctx, const HmpJob *job)
{
    HmpSession *session = ctx->session;
    if (!session) {
        g_free(job->opaque);
        return false;
    }
    if (!session->timer) {
        session->timer = timer_new_ns(ctx->machine, QEMU_CLOCK_REALTIME, session_tick, session);
    }
    session->job = *job;
    readline_suspend(session->rl);
    tick_in(session, 0);
    return true;
}

/* ---- life ---- */

HmpSession *hmp_session_new(Machine *m, MonitorHub *hub, const HmpSessionOps *terminal, void *opaque)
{
    static const ReadlineOps ops = {
        .write = session_write, .line = session_line, .complete = session_complete,
        .interrupt = session_interrupt,
    };
    HmpSession *session = g_new0(HmpSession, 1);
    session->ops = terminal;
    session->opaque = opaque;
    session->rl = readline_new(PROMPT, HMP_LINE_MAX, &ops, session);
    session->ctx = (HmpContext) {
        .machine = m,
        .hub = hub,
        .mon = hub ? monitor_new_bare(hub) : NULL,
        .format = { .count = 1, .letter = 'x', .size = 4 },
        .history = readline_history(session->rl),
        .session = session,
        .write = session_write,
        .opaque = session,
    };
    return session;
}

void hmp_session_free(HmpSession *session)
{
    end_job(session);
    if (session->timer) {
        timer_free(session->timer);
    }
    if (session->ctx.mon) {
        monitor_free(session->ctx.mon);
    }
    readline_free(session->rl);
    g_free(session);
}

void hmp_session_open(HmpSession *session)
{
    session->open = true;
    session->hidden = false;
    end_job(session);
    readline_reset(session->rl);
    hmp_puts(&session->ctx, "Godwit " GODWIT_VERSION
             " monitor - type 'help' for more information\n" PROMPT);
}

void hmp_session_show(HmpSession *session)
{
    session->hidden = false;
    if (session->job.tick) {
        tick_in(session, 0);
    } else {
        readline_redraw(session->rl);
    }
}

void hmp_session_hide(HmpSession *session)
{
    session->hidden = true;
}

void hmp_session_close(HmpSession *session)
{
    session->open = false;
    end_job(session);
    readline_reset(session->rl);
}

void hmp_session_feed(HmpSession *session, const char *buf, size_t len)
{
    readline_feed(session->rl, buf, len);
}

size_t hmp_session_room(const HmpSession *session)
{
    return readline_room(session->rl);
}

/* ---- one line ---- */

static void append_text(void *opaque, const char *text, size_t len)
{
    g_string_append_len(opaque, text, len);
}

char *hmp_run_line(Machine *m, MonitorHub *hub, const char *line, int cpu_index)
{
    GString *out = g_string_new(NULL);
    HmpContext ctx = {
        .machine = m,
        .hub = hub,
        .mon = hub ? monitor_new_bare(hub) : NULL,
        .cpu_index = MAX(cpu_index, 0),
        .format = { .count = 1, .letter = 'x', .size = 4 },
        .write = append_text,
        .opaque = out,
    };
    trace_hmp_line(line);
    hmp_execute(&ctx, line);
    if (ctx.mon) {
        monitor_free(ctx.mon);
    }
    /* It goes into JSON: text that was cut within a character must not spoil that. */
    char *text = g_utf8_make_valid(out->str, out->len);
    g_string_free(out, TRUE);
    return text;
}

char *monitor_hmp_run(Machine *m, const char *line, int cpu_index)
{
    return hmp_run_line(m, monitor_hub_of(m), line, cpu_index);
}
