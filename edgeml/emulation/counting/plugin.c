/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A TCG plugin for qemu-user: the instructions of marked regions of a program, by class, and the bytes that it
 * loads and stores there.
 *
 *     qemu-aarch64 -plugin plugin.so,out=FILE PROGRAM
 *
 * The program marks a region by a system call that it makes for nothing else, sched_get_priority_min(N). First
 * N = 5: from then on code is translated with callbacks. Then N = 1, 2 or 3 begins a region of that kind and
 * N = 0 ends it. Each region that ends adds a line of numbers to FILE: the kind; for all threads the six classes
 * of decode.h, bytes loaded and bytes stored; the same again for the thread that ended it.
 *
 * Instructions are counted a translated block at a time, on entry; a block that a signal leaves early counts in
 * full. The system call that ends a region is counted, the one that begins it is not. What A32 and T32 skip
 * because its condition fails is counted as an instruction, and its bytes are not.
 *
 * QEMU's header is not installed with it, so the few functions used are declared here as its manual "QEMU TCG
 * Plugins" documents them. They are the same in versions 1 to 6 of the interface but for qemu_plugin_insn_data,
 * which copies from version 3 on.
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "decode.h"

#define EXPORT __attribute__((visibility("default")))

typedef uint64_t qemu_plugin_id_t;
typedef uint32_t qemu_plugin_meminfo_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { CALLBACK_NO_REGISTERS = 0, MEMORY_READ_WRITE = 3 };

typedef struct {
    const char *target_name;
    struct {
        int min, cur;
    } version;
    bool system_emulation;
    int virtual_cpus[2];
} qemu_info_t;

typedef size_t (*copy_data_t)(const struct qemu_plugin_insn *instruction, void *to, size_t size);
typedef void (*block_callback_t)(unsigned int thread, void *data);
typedef void (*memory_callback_t)(unsigned int thread, qemu_plugin_meminfo_t info, uint64_t address, void *data);
typedef void (*translate_callback_t)(qemu_plugin_id_t id, struct qemu_plugin_tb *block);
typedef void (*syscall_callback_t)(qemu_plugin_id_t id, unsigned int thread, int64_t number, uint64_t a1,
                                   uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7,
                                   uint64_t a8);
typedef void (*simple_callback_t)(qemu_plugin_id_t id);

void qemu_plugin_reset(qemu_plugin_id_t id, simple_callback_t callback);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, translate_callback_t callback);
void qemu_plugin_register_vcpu_syscall_cb(qemu_plugin_id_t id, syscall_callback_t callback);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *block, block_callback_t callback, int flags,
                                          void *data);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *instruction, memory_callback_t callback, int flags,
                                      int reads_or_writes, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *block);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *block, size_t index);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *instruction);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *instruction);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *instruction);
unsigned int qemu_plugin_mem_size_shift(qemu_plugin_meminfo_t info);
bool qemu_plugin_mem_is_store(qemu_plugin_meminfo_t info);
/* Only versions from 2 on have it; it is never called. */
void *qemu_plugin_scoreboard_new(size_t size) __attribute__((weak));

EXPORT int qemu_plugin_version = 1;
EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv);

/* QEMU reads the version before it calls anything here, and refuses 1 where 2 came with other functions. */
__attribute__((constructor)) static void choose_version(void)
{
    if (qemu_plugin_scoreboard_new)
        qemu_plugin_version = 2;
}

enum { BYTES_LOADED = CLASSES, BYTES_STORED, COUNTERS };
enum { END = 0, PREPARE = 5 };
enum { MAX_THREADS = 1024, DC_ZVA_BYTES = 64 };

struct block {
    uint64_t counts[COUNTERS];
};

/* A line of the cache for each thread, which alone writes it. */
static struct block threads[MAX_THREADS] __attribute__((aligned(64)));
static volatile int counting;
static volatile int too_many_threads;
static int a64, copies_data;
static int64_t mark_number;
static FILE *results;

static void run_block(unsigned int thread, void *data)
{
    if (!counting)
        return;
    if (thread >= MAX_THREADS) {
        too_many_threads = 1;
        return;
    }
    const struct block *block = data;
    for (int i = 0; i < COUNTERS; i++)
        threads[thread].counts[i] += block->counts[i];
}

static void touch_memory(unsigned int thread, qemu_plugin_meminfo_t info, uint64_t address, void *data)
{
    (void)address, (void)data;
    if (!counting || thread >= MAX_THREADS)
        return;
    int counter = qemu_plugin_mem_is_store(info) ? BYTES_STORED : BYTES_LOADED;
    threads[thread].counts[counter] += UINT64_C(1) << qemu_plugin_mem_size_shift(info);
}

static void read_instruction(const struct qemu_plugin_insn *instruction, uint16_t halves[2])
{
    if (copies_data) {
        copy_data_t copy = (copy_data_t)(void (*)(void))qemu_plugin_insn_data;
        copy(instruction, halves, 2 * sizeof *halves);
    } else {
        memcpy(halves, qemu_plugin_insn_data(instruction), qemu_plugin_insn_size(instruction));
    }
}

/* A word that opens like a wide T32 instruction and may all the same be A32: one that is always executed (0xE),
 * where T32 has a register or a part of an immediate, and that is no BLX, which ends blocks of its own. */
