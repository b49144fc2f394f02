/*
 * test-fdt.c - the device tree, whole, against tests/data/virt.dts; several harts; -dtb and dumpdtb.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "virt-fixture.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <libfdt.h>

/* ---- a tree as text ---- */

/* True if the bytes are NUL-terminated strings of printable characters, none of them empty. */
static bool is_strings(const char *p, int len)
{
    if (len == 0 || p[len - 1] != '\0') {
        return false;
    }
    for (int i = 0; i < len; i++) {
        bool empty = p[i] == '\0' && (i == 0 || p[i - 1] == '\0');
        if (empty || (p[i] && !g_ascii_isprint(p[i]))) {
            return false;
        }
    }
    return true;
}

static void print_value(GString *out, const char *p, int len)
{
    if (is_strings(p, len)) {
        for (int i = 0; i < len; i += strlen(p + i) + 1) {
            g_string_append_printf(out, "%s\"%s\"", i ? ", " : " = ", p + i);
        }
    } else if (len) {
        g_string_append(out, " = <");
        for (int i = 0; i + 4 <= len; i += 4) {
            g_string_append_printf(out, "%s0x%x", i ? " " : "", fdt32_ld((const fdt32_t *)(p + i)));
        }
        g_string_append_c(out, '>');
    }
}

static void print_node(GString *out, const void *fdt, int node, int depth)
{
    int prop, child, len;
    g_string_append_printf(out, "%*s%s {\n", 4 * depth, "", depth ? fdt_get_name(fdt, node, NULL) : "/");
    fdt_for_each_property_offset(prop, fdt, node) {
        const char *name;
        const void *value = fdt_getprop_by_offset(fdt, prop, &name, &len);
        g_string_append_printf(out, "%*s%s", 4 * depth + 4, "", name);
        print_value(out, value, len);
        g_string_append(out, ";\n");
    }
    fdt_for_each_subnode(child, fdt, node) {
        g_string_append_c(out, '\n');
        print_node(out, fdt, child, depth + 1);
    }
    g_string_append_printf(out, "%*s};\n", 4 * depth, "");
}

static char *fdt_text(const void *fdt)
{
    GString *out = g_string_new("/dts-v1/;\n\n");
    print_node(out, fdt, 0, 0);
    return g_string_free(out, FALSE);
}

/* The blob that the guest sees: the boot ROM says where. The caller frees it. */
static void *guest_fdt(Machine *m)
{
    uint64_t at = bus_read(m, 0x1020, 8);
    uint32_t size = GUINT32_SWAP_LE_BE((uint32_t)bus_read(m, at + 4, 4));
    g_assert_cmpuint(size, <=, 1 << 20);
    void *fdt = g_malloc(size);
    g_assert_cmpint(address_space_read(m, at, fdt, size), ==, MEMTX_OK);
    g_assert_cmpint(fdt_check_full(fdt, size), ==, 0);
    return fdt;
}

/* ---- tests ---- */

static void test_golden(void)
{
    MachineConfig *config = virt_config();
    config->ram_size = 1ull << 30;
    Machine *m = virt_new(config);
    void *fdt = guest_fdt(m);
    char *text = fdt_text(fdt), *golden = NULL;
    GError *err = NULL;
    if (!g_file_get_contents("tests/data/virt.dts", &golden, NULL, &err)) {
        g_error("%s (run from the top of the tree)", err->message);
    }
    /* The golden file begins with a comment. */
    const char *tree = strstr(golden, "/dts-v1/");
    g_assert_nonnull(tree);
    if (strcmp(text, tree) != 0) {
        g_file_set_contents("build/virt-now.dts", text, -1, NULL);
    }
    g_assert_cmpstr(text, ==, tree);
    g_free(golden);
    g_free(text);
    g_free(fdt);
    fixture_free(m);
}

static uint32_t cell(const void *fdt, const char *path, const char *name, unsigned index)
{
    int len, node = fdt_path_offset(fdt, path);
    g_assert_cmpint(node, >=, 0);
    const fdt32_t *value = fdt_getprop(fdt, node, name, &len);
    g_assert_nonnull(value);
    g_assert_cmpint(len, >=, 4 * (index + 1));
    return fdt32_ld(value + index);
}

