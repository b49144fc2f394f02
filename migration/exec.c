/*
 * exec.c - migration through a child process: its standard input, or its standard output.
 *
 * Floor F2; below it descriptor channels and POSIX.
 * Threads: as for every channel; `pid` is reaped by the writer or reader in finish, a failed call or close.
 * A pipe leads to the child, one way.  Outgoing: the stream is the child's standard input, and what it prints
 * goes to our standard error.  Incoming: the stream is its standard output; its standard input is empty.
 * Invariant: the child's exit code is told: a stream that a failed child swallowed or cut short, or that one which
 * ended well did not read to its end, never counts as complete.  No child is left behind unreaped: shut down, it is sent SIGTERM, and SIGKILL when it is closed.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "migration/channel-internal.h"

#define EXEC_PIPE_BYTES (1024 * 1024)
/* After the pipe has broken, how long its end is waited for to learn the reason. */
#define EXEC_LAST_WORD_MS 1000
/* How long it has after SIGTERM, and how long SIGKILL is waited for. */
#define EXEC_TERM_MS 200
#define EXEC_KILL_MS 500

extern char **environ;

typedef struct ExecChannel {
    MigrationChannel parent;
    MigrationChannel *pipe;
    int pipe_fd;            /* the channel's */
    bool output;
    pid_t pid;
    int pidfd;              /* readable once the child has ended; -1: an old kernel */
    int wake_fd;            /* readable from shutdown on */
    bool reaped;
    int wstatus;            /* valid if reaped */
    _Atomic bool down;
} ExecChannel;

static ExecChannel *exec_channel(MigrationChannel *ch)
{
    return (ExecChannel *)ch;
}

/* ---- the child's end ---- */

static bool try_reap(ExecChannel *c)
{
    if (!c->reaped) {
        pid_t pid = waitpid(c->pid, &c->wstatus, WNOHANG);
        if (pid < 0 && errno == ECHILD) {
            c->wstatus = 0;     /* somebody else has seen its end */
        }
        c->reaped = pid == c->pid || (pid < 0 && errno == ECHILD);
    }
    return c->reaped;
}

/* Waits up to timeout_ms (-1: without end) for the child, and unless `to_the_end` for no longer than a shutdown. */
static bool wait_child(ExecChannel *c, int timeout_ms, bool to_the_end)
{
    gint64 end = g_get_monotonic_time() + timeout_ms * G_TIME_SPAN_MILLISECOND;
    while (!try_reap(c)) {
        struct pollfd p[2] = {
            { .fd = c->pidfd, .events = POLLIN },
            { .fd = to_the_end ? -1 : c->wake_fd, .events = POLLIN },
        };
        gint64 left = timeout_ms < 0 ? -1 : (end - g_get_monotonic_time() + 999) / 1000;
        if ((timeout_ms >= 0 && left <= 0) || (!to_the_end && atomic_load(&c->down))) {
            return false;
        }
        /* Without a pidfd we look a hundred times a second. */
        poll(p, 2, c->pidfd >= 0 ? (int)left : 10);
    }
    return true;
}

/* False with *errp set if the child has ended in any other way than with exit code 0. */
static bool check_status(ExecChannel *c, Error **errp)
{
    const char *name = c->parent.name;
    if (c->wstatus != 0 && atomic_load(&c->down)) {
        error_setg(errp, "the channel %s was shut down before its command had ended", name);
        return false;
    }
    if (WIFSIGNALED(c->wstatus)) {
        error_setg(errp, "the command of %s was killed by signal %d (%s)", name, WTERMSIG(c->wstatus),
                   g_strsignal(WTERMSIG(c->wstatus)));
        return false;
    }
    if (WEXITSTATUS(c->wstatus) == 127) {
        error_setg(errp, "the command of %s exited with status 127: was it found?", name);
        return false;
    }
    if (WEXITSTATUS(c->wstatus) != 0) {
        error_setg(errp, "the command of %s exited with status %d", name, WEXITSTATUS(c->wstatus));
        return false;
    }
    return true;
}

/* ---- bytes ---- */

static bool exec_writev(MigrationChannel *ch, struct iovec *iov, int niov, Error **errp)
{
    ExecChannel *c = exec_channel(ch);
    Error *err = NULL;
    if (c->pipe->ops->writev(c->pipe, iov, niov, &err)) {
        return true;
    }
    /* "Broken pipe" is what happened to us; the exit code is why. */
    if (!atomic_load(&c->down) && wait_child(c, EXEC_LAST_WORD_MS, false)) {
        if (!check_status(c, errp)) {
            error_free(err);
            return false;
        }
        error_prepend(&err, "the command ended before the stream did: ");
    }
    error_propagate(errp, err);
    return false;
}

