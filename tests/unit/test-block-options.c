/*
 * test-block-options.c - what -blockdev and -drive accept, and what they say of the rest.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "block/block.h"
#include "lib-layer-machine.h"
#include "system/machine.h"
#include "util/keyval.h"

static char *image;     /* a file of 64 KiB */

/* '@' in a text stands for the image's path. */
static json_t *parse(const char *text, const char *implied)
{
    g_auto(GStrv) parts = g_strsplit(text, "@", -1);
    g_autofree char *full = g_strjoinv(image, parts);
    json_t *options = keyval_parse(full, implied, NULL);
    g_assert_nonnull(options);
    return options;
}

typedef struct Case {
    const char *options;
    const char *error;      /* part of the error's text; NULL: it works */
} Case;

typedef bool TryFunc(Machine *m, const json_t *options, Error **errp);

static bool try_node(Machine *m, const json_t *options, Error **errp)
{
    return block_node_new(m, options, errp) != NULL;
}

static bool try_drive(Machine *m, const json_t *options, Error **errp)
{
    return block_drive_new(m, options, errp) != NULL;
}

static void count(const BlockInfo *info, void *opaque)
{
    ++*(unsigned *)opaque;
}

static void run_cases(const Case *cases, size_t n, const char *implied, TryFunc *try)
{
    for (size_t i = 0; i < n; i++) {
        Machine *m = block_machine_new(false);
        Error *err = NULL;
        unsigned nodes = 0;
        json_t *options = parse(cases[i].options, implied);
        bool ok = try(m, options, &err);
        const char *text = err ? error_get_pretty(err) : "no error";
        if (ok != !cases[i].error || (!ok && !strstr(text, cases[i].error))) {
            g_test_message("%s: %s", cases[i].options, text);
            g_test_fail();
        }
        if (!ok) {
            /* What failed has left nothing behind. */
            block_node_foreach(m, count, &nodes);
            blk_foreach(m, count, &nodes);
            g_assert_cmpuint(nodes, ==, 0);
        }
        error_free(err);
        json_decref(options);
        layer_machine_free(m);
    }
}

