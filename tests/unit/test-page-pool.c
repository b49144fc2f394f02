/*
 * test-page-pool.c - jobs come back in order, whoever is slow; a thread that fails; an end in the middle.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#include "migration/page-pool.h"

typedef struct Job {
    unsigned number, result;
    bool fails;
} Job;

static atomic_uint states, worked;
static atomic_bool gate;        /* work waits until it is open */

static void *state_new(void *opaque, Error **errp)
{
    if (opaque && atomic_load(&states) == *(unsigned *)opaque) {
        error_setg(errp, "no state");
        return NULL;
    }
    atomic_fetch_add(&states, 1);
    return g_new0(int, 1);
}

static void state_free(void *state)
{
    atomic_fetch_sub(&states, 1);
    g_free(state);
}

/* The lower the number of a group of four, the longer it takes. */
static bool work(void *opaque, void *state, void *job, Error **errp)
{
    Job *j = job;
    while (!atomic_load(&gate)) {
        g_thread_yield();
    }
    for (unsigned i = 0; i < 4 - j->number % 4; i++) {
        g_thread_yield();
    }
    atomic_fetch_add(&worked, 1);
    j->result = j->number * 3;
    if (j->fails) {
        error_setg(errp, "job %u is too hard", j->number);
    }
    return !j->fails;
}

static const PagePoolOps ops = { state_new, state_free, work };

static PagePool *pool_new(unsigned threads, unsigned jobs)
{
    const PagePoolSize size = { .name = "test", .threads = threads, .jobs = jobs, .job_size = sizeof(Job) };
    atomic_store(&worked, 0);
    atomic_store(&gate, true);
    PagePool *pool = page_pool_new(&size, &ops, NULL, NULL);
    g_assert_nonnull(pool);
    g_assert_cmpuint(states, ==, threads);
    return pool;
}

/* Every third needs no work, and keeps its place all the same. */
static void submit(PagePool *pool, unsigned number)
{
    Job *j = page_pool_get(pool);
    g_assert_nonnull(j);
    g_assert_true(j == page_pool_get(pool));
    *j = (Job){ .number = number };
    page_pool_submit(pool, number % 3 == 0);
}

static unsigned take(PagePool *pool, bool wait, unsigned expected)
{
    bool failed;
    unsigned n = 0;
    const Job *j;
    while ((j = page_pool_oldest(pool, wait, &failed, NULL))) {
        g_assert_cmpuint(j->number, ==, expected + n);
        g_assert_cmpuint(j->result, ==, j->number % 3 == 0 ? 0 : j->number * 3);
        page_pool_release(pool);
        n++;
    }
    g_assert_false(failed);
    return n;
}

static void test_order(void)
{
    for (unsigned threads = 1; threads <= 5; threads += 2) {
        PagePool *pool = pool_new(threads, 2 * threads);
        unsigned taken = 0;
        for (unsigned number = 0; number < 200; number++) {
            while (!page_pool_get(pool)) {
                taken += take(pool, number % 7 == 0, taken);
            }
            submit(pool, number);
        }
        taken += take(pool, true, taken);
        g_assert_cmpuint(taken, ==, 200);
        g_assert_cmpuint(worked, ==, 200 - (200 + 2) / 3);
        page_pool_free(pool);
        g_assert_cmpuint(states, ==, 0);
    }
    page_pool_free(NULL);
}

/* The ring is full of jobs that wait, and is thrown away. */
static void test_thrown_away(void)
{
    PagePool *pool = pool_new(2, 6);
    bool failed;
    atomic_store(&gate, false);
    for (unsigned number = 1; page_pool_get(pool); number++) {
        submit(pool, number);
    }
    g_assert_null(page_pool_oldest(pool, false, &failed, NULL));
    g_assert_false(failed);
    atomic_store(&gate, true);
    page_pool_free(pool);
    g_assert_cmpuint(worked, <=, 6);
    g_assert_cmpuint(states, ==, 0);
}

static void test_failure(void)
{
    PagePool *pool = pool_new(3, 6);
    Error *err = NULL;
    bool failed = false;
    for (unsigned number = 1; number <= 6; number++) {
        Job *j = page_pool_get(pool);
        *j = (Job){ .number = number, .fails = number == 4 };
        page_pool_submit(pool, false);
    }
    while (!failed) {
        if (page_pool_oldest(pool, true, &failed, &err)) {
            page_pool_release(pool);
        }
    }
    g_assert_cmpstr(error_get_pretty(err), ==, "job 4 is too hard");
    error_free(err);
    /* And again: it is of no more use. */
    g_assert_null(page_pool_oldest(pool, true, &failed, NULL));
    g_assert_true(failed);
    page_pool_free(pool);
}

static void test_no_start(void)
{
    PagePoolSize size = { .name = "test", .threads = 4, .jobs = 8, .job_size = sizeof(Job) };
    unsigned limit = 2;
    Error *err = NULL;
    g_assert_null(page_pool_new(&size, &ops, &limit, &err));
    g_assert_cmpstr(error_get_pretty(err), ==, "no state");
    error_free(err);
    g_assert_cmpuint(states, ==, 0);
    err = NULL;
    size.job_size = SIZE_MAX / 4;
    g_assert_null(page_pool_new(&size, &ops, NULL, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "no memory for 8 batches"));
    error_free(err);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/page-pool/order", test_order);
    g_test_add_func("/page-pool/thrown-away", test_thrown_away);
    g_test_add_func("/page-pool/failure", test_failure);
    g_test_add_func("/page-pool/no-start", test_no_start);
    return g_test_run();
}