static int may_be_a32(const uint16_t halves[2])
{
    int blx = (halves[0] & 0xF800) == 0xF000 && (halves[1] & 0xD001) == 0xC000;
    return halves[1] >> 12 == 0xE && !blx;
}

/* Whether a block of 32-bit ARM code is in T32 state, which QEMU does not tell: halfword instructions and odd
 * halfwords are T32's alone, first halfwords that open no wide instruction A32's. */
static int is_t32(const struct qemu_plugin_tb *block, size_t n)
{
    int a32 = 1;
    for (size_t i = 0; i < n; i++) {
        const struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(block, i);
        uint16_t halves[2] = {0, 0};
        if (qemu_plugin_insn_size(instruction) == 2 || qemu_plugin_insn_vaddr(instruction) % 4 != 0)
            return 1;
        read_instruction(instruction, halves);
        if (!is_t32_wide(halves[0]))
            return 0;
        a32 = a32 && may_be_a32(halves);
    }
    return !a32;
}

static void translate_block(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    size_t n = qemu_plugin_tb_n_insns(tb);
    /* Never freed: a translation may run for as long as the process does. */
    struct block *block = calloc(1, sizeof *block);
    if (!block)
        abort();
    int t32 = !a64 && is_t32(tb, n);
    for (size_t i = 0; i < n; i++) {
        struct qemu_plugin_insn *instruction = qemu_plugin_tb_get_insn(tb, i);
        uint16_t halves[2] = {0, 0};
        read_instruction(instruction, halves);
        uint32_t word = (uint32_t)halves[1] << 16 | halves[0];
        int class;
        if (a64)
            class = classify_a64(word);
        else if (!t32)
            class = classify_a32(word);
        else if (is_t32_wide(halves[0]))
            class = classify_t32(halves[0], halves[1]);
        else
            class = classify_t16(halves[0]);
        block->counts[class]++;
        if (a64 && is_dc_zva(word))
            block->counts[BYTES_STORED] += DC_ZVA_BYTES; /* QEMU's helper makes no memory callback */
        else if (class == LOAD || class == STORE || class == OTHER)
            qemu_plugin_register_vcpu_mem_cb(instruction, touch_memory, CALLBACK_NO_REGISTERS, MEMORY_READ_WRITE,
                                             NULL);
    }
    qemu_plugin_register_vcpu_tb_exec_cb(tb, run_block, CALLBACK_NO_REGISTERS, block);
}

static void write_region(uint64_t kind, unsigned int thread)
{
    struct block all;
    memset(&all, 0, sizeof all);
    for (int t = 0; t < MAX_THREADS; t++)
        for (int i = 0; i < COUNTERS; i++)
            all.counts[i] += threads[t].counts[i];
    fprintf(results, "%" PRIu64, kind);
    for (int i = 0; i < COUNTERS; i++)
        fprintf(results, " %" PRIu64, all.counts[i]);
    for (int i = 0; i < COUNTERS; i++)
        fprintf(results, " %" PRIu64, threads[thread].counts[i]);
    fprintf(results, "%s\n", too_many_threads ? " too-many-threads" : "");
    fflush(results);
}

static void on_syscall(qemu_plugin_id_t id, unsigned int thread, int64_t number, uint64_t a1, uint64_t a2,
                       uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8);

/* Called once QEMU has dropped its translations and callbacks: the program has run at full speed until here. */
static void instrument(qemu_plugin_id_t id)
{
    qemu_plugin_register_vcpu_tb_trans_cb(id, translate_block);
    qemu_plugin_register_vcpu_syscall_cb(id, on_syscall);
}

static void on_syscall(qemu_plugin_id_t id, unsigned int thread, int64_t number, uint64_t a1, uint64_t a2,
                       uint64_t a3, uint64_t a4, uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8)
{
    static uint64_t kind;
    (void)id, (void)a2, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
    if (number != mark_number || thread >= MAX_THREADS)
        return;
    if (a1 == PREPARE) {
        qemu_plugin_reset(id, instrument);
        return;
    }
    if (counting) {
        counting = 0;
        if (a1 == END)
            write_region(kind, thread);
    }
    if (a1 != END) {
        kind = a1;
        memset(threads, 0, sizeof threads);
        counting = 1;
    }
}

static int refuse(const char *why, const char *detail)
{
    fprintf(stderr, "counting plugin: %s %s\n", why, detail);
    return 1;
}

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
    a64 = strcmp(info->target_name, "aarch64") == 0;
    if (info->system_emulation || (!a64 && strcmp(info->target_name, "arm") != 0))
        return refuse("cannot count programs for", info->target_name);
    mark_number = a64 ? 126 : 160; /* sched_get_priority_min */
    copies_data = info->version.cur >= 3;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "out=", 4) == 0) {
            results = fopen(argv[i] + 4, "w");
            if (!results)
                return refuse("cannot write", argv[i] + 4);
        } else {
            return refuse("knows no option", argv[i]);
        }
    }
    if (!results)
        return refuse("needs", "out=FILE");
    qemu_plugin_register_vcpu_syscall_cb(id, on_syscall);
    return 0;
}
