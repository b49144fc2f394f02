/*
 * fuzz-dtb.c - device trees from nowhere: -dtb, on a machine that has a kernel, an initrd and arguments.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "fuzz-machine.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t blob[64];
    int tree, file;
    Error *err = NULL;
    MachineConfig *config = virt_config();
    config->ram_size = 16 << 20;
    config->dtb = fuzz_file(data, size, &tree);
    config->kernel = fuzz_file(blob, sizeof(blob), &file);
    config->initrd = g_strdup(config->kernel);
    config->append = g_strdup("console=ttyS0");
    Machine *m = machine_new(machine_class_find("virt"), config, &err);
    bool ok = m && machine_done(m, &err);
    if (ok != (err == NULL)) {
        g_error("result and error disagree");
    }
    error_free(err);
    if (m) {
        machine_free(m);
    }
    close(tree);
    close(file);
    return 0;
}
