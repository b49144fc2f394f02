/*
 * virt-fdt.c - the device tree that describes the board to firmware and kernel.
 *
 * Lobby (hw/riscv), over libfdt.  Machine lock held.  Devicetree specification 0.4; the bindings are
 * Linux's.  libfdt puts each new node and property in front of its siblings, so everything is made in
 * the reverse of the order in which the finished tree shows it.
 *
 * Phandles: for each hart, from the last to the first, one for the hart and one for its interrupt
 * controller; then the PLIC, then the test finisher.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "virt.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <inttypes.h>
#include <libfdt.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "hw/gpex.h"
#include "hw/intc.h"
#include "hw/loader.h"
#include "hw/serial.h"
#include "target/riscv.h"

#define MAX_CELLS 128
#define DTB_ROOM 4096       /* for what is added to a tree given with -dtb */

/* A tree that grows; the first failure sticks and makes the rest do nothing. */
typedef struct Tree {
    Machine *m;
    VirtBoard *board;
    void *fdt;
    int err;                /* libfdt's code, 0 or negative */
    uint32_t next_phandle;
    uint32_t plic, test;    /* phandles */
    uint32_t *intc;         /* a hart's interrupt controller */
} Tree;

static void keep_error(Tree *t, int ret)
{
    if (ret < 0 && !t->err) {
        t->err = ret;
    }
}

/* ---- nodes and properties ---- */

static int add_node(Tree *t, int parent, const char *name)
{
    if (t->err) {
        return 0;
    }
    int node = fdt_add_subnode(t->fdt, parent, name);
    keep_error(t, node);
    return node;
}

/* Names like "serial@10000000". */
static int add_unit(Tree *t, int parent, const char *name, uint64_t addr)
{
    g_autofree char *unit = g_strdup_printf("%s@%" PRIx64, name, addr);
    return add_node(t, parent, unit);
}

static void set_bytes(Tree *t, int node, const char *name, const void *data, int len)
{
    if (!t->err) {
        keep_error(t, fdt_setprop(t->fdt, node, name, data, len));
    }
}

static void set_empty(Tree *t, int node, const char *name)
{
    set_bytes(t, node, name, NULL, 0);
}

static void set_string(Tree *t, int node, const char *name, const char *value)
{
    set_bytes(t, node, name, value, strlen(value) + 1);
}

static void set_cells(Tree *t, int node, const char *name, const uint32_t *cells, unsigned n)
{
    g_autofree fdt32_t *be = g_new(fdt32_t, n);
    for (unsigned i = 0; i < n; i++) {
        be[i] = cpu_to_fdt32(cells[i]);
    }
    set_bytes(t, node, name, be, n * sizeof(*be));
}

static void set_cell(Tree *t, int node, const char *name, uint32_t value)
{
    set_cells(t, node, name, &value, 1);
}