static bool exec_read(MigrationChannel *ch, void *buf, size_t len, size_t *got, Error **errp)
{
    ExecChannel *c = exec_channel(ch);
    if (!c->pipe->ops->read(c->pipe, buf, len, got, errp)) {
        return false;
    }
    /* The end of the pipe: a child that failed has not written the end of a stream. */
    return *got > 0 || !wait_child(c, EXEC_LAST_WORD_MS, false) || check_status(c, errp);
}

/* ---- the end ---- */

/* By pidfd: a number may belong to another process once the child has been reaped. */
static void signal_child(ExecChannel *c, int sig)
{
    if (c->pidfd >= 0) {
        syscall(SYS_pidfd_send_signal, c->pidfd, sig, NULL, 0);
    } else if (!c->reaped) {
        kill(c->pid, sig);
    }
}

static void exec_shutdown(MigrationChannel *ch)
{
    ExecChannel *c = exec_channel(ch);
    uint64_t one = 1;
    atomic_store(&c->down, true);
    if (c->wake_fd >= 0) {
        (void)!write(c->wake_fd, &one, sizeof(one));
    }
    c->pipe->ops->shutdown(c->pipe);
    if (c->pidfd >= 0) {
        signal_child(c, SIGTERM);
    }
}

/* Gives the child its end of file and waits for what it made of it. */
static bool end_stream(ExecChannel *c, Error **errp)
{
    if (!c->pipe->ops->finish(c->pipe, errp)) {
        return false;
    }
    if (!wait_child(c, -1, false)) {
        c->wstatus = -1;    /* shut down: nothing is known of it, and nothing good is assumed */
    }
    return check_status(c, errp);
}

/*
 * A reading end of our own, to see what is left in the pipe when the child has ended.  Only now: had we had one
 * before, a write to a child that is gone would wait for ever instead of failing.  -1: there is no /proc.
 */
static int open_remains(const ExecChannel *c)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", c->pipe_fd);
    return open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

static bool exec_finish(MigrationChannel *ch, Error **errp)
{
    ExecChannel *c = exec_channel(ch);
    int left = 0;
    if (!c->output) {
        return true;
    }
    int remains = open_remains(c);
    bool ok = end_stream(c, errp);
    if (remains >= 0) {
        if (ok && ioctl(remains, FIONREAD, &left) == 0 && left > 0) {
            error_setg(errp, "the command of %s ended without having read the last %d bytes of the stream", ch->name,
                       left);
            ok = false;
        }
        close(remains);
    }
    return ok;
}

static void end_child(ExecChannel *c)
{
    if (!try_reap(c)) {
        signal_child(c, SIGTERM);
    }
    if (!wait_child(c, EXEC_TERM_MS, true)) {
        signal_child(c, SIGKILL);
        wait_child(c, EXEC_KILL_MS, true);
    }
}

static bool exec_close(MigrationChannel *ch, Error **errp)
{
    ExecChannel *c = exec_channel(ch);
    bool ok = c->pipe->ops->close(c->pipe, errp);
    end_child(c);
    if (c->pidfd >= 0) {
        close(c->pidfd);
    }
    if (c->wake_fd >= 0) {
        close(c->wake_fd);
    }
    g_free(ch->name);
    g_free(c);
    return ok;
}

static const MigrationChannelOps exec_channel_ops = {
    .writev = exec_writev,
    .read = exec_read,
    .shutdown = exec_shutdown,
    .finish = exec_finish,
    .close = exec_close,
};

/* ---- the beginning ---- */

static bool exec_parse(const char *rest, json_t *args, Error **errp)
{
    json_t *argv = json_pack("[s, s, s]", "/bin/sh", "-c", rest);
    if (!argv) {
        error_setg(errp, "exec: the command is not UTF-8");
        return false;
    }
    json_object_set_new(args, "args", argv);
    return true;
}