static void test_harts(void)
{
    MachineConfig *config = virt_config();
    config->cpus = 4;
    Machine *m = virt_new(config);
    void *fdt = guest_fdt(m);
    for (unsigned i = 0; i < 4; i++) {
        g_autofree char *cpu = g_strdup_printf("/cpus/cpu@%u", i);
        g_autofree char *intc = g_strdup_printf("/cpus/cpu@%u/interrupt-controller", i);
        g_autofree char *core = g_strdup_printf("/cpus/cpu-map/cluster0/core%u", i);
        uint32_t phandle = cell(fdt, cpu, "phandle", 0), wire = cell(fdt, intc, "phandle", 0);
        /* The last hart has the first phandles. */
        g_assert_cmpuint(phandle, ==, 2 * (3 - i) + 1);
        g_assert_cmpuint(wire, ==, phandle + 1);
        g_assert_cmpuint(cell(fdt, core, "cpu", 0), ==, phandle);
        g_assert_cmpuint(cell(fdt, "/soc/plic@c000000", "interrupts-extended", 4 * i), ==, wire);
        g_assert_cmpuint(cell(fdt, "/soc/plic@c000000", "interrupts-extended", 4 * i + 3), ==, 9);
        g_assert_cmpuint(cell(fdt, "/soc/clint@2000000", "interrupts-extended", 4 * i), ==, wire);
    }
    g_assert_cmpuint(cell(fdt, "/soc/plic@c000000", "phandle", 0), ==, 9);
    g_assert_cmpuint(cell(fdt, "/soc/test@100000", "phandle", 0), ==, 10);
    g_assert_cmpuint(cell(fdt, "/poweroff", "regmap", 0), ==, 10);
    g_free(fdt);
    fixture_free(m);
}

static void test_seed(void)
{
    uint32_t first[2];
    for (unsigned i = 0; i < 2; i++) {
        MachineConfig *config = virt_config();
        config->icount = false;
        Machine *m = virt_new(config);
        void *fdt = guest_fdt(m);
        first[i] = cell(fdt, "/chosen", "rng-seed", 7) ^ cell(fdt, "/chosen", "rng-seed", 3);
        g_free(fdt);
        /* Another one after a reset. */
        system_reset(m, SHUTDOWN_CAUSE_GUEST_RESET);
        fdt = guest_fdt(m);
        uint32_t next = cell(fdt, "/chosen", "rng-seed", 7) ^ cell(fdt, "/chosen", "rng-seed", 3);
        g_assert_cmphex(next, !=, first[i]);
        g_free(fdt);
        fixture_free(m);
    }
    g_assert_cmphex(first[0], !=, first[1]);
}

static void test_dumpdtb_and_dtb(void)
{
    MachineConfig *config = virt_config();
    char *path = temp_file("", 0);
    config->dumpdtb = g_strdup(path);
    Machine *m = virt_new(config);
    void *fdt = guest_fdt(m);
    char *dumped = NULL;
    gsize len;
    g_assert_true(g_file_get_contents(path, &dumped, &len, NULL));
    g_assert_cmpmem(dumped, len, fdt, fdt_totalsize(fdt));
    fixture_free(m);
    g_free(fdt);

    /* What was dumped can be given back, and takes the command line's additions. */
    config = virt_config();
    config->dtb = g_strdup(path);
    config->append = g_strdup("console=ttyS0");
    m = virt_new(config);
    fdt = guest_fdt(m);
    int chosen = fdt_path_offset(fdt, "/chosen");
    g_assert_cmpstr(fdt_getprop(fdt, chosen, "bootargs", NULL), ==, "console=ttyS0");
    g_assert_cmpuint(cell(fdt, "/soc/plic@c000000", "riscv,ndev", 0), ==, 96);
    g_free(fdt);
    fixture_free(m);

    for (gsize cut = 0; cut < len; cut += 97) {
        g_assert_true(g_file_set_contents(path, dumped, cut, NULL));
        config = virt_config();
        config->dtb = g_strdup(path);
        virt_fails(config, "is not a device tree blob");
    }
    config = virt_config();
    config->dtb = g_strdup("/nonexistent.dtb");
    virt_fails(config, "/nonexistent.dtb");
    config = virt_config();
    config->dumpdtb = g_strdup("/nonexistent/x.dtb");
    virt_fails(config, "cannot write the device tree to '/nonexistent/x.dtb'");
    g_unlink(path);
    g_free(path);
    g_free(dumped);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/fdt/golden", test_golden);
    g_test_add_func("/fdt/harts", test_harts);
    g_test_add_func("/fdt/seed", test_seed);
    g_test_add_func("/fdt/dumpdtb-and-dtb", test_dumpdtb_and_dtb);
    return g_test_run();
}