static void test_blockdev(void)
{
    static const Case cases[] = {
        { "{\"driver\":\"file\",\"filename\":\"@\",\"node-name\":\"libvirt-1-storage\","
          "\"auto-read-only\":true,\"discard\":\"unmap\",\"cache\":{\"direct\":false,\"no-flush\":true},"
          "\"read-only\":false}",
          NULL },
        { "{\"node-name\":\"f\",\"driver\":\"raw\",\"read-only\":false,\"file\":{\"driver\":\"file\","
          "\"filename\":\"@\",\"aio\":\"threads\",\"locking\":\"auto\"}}",
          NULL },
        { "{\"node-name\":\"f\",\"driver\":\"raw\",\"offset\":512,\"size\":1024,\"file\":{\"driver\":"
          "\"null-co\"}}",
          NULL },
        { "file,node-name=a,filename=@,locking=on,aio=io_uring,detect-zeroes=on", NULL },
        { "file,node-name=a,filename=@,read-only=on,force-share=on", NULL },
        { "null-co,node-name=a,size=1M,read-zeroes=on,latency-ns=5", NULL },
        { "null-aio,node-name=a", NULL },
        { "raw,node-name=a,file.driver=file,file.filename=@,size=64k", NULL },

        { "file,filename=@", "node-name" },
        { "node-name=a,filename=@", "'driver'" },
        { "floppy,node-name=a", "floppy" },
        { "qcow2,node-name=a,file.driver=file,file.filename=@", "qemu-storage-daemon" },
        { "file,node-name=a", "filename" },
        { "file,node-name=a,filename=", "filename" },
        { "file,node-name=1a,filename=@", "1a" },
        { "file,node-name=a/b,filename=@", "a/b" },
        { "file,node-name=abcdefghijklmnopqrstuvwxyzabcdefgh,filename=@", "longer" },
        { "file,node-name=a,filename=/nonexistent/disk", "/nonexistent/disk" },
        { "file,node-name=a,filename=/", "directory" },
        { "file,node-name=a,filename=/dev/null", "regular file" },
        { "host_device,node-name=a,filename=@", "driver=file" },
        { "file,node-name=a,filename=@,aio=fast", "threads" },
        { "file,node-name=a,filename=@,aio=native", "cache.direct" },
        { "file,node-name=a,filename=@,locking=maybe", "maybe" },
        { "file,node-name=a,filename=@,discard=yes", "'yes'" },
        { "file,node-name=a,filename=@,detect-zeroes=unmap", "discard" },
        { "file,node-name=a,filename=@,detect-zeroes=please", "please" },
        { "file,node-name=a,filename=@,cache=none", "cache.direct" },
        { "file,node-name=a,filename=@,cache.writeback=on", "writeback" },
        { "file,node-name=a,filename=@,read-only=perhaps", "perhaps" },
        { "file,node-name=a,filename=@,force-share=on", "read-only" },
        { "file,node-name=a,filename=@,size=1M", "size" },
        { "null-co,node-name=a,size=-1", "size" },
        { "null-co,node-name=a,size=9E", "size" },
        { "raw,node-name=a", "file" },
        { "raw,node-name=a,file=nobody", "nobody" },
        { "raw,node-name=a,offset=1,file.driver=null-co", "512" },
        { "raw,node-name=a,offset=128k,file.driver=file,file.filename=@", "131072" },
        { "raw,node-name=a,offset=512,size=64k,file.driver=file,file.filename=@", "65536" },
        { "raw,node-name=a,file.driver=file,file.filename=@,file.read-only=on", "read-only" },
        { "{\"driver\":\"raw\",\"node-name\":\"a\",\"file\":7}", "file" },
        { "{\"driver\":\"file\",\"node-name\":\"a\",\"filename\":7}", "filename" },
    };
    run_cases(cases, G_N_ELEMENTS(cases), "driver", try_node);
}

static void test_drive(void)
{
    static const Case cases[] = {
        { "file=@", NULL },
        { "file=@,if=none,id=d,format=raw,cache=writeback,aio=threads,serial=S1,werror=report,rerror=ignore",
          NULL },
        { "file=@,if=virtio,cache=unsafe,discard=unmap,detect-zeroes=unmap,index=0,media=disk",
          NULL },
        { "file=@,if=pflash,unit=0,readonly=on", NULL },
        { "file=@,if=none,cache=directsync,readonly=on,snapshot=off", NULL },
        { "file=file:@,if=none", NULL },
        { "driver=null-co,if=none,size=1M", NULL },
        { "file.driver=file,file.filename=@,if=none", NULL },
        { "file.filename=@,if=none,cache.direct=off,cache.no-flush=on", NULL },
        { "file=@,media=cdrom,if=none", NULL },

        { "if=none,id=d", "file=" },
        { "file=/nonexistent/disk", "/nonexistent/disk" },
        { "file=@,if=ide", "virtio or pflash" },
        { "file=@,format=qcow2", "qemu-storage-daemon" },
        { "file=@,format=raw,driver=file", "together" },
        { "file=@,cache=fast", "writethrough" },
        { "file=@,snapshot=on", "snapshot" },
        { "file=@,if=none,werror=stop,rerror=stop", NULL },
        { "file=@,if=none,werror=enospc,rerror=auto", NULL },
        { "file=@,if=pflash,werror=stop", "werror=stop" },
        { "file=@,rerror=panic", "panic" },
        { "file=@,rerror=enospc", "report, ignore or stop" },
        { "file=@,copy-on-read=on", "copy-on-read" },
        { "file=@,media=tape", "tape" },
        { "file=@,colour=red", "colour" },
        { "file=@,unit=x", "unit" },
        { "{\"file\":true}", "file" },
        { "{\"file\":{\"driver\":\"file\"}}", "filename" },
    };
    run_cases(cases, G_N_ELEMENTS(cases), NULL, try_drive);
}