static bool exec_check(const json_t *args, Error **errp)
{
    static const MigrationArg keys[] = { { "args", JSON_ARRAY, true }, { NULL } };
    const json_t *arg;
    size_t i;
    if (!migration_args_check(args, keys, "exec", errp)) {
        return false;
    }
    const json_t *argv = json_object_get(args, "args");
    json_array_foreach(argv, i, arg) {
        if (!json_is_string(arg) || strlen(json_string_value(arg)) != json_string_length(arg)) {
            error_setg(errp, "exec: 'args' must be a list of strings without NUL bytes");
            return false;
        }
    }
    if (i == 0 || !json_string_value(json_array_get(argv, 0))[0] ||
        !json_string_value(json_array_get(argv, i - 1))[0]) {
        error_setg(errp, "exec: a command is expected");
        return false;
    }
    return true;
}

static char *exec_text(const json_t *args)
{
    GString *text = g_string_new(NULL);
    const json_t *arg;
    size_t i;
    json_array_foreach(json_object_get(args, "args"), i, arg) {
        g_string_append_printf(text, "%s%s", i ? " " : "", json_string_value(arg));
    }
    return g_string_free(text, FALSE);
}

/* Which of our descriptors become the child's 0 and 1; 2 stays what it is. */
static int spawn_actions(posix_spawn_file_actions_t *actions, bool output, int child_fd)
{
    int rc = posix_spawn_file_actions_init(actions);
    if (rc == 0 && output) {
        rc = posix_spawn_file_actions_adddup2(actions, child_fd, STDIN_FILENO);
        /* Our own standard output may be a monitor. */
        return rc ? rc : posix_spawn_file_actions_adddup2(actions, STDERR_FILENO, STDOUT_FILENO);
    }
    if (rc == 0) {
        rc = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        return rc ? rc : posix_spawn_file_actions_adddup2(actions, child_fd, STDOUT_FILENO);
    }
    return rc;
}

/* Starts the command with no signal blocked or ignored. 0 or an errno. */
static int spawn(char *const *argv, bool output, int child_fd, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int rc = spawn_actions(&actions, output, child_fd);
    if (rc) {
        return rc;
    }
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    rc = posix_spawnp(pid, argv[0], &actions, &attr, argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    return rc;
}

static char **make_argv(const json_t *args)
{
    GPtrArray *argv = g_ptr_array_new();
    const json_t *arg;
    size_t i;
    json_array_foreach(json_object_get(args, "args"), i, arg) {
        g_ptr_array_add(argv, g_strdup(json_string_value(arg)));
    }
    g_ptr_array_add(argv, NULL);
    return (char **)g_ptr_array_free(argv, FALSE);
}

static MigrationChannel *exec_open(const MigrationAddress *address, bool output, Error **errp)
{
    g_auto(GStrv) argv = make_argv(address->args);
    int fds[2];
    pid_t pid;
    if (pipe2(fds, O_CLOEXEC) < 0) {
        error_setg_errno(errp, errno, "cannot make a pipe for %s", address->uri);
        return NULL;
    }
    int ours = output ? fds[1] : fds[0], theirs = output ? fds[0] : fds[1];
    int rc = spawn(argv, output, theirs, &pid);
    close(theirs);
    if (rc) {
        close(ours);
        error_setg_errno(errp, rc, "cannot start '%s' for %s", argv[0], address->uri);
        return NULL;
    }
    fcntl(ours, F_SETPIPE_SZ, EXEC_PIPE_BYTES);     /* fewer wake-ups; the kernel may refuse */
    ExecChannel *c = g_new0(ExecChannel, 1);
    c->parent.ops = &exec_channel_ops;
    c->parent.name = g_strdup(address->uri);
    c->parent.file_like = true;
    c->output = output;
    c->pid = pid;
    c->pidfd = syscall(SYS_pidfd_open, pid, 0);
    c->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    c->pipe_fd = ours;
    c->pipe = migration_channel_new_fds(address->uri, output ? -1 : ours, output ? ours : -1);
    return &c->parent;
}

static MigrationChannel *exec_connect(const MigrationAddress *address, const MigrationConnectContext *ctx,
                                      Error **errp)
{
    return exec_open(address, true, errp);
}

static MigrationListener *exec_listen(const MigrationAddress *address, const MigrationConnectContext *ctx,
                                      Error **errp)
{
    MigrationChannel *ch = exec_open(address, false, errp);
    return ch ? migration_listener_new_ready(ch) : NULL;
}

const MigrationTransport migration_transport_exec = {
    .scheme = "exec",
    .transport = "exec",
    .parse = exec_parse,
    .check = exec_check,
    .text = exec_text,
    .connect = exec_connect,
    .listen = exec_listen,
};