#define SET_CELLS(_t, _node, _name, ...) \
    set_cells(_t, _node, _name, (const uint32_t[]){ __VA_ARGS__ }, \
              sizeof((const uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))
#define CELLS64(_v) (uint32_t)((uint64_t)(_v) >> 32), (uint32_t)(_v)

static void set_reg(Tree *t, int node, uint64_t base, uint64_t size)
{
    SET_CELLS(t, node, "reg", CELLS64(base), CELLS64(size));
}

/* ---- harts ---- */

static void add_hart(Tree *t, int cpus, unsigned hart)
{
    CPUState *cpu = cpu_get(t->m, hart);
    int node = add_unit(t, cpus, "cpu", hart);
    uint32_t phandle = t->next_phandle++;

    set_string(t, node, "mmu-type", riscv_cpu_mmu_type(cpu));
    set_string(t, node, "riscv,isa", riscv_cpu_isa_string(cpu));
    set_string(t, node, "compatible", "riscv");
    set_string(t, node, "status", "okay");
    set_cell(t, node, "reg", hart);
    set_string(t, node, "device_type", "cpu");
    set_cell(t, node, "phandle", phandle);

    int intc = add_node(t, node, "interrupt-controller");
    t->intc[hart] = t->next_phandle++;
    set_cell(t, intc, "phandle", t->intc[hart]);
    set_string(t, intc, "compatible", "riscv,cpu-intc");
    set_empty(t, intc, "interrupt-controller");
    set_cell(t, intc, "#interrupt-cells", 1);

    g_autofree char *core_name = g_strdup_printf("core%u", hart);
    int cluster = t->err ? 0 : fdt_path_offset(t->fdt, "/cpus/cpu-map/cluster0");
    keep_error(t, cluster);
    int core = add_node(t, cluster, core_name);
    set_cell(t, core, "cpu", phandle);
}

static void add_harts(Tree *t)
{
    int cpus = add_node(t, 0, "cpus");
    set_cell(t, cpus, "timebase-frequency", RISCV_TIMEBASE_FREQ);
    set_cell(t, cpus, "#size-cells", 0);
    set_cell(t, cpus, "#address-cells", 1);
    int map = add_node(t, cpus, "cpu-map");
    add_node(t, map, "cluster0");
    for (unsigned hart = t->m->config->cpus; hart-- > 0; ) {
        add_hart(t, cpus, hart);
    }
}

/* interrupts-extended: two inputs of each hart's controller. */
static void set_hart_inputs(Tree *t, int node, uint32_t first, uint32_t second)
{
    unsigned n = t->m->config->cpus;
    g_autofree uint32_t *cells = g_new(uint32_t, 4 * n);
    for (unsigned i = 0; i < n; i++) {
        cells[4 * i] = cells[4 * i + 2] = t->intc[i];
        cells[4 * i + 1] = first;
        cells[4 * i + 3] = second;
    }
    set_cells(t, node, "interrupts-extended", cells, 4 * n);
}

/* ---- devices of /soc ---- */

static void add_clint(Tree *t, int soc)
{
    static const char compatible[] = "sifive,clint0\0riscv,clint0";
    int node = add_unit(t, soc, "clint", VIRT_CLINT);
    set_bytes(t, node, "compatible", compatible, sizeof(compatible));
    set_reg(t, node, VIRT_CLINT, VIRT_CLINT_SIZE);
    set_hart_inputs(t, node, RISCV_IRQ_M_SOFT, RISCV_IRQ_M_TIMER);
}

static void add_plic(Tree *t, int soc)
{
    static const char compatible[] = "sifive,plic-1.0.0\0riscv,plic0";
    int node = add_unit(t, soc, "plic", VIRT_PLIC);
    t->plic = t->next_phandle++;
    set_cell(t, node, "#interrupt-cells", 1);
    set_cell(t, node, "#address-cells", 0);
    set_bytes(t, node, "compatible", compatible, sizeof(compatible));
    set_empty(t, node, "interrupt-controller");
    set_hart_inputs(t, node, RISCV_IRQ_M_EXT, RISCV_IRQ_S_EXT);
    set_reg(t, node, VIRT_PLIC, SIFIVE_PLIC_SIZE);
    set_cell(t, node, "riscv,ndev", SIFIVE_PLIC_SOURCES);
    set_cell(t, node, "phandle", t->plic);
}

static void set_interrupt(Tree *t, int node, uint32_t source)
{
    set_cell(t, node, "interrupt-parent", t->plic);
    set_cell(t, node, "interrupts", source);
}

static void add_virtio(Tree *t, int soc)
{
    for (unsigned i = 0; i < VIRT_VIRTIO_COUNT; i++) {
        uint64_t base = VIRT_VIRTIO + i * VIRT_VIRTIO_STEP;
        int node = add_unit(t, soc, "virtio_mmio", base);
        set_string(t, node, "compatible", "virtio,mmio");
        set_reg(t, node, base, VIRT_VIRTIO_STEP);
        set_interrupt(t, node, VIRT_IRQ_VIRTIO + i);
    }
}

/* Pin p of slot n raises source (p + n) mod 4 of the four. */
static void set_interrupt_map(Tree *t, int node)
{
    uint32_t cells[MAX_CELLS], n = 0;
    for (uint32_t slot = 0; slot < 4; slot++) {
        for (uint32_t pin = 0; pin < 4; pin++) {
            cells[n++] = slot << 11;
            cells[n++] = 0;
            cells[n++] = 0;
            cells[n++] = pin + 1;
            cells[n++] = t->plic;
            cells[n++] = VIRT_IRQ_PCIE + (pin + slot) % 4;
        }
    }
    set_cells(t, node, "interrupt-map", cells, n);
    SET_CELLS(t, node, "interrupt-map-mask", 0x1800, 0, 0, 7);
}

static void add_pci(Tree *t, int soc)
{
    int node = add_unit(t, soc, "pci", VIRT_PCIE_ECAM);
    set_cell(t, node, "#address-cells", 3);
    set_cell(t, node, "#interrupt-cells", 1);
    set_cell(t, node, "#size-cells", 2);
    set_string(t, node, "compatible", "pci-host-ecam-generic");
    set_string(t, node, "device_type", "pci");
    set_cell(t, node, "linux,pci-domain", 0);
    SET_CELLS(t, node, "bus-range", 0, GPEX_ECAM_SIZE / (1 << 20) - 1);
    set_empty(t, node, "dma-coherent");
    set_reg(t, node, VIRT_PCIE_ECAM, GPEX_ECAM_SIZE);
    SET_CELLS(t, node, "ranges",
              0x1000000, CELLS64(0), CELLS64(VIRT_PCIE_PIO), CELLS64(GPEX_PIO_SIZE),
              0x2000000, CELLS64(VIRT_PCIE_MMIO), CELLS64(VIRT_PCIE_MMIO),
              CELLS64(VIRT_PCIE_MMIO_SIZE),
              0x3000000, CELLS64(t->board->high_mmio), CELLS64(t->board->high_mmio),
              CELLS64(VIRT_HIGH_MMIO_SIZE));
    set_interrupt_map(t, node);
}

static void add_test(Tree *t, int soc)
{
    static const char compatible[] = "sifive,test1\0sifive,test0\0syscon";
    int node = add_unit(t, soc, "test", VIRT_TEST);
    t->test = t->next_phandle++;
    set_bytes(t, node, "compatible", compatible, sizeof(compatible));
    set_reg(t, node, VIRT_TEST, VIRT_TEST_SIZE);
    set_cell(t, node, "phandle", t->test);
}

static void add_serial(Tree *t, int soc)
{
    int node = add_unit(t, soc, "serial", VIRT_UART);
    set_string(t, node, "compatible", "ns16550a");
    set_reg(t, node, VIRT_UART, VIRT_UART_SIZE);
    set_cell(t, node, "clock-frequency", SERIAL_CLOCK_HZ);
    set_interrupt(t, node, VIRT_IRQ_UART);
}

static void add_rtc(Tree *t, int soc)
{
    int node = add_unit(t, soc, "rtc", VIRT_RTC);
    set_string(t, node, "compatible", "google,goldfish-rtc");
    set_reg(t, node, VIRT_RTC, VIRT_RTC_SIZE);
    set_interrupt(t, node, VIRT_IRQ_RTC);
}

static void add_soc_devices(Tree *t)
{
    static void (*const adders[])(Tree *t, int soc) = {
        add_clint, add_plic, add_virtio, add_pci, add_test, add_serial, add_rtc,
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(adders); i++) {
        int soc = t->err ? 0 : fdt_path_offset(t->fdt, "/soc");
        keep_error(t, soc);
        adders[i](t, soc);
    }
}

/* ---- the rest of the root ---- */

static void add_platform_bus(Tree *t)
{
    static const char compatible[] = "qemu,platform\0simple-bus";
    int node = add_unit(t, 0, "platform-bus", VIRT_PLATFORM_BUS);
    set_bytes(t, node, "compatible", compatible, sizeof(compatible));
    set_cell(t, node, "#size-cells", 1);
    set_cell(t, node, "#address-cells", 1);
    SET_CELLS(t, node, "ranges", 0, CELLS64(VIRT_PLATFORM_BUS), VIRT_PLATFORM_BUS_SIZE);
    set_cell(t, node, "interrupt-parent", t->plic);
}

static void add_syscon(Tree *t, const char *name, const char *compatible, uint32_t value)
{
    int node = add_node(t, 0, name);
    set_string(t, node, "compatible", compatible);
    set_cell(t, node, "regmap", t->test);
    set_cell(t, node, "offset", 0);
    set_cell(t, node, "value", value);
}

/* An address in as many cells as it needs; both forms are allowed. */
static void set_initrd_address(Tree *t, int chosen, const char *name, uint64_t addr)
{
    if (addr >> 32) {
        SET_CELLS(t, chosen, name, CELLS64(addr));
    } else {
        set_cell(t, chosen, name, addr);
    }
}

void virt_fdt_seed(Machine *m, uint8_t seed[VIRT_RNG_SEED_SIZE])
{
    if (m->config->icount) {
        /* A run must repeat: any fixed bytes do. */
        for (unsigned i = 0; i < VIRT_RNG_SEED_SIZE; i++) {
            seed[i] = i * 37 + 11;
        }
        return;
    }
    for (size_t done = 0; done < VIRT_RNG_SEED_SIZE; ) {
        ssize_t n = getrandom(seed + done, VIRT_RNG_SEED_SIZE - done, 0);
        done += n > 0 ? n : 0;
    }
}

static void set_boot_choices(Tree *t, int chosen)
{
    const MachineConfig *config = t->m->config;
    uint8_t seed[VIRT_RNG_SEED_SIZE];

    if (config->append && *config->append) {
        set_string(t, chosen, "bootargs", config->append);
    }
    virt_fdt_seed(t->m, seed);
    set_bytes(t, chosen, "rng-seed", seed, sizeof(seed));
    if (t->board->initrd_end > t->board->initrd_start) {
        set_initrd_address(t, chosen, "linux,initrd-start", t->board->initrd_start);
        set_initrd_address(t, chosen, "linux,initrd-end", t->board->initrd_end);
    }
}

static void add_chosen(Tree *t)
{
    int node = add_node(t, 0, "chosen");
    g_autofree char *path = g_strdup_printf("/soc/serial@%x", VIRT_UART);
    set_string(t, node, "stdout-path", path);
    set_boot_choices(t, node);
}

static void add_flash(Tree *t)
{
    int node = add_unit(t, 0, "flash", VIRT_FLASH);
    set_string(t, node, "compatible", "cfi-flash");
    SET_CELLS(t, node, "reg", CELLS64(VIRT_FLASH), CELLS64(VIRT_FLASH_SIZE),
              CELLS64(VIRT_FLASH + VIRT_FLASH_SIZE), CELLS64(VIRT_FLASH_SIZE));
    set_cell(t, node, "bank-width", 4);
}

static void add_fw_cfg(Tree *t)
{
    int node = add_unit(t, 0, "fw-cfg", VIRT_FW_CFG);
    set_string(t, node, "compatible", "qemu,fw-cfg-mmio");
    set_reg(t, node, VIRT_FW_CFG, VIRT_FW_CFG_SIZE);
    set_empty(t, node, "dma-coherent");
}

/* SBI events 1 (cycles) and 2 (instructions) are counted by mcycle and minstret, and by nothing else. */
static void add_pmu(Tree *t)
{
    int node = add_node(t, 0, "pmu");
    set_string(t, node, "compatible", "riscv,pmu");
    SET_CELLS(t, node, "riscv,event-to-mhpmcounters", 1, 1, 1 << 0, 2, 2, 1 << 2);
}

static void build(Tree *t)
{
    set_string(t, 0, "model", "riscv-virtio,qemu");
    set_string(t, 0, "compatible", "riscv-virtio");
    set_cell(t, 0, "#size-cells", 2);
    set_cell(t, 0, "#address-cells", 2);

    int soc = add_node(t, 0, "soc");
    set_empty(t, soc, "ranges");
    set_string(t, soc, "compatible", "simple-bus");
    set_cell(t, soc, "#size-cells", 2);
    set_cell(t, soc, "#address-cells", 2);
    add_harts(t);
    int memory = add_unit(t, 0, "memory", VIRT_DRAM);
    set_reg(t, memory, VIRT_DRAM, t->m->config->ram_size);
    set_string(t, memory, "device_type", "memory");
    add_soc_devices(t);
    add_platform_bus(t);
    add_syscon(t, "reboot", "syscon-reboot", 0x7777);
    add_syscon(t, "poweroff", "syscon-poweroff", 0x5555);
    add_chosen(t);
    add_flash(t);
    add_fw_cfg(t);
    add_pmu(t);
}

/* ---- -dtb ---- */

/* The user's tree with room to spare; NULL with *errp set if the file is none. */
static void *load_dtb(const char *path, Error **errp)
{
    ImageSource *src = image_source_open(path, errp);
    if (!src) {
        return NULL;
    }
    if (src->size > VIRT_FDT_MAX_SIZE - DTB_ROOM) {
        error_setg(errp, "device tree '%s' has %" PRIu64 " bytes; at most %llu fit", path, src->size,
                   VIRT_FDT_MAX_SIZE - DTB_ROOM);
        image_source_free(src);
        return NULL;
    }
    uint64_t size = src->size;
    g_autofree uint8_t *raw = g_malloc(size + 1);
    bool ok = image_source_read(src, 0, raw, size, errp);
    image_source_free(src);
    if (!ok) {
        return NULL;
    }
    int ret = size < sizeof(struct fdt_header) ? -FDT_ERR_TRUNCATED : fdt_check_full(raw, size);
    void *fdt = g_malloc0(VIRT_FDT_MAX_SIZE);
    ret = ret ? ret : fdt_open_into(raw, fdt, VIRT_FDT_MAX_SIZE);
    if (ret) {
        error_setg(errp, "'%s' is not a device tree blob: %s", path, fdt_strerror(ret));
        g_free(fdt);
        return NULL;
    }
    return fdt;
}

static void complete_dtb(Tree *t)
{
    int chosen = fdt_path_offset(t->fdt, "/chosen");
    if (chosen < 0) {
        chosen = add_node(t, 0, "chosen");
    }
    set_boot_choices(t, chosen);
}

/* ---- the blob ---- */

static void find_seed(Tree *t)
{
    int len, chosen = fdt_path_offset(t->fdt, "/chosen");
    const void *seed = chosen < 0 ? NULL : fdt_getprop(t->fdt, chosen, "rng-seed", &len);
    t->board->fdt_seed_offset = seed && len == VIRT_RNG_SEED_SIZE
                                ? (int)((const char *)seed - (const char *)t->fdt) : -1;
}

void *virt_fdt_create(Machine *m, Error **errp)
{
    Tree t = { .m = m, .board = m->board, .next_phandle = 1 };
    if (m->config->dtb) {
        t.fdt = load_dtb(m->config->dtb, errp);
        if (!t.fdt) {
            return NULL;
        }
        complete_dtb(&t);
    } else {
        t.fdt = g_malloc0(VIRT_FDT_MAX_SIZE);
        t.intc = g_new0(uint32_t, m->config->cpus);
        keep_error(&t, fdt_create_empty_tree(t.fdt, VIRT_FDT_MAX_SIZE));
        build(&t);
        g_free(t.intc);
    }
    if (!t.err) {
        keep_error(&t, fdt_pack(t.fdt));
    }
    if (t.err) {
        error_setg(errp, "cannot make the device tree: %s", fdt_strerror(t.err));
        g_free(t.fdt);
        return NULL;
    }
    find_seed(&t);
    t.board->fdt_size = fdt_totalsize(t.fdt);
    return t.fdt;
}

bool virt_fdt_dump(const VirtBoard *board, const void *fdt, const char *path, Error **errp)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    ssize_t n = fd < 0 ? -1 : write(fd, fdt, board->fdt_size);
    int err = n < 0 ? errno : ENOSPC;
    if (fd >= 0 && close(fd) < 0 && n >= 0) {
        err = errno;
        n = -1;
    }
    if (n != (ssize_t)board->fdt_size) {
        error_setg_errno(errp, err, "cannot write the device tree to '%s'", path);
        return false;
    }
    return true;
}