typedef struct Wanted {
    const char *name;
    bool found;
    BlockInfo info;
} Wanted;

static void find(const BlockInfo *info, void *opaque)
{
    Wanted *w = opaque;
    if (strcmp(info->device, w->name) == 0) {
        w->info = *info;
        w->found = true;
    }
}

static void test_meaning(void)
{
    Machine *m = block_machine_new(false);
    json_t *options = parse("file=@,if=none,id=d,cache=writethrough,serial=abc", NULL);
    BlockBackend *blk = block_drive_new(m, options, NULL);
    Error *err = NULL;
    g_assert_nonnull(blk);
    g_assert_true(blk_find(m, "d") == blk);
    g_assert_false(blk_write_cache(blk));
    g_assert_cmpstr(blk_serial(blk), ==, "abc");
    g_assert_cmpuint(blk_length(blk), ==, 65536);
    Wanted w = { .name = "d" };
    blk_foreach(m, find, &w);
    g_assert_true(w.found);
    g_assert_cmpstr(w.info.driver, ==, "raw");
    g_assert_cmpstr(w.info.file, ==, image);
    g_assert_null(w.info.qdev);
    g_assert_false(w.info.cache_writeback);
    g_assert_cmpuint(w.info.size, ==, 65536);
    /* The same id, as a drive or as a node, is taken. */
    g_assert_null(block_drive_new(m, options, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "'d'"));
    g_clear_pointer(&err, error_free);
    json_decref(options);
    options = parse("null-co,node-name=d", "driver");
    g_assert_null(block_node_new(m, options, &err));
    g_clear_pointer(&err, error_free);
    json_decref(options);
    /* Names that drives get by themselves. */
    options = parse("driver=null-co,if=pflash", NULL);
    g_assert_nonnull(block_drive_new(m, options, NULL));
    g_assert_nonnull(block_drive_new(m, options, NULL));
    g_assert_nonnull(blk_find(m, "pflash0"));
    g_assert_nonnull(blk_find(m, "pflash1"));
    json_decref(options);
    /* A node has one user. */
    options = parse("null-co,node-name=n", "driver");
    g_assert_nonnull(block_node_new(m, options, NULL));
    g_assert_null(block_node_new(m, options, &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "Duplicate"));
    g_clear_pointer(&err, error_free);
    json_decref(options);
    options = parse("raw,node-name=r,file=n", "driver");
    g_assert_nonnull(block_node_new(m, options, NULL));
    g_assert_null(blk_attach(m, "n", "/dev0", &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "'r'"));
    g_clear_pointer(&err, error_free);
    g_assert_null(blk_attach(m, "missing", "/dev0", &err));
    g_assert_nonnull(strstr(error_get_pretty(err), "missing"));
    error_free(err);
    json_decref(options);
    layer_machine_free(m);
}

static void test_names(void)
{
    const char *const *names = block_driver_names();
    for (int i = 0; names[i]; i++) {
        Machine *m = block_machine_new(false);
        json_t *options = json_pack("{ss ss ss}", "driver", names[i], "node-name", "n",
                                    "no-such-key", "");
        Error *err = NULL;
        /* Each name is known: it is the key that is refused. */
        g_assert_null(block_node_new(m, options, &err));
        g_assert_nonnull(strstr(error_get_pretty(err), "no-such-key"));
        error_free(err);
        json_decref(options);
        layer_machine_free(m);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    int fd = g_file_open_tmp("godwit-options-XXXXXX", &image, NULL);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(ftruncate(fd, 65536), ==, 0);
    close(fd);
    g_test_add_func("/block/options/blockdev", test_blockdev);
    g_test_add_func("/block/options/drive", test_drive);
    g_test_add_func("/block/options/meaning", test_meaning);
    g_test_add_func("/block/options/names", test_names);
    int status = g_test_run();
    unlink(image);
    g_free(image);
    return status;
}
