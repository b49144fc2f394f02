/*
 * process.c - daemonize, pid file, signals.
 *
 * Floor F6; below it POSIX and the runstate.  Main thread.  The few statics are the process's own, not
 * a machine's.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "cli/process.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "system/runstate.h"

static int ready_fd = -1;       /* the child's end of the pipe to the waiting parent */
static char *pidfile_path;
static int pidfile_fd = -1;
static struct termios terminal;  /* as it was at the start */

static void wait_for_child(int fd, pid_t child)
{
    char status;
    ssize_t n;
    do {
        n = read(fd, &status, 1);
    } while (n < 0 && errno == EINTR);
    if (n == 1) {
        _exit(0);
    }
    /* It has ended before it was ready: done, or it has said on stderr what was wrong. */
    int wstatus = 0;
    pid_t ended;
    do {
        ended = waitpid(child, &wstatus, 0);
    } while (ended < 0 && errno == EINTR);
    _exit(ended == child && WIFEXITED(wstatus) ? WEXITSTATUS(wstatus) : 1);
}

bool process_daemonize(Error **errp)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0) {
        error_setg_errno(errp, errno, "-daemonize: cannot make a pipe");
        return false;
    }
    pid_t child = fork();
    if (child < 0) {
        error_setg_errno(errp, errno, "-daemonize: cannot fork");
        return false;
    }
    if (child > 0) {
        close(fds[1]);
        wait_for_child(fds[0], child);
    }
    close(fds[0]);
    ready_fd = fds[1];
    setsid();
    umask(027);
    return true;
}

bool process_daemon_ready(Error **errp)
{
    if (ready_fd < 0) {
        return true;
    }
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) {
        error_setg_errno(errp, errno, "-daemonize: cannot open /dev/null");
        return false;
    }
    ssize_t n = write(ready_fd, "", 1);
    (void)n;    /* a parent that was killed meanwhile is no reason to end */
    close(ready_fd);
    ready_fd = -1;
    for (int fd = 0; fd <= 2; fd++) {
        dup2(null, fd);
    }
    close(null);
    return true;
}

bool process_write_pidfile(const char *path, Error **errp)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        error_setg_errno(errp, errno, "-pidfile %s: cannot create it", path);
        return false;
    }
    struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
    if (fcntl(fd, F_SETLK, &lock) < 0) {
        error_setg_errno(errp, errno, "-pidfile %s: another process holds it", path);
        close(fd);
        return false;
    }
    g_autofree char *text = g_strdup_printf("%ld\n", (long)getpid());
    if (ftruncate(fd, 0) < 0 || pwrite(fd, text, strlen(text), 0) != (ssize_t)strlen(text)) {
        error_setg_errno(errp, errno, "-pidfile %s: cannot write it", path);
        close(fd);
        return false;
    }
    pidfile_fd = fd;
    pidfile_path = g_canonicalize_filename(path, NULL);
    return true;
}

void process_remove_pidfile(void)
{
    if (pidfile_path) {
        unlink(pidfile_path);
        close(pidfile_fd);
        g_clear_pointer(&pidfile_path, g_free);
    }
}

void process_set_name(const char *name)
{
    if (name) {
        prctl(PR_SET_NAME, name);
    }
}

static const int end_signals[] = { SIGTERM, SIGINT, SIGHUP };

static void on_early_signal(int number)
{
    tcsetattr(STDIN_FILENO, TCSANOW, &terminal);
    /* The handler was for once: this time the signal ends the process. */
    raise(number);
}

void process_guard_terminal(void)
{
    struct sigaction action = { .sa_handler = on_early_signal, .sa_flags = SA_RESETHAND };
    if (tcgetattr(STDIN_FILENO, &terminal) < 0) {
        return;
    }
    for (size_t i = 0; i < G_N_ELEMENTS(end_signals); i++) {
        sigaction(end_signals[i], &action, NULL);
    }
}

static gboolean on_signal(gpointer opaque)
{
    Machine *m = opaque;
    system_shutdown_request(m, SHUTDOWN_CAUSE_HOST_SIGNAL, 0);
    return G_SOURCE_CONTINUE;
}

void process_handle_signals(Machine *m)
{
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    sigaction(SIGPIPE, &ignore, NULL);
    sigaction(SIGXFSZ, &ignore, NULL);      /* a write past the limit fails: a machine does not die of it */
    for (size_t i = 0; i < G_N_ELEMENTS(end_signals); i++) {
        GSource *source = g_unix_signal_source_new(end_signals[i]);
        g_source_set_callback(source, on_signal, m, NULL);
        g_source_attach(source, main_loop_context(m->loop));
        g_source_unref(source);
    }
}
