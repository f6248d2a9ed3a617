/* The encoding groups of A64, A32 and T32, as far as six classes of work need them.
 *
 * INTEGER  data processing on general registers, addresses and flags included
 * VECTOR   data processing on SIMD and floating-point registers, moves to and from them included
 * LOAD     whatever reads memory into registers, exclusive and acquiring loads included
 * STORE    whatever writes registers to memory, DC ZVA included
 * BRANCH   jumps, calls and returns; a load into the program counter is a LOAD
 * OTHER    system registers, barriers, hints, prefetches, IT, atomic read-modify-writes, exceptions
 */
#include "decode.h"

/* Bits high..low of a word. */
static uint32_t bits(uint32_t word, int high, int low)
{
    return (word >> low) & ((UINT32_C(1) << (high - low + 1)) - 1);
}

static int bit(uint32_t word, int position)
{
    return (int)((word >> position) & 1);
}

static int transfer(int is_load)
{
    return is_load ? LOAD : STORE;
}

/* ---- A64 ---- */

int is_dc_zva(uint32_t word)
{
    return (word & UINT32_C(0xFFFFFFE0)) == UINT32_C(0xD50B7420);
}

/* Load/store register: one register, or an atomic operation on memory. */
static int a64_register(uint32_t word)
{
    int vector = bit(word, 26);
    uint32_t size = bits(word, 31, 30), opc = bits(word, 23, 22);
    if (!bit(word, 24) && bit(word, 21)) {
        uint32_t mode = bits(word, 11, 10);
        if (mode == 0) {
            /* LDAPR is the one plain load among the atomics: A = 1, R = 0, o3 = 1, opc = 100. */
            int ldapr = !vector && opc == 2 && bits(word, 15, 12) == 0xC;
            return ldapr ? LOAD : OTHER;
        }
        if (mode != 2)
            return LOAD; /* LDRAA, LDRAB */
    }
    if (vector)
        return transfer(bit(word, 22));
    if (opc == 2 && size == 3)
        return OTHER; /* PRFM, PRFUM */
    return transfer(opc != 0);
}

static int a64_load_store(uint32_t word)
{
    int vector = bit(word, 26), load = bit(word, 22);
    uint32_t opc = bits(word, 31, 30);
    switch (bits(word, 29, 28) << 1 | bits(word, 27, 27)) {
    case 1: /* xx 00 1x: exclusive, ordered, compare-and-swap; SIMD structures */
        if (vector)
            return transfer(load);
        if (bit(word, 21) && (bit(word, 23) || opc < 2))
            return OTHER; /* CAS, CASP */
        return transfer(load);
    case 3: /* xx 01 1x: literals; ordered with an offset; memory tags, memory copies */
        if (!bit(word, 24))
            return !vector && opc == 3 ? OTHER : LOAD;
        if (bit(word, 21) || bits(word, 11, 10) == 1)
            return OTHER;
        return transfer(vector ? load : bits(word, 23, 22) != 0);
    case 5: /* xx 10 1x: pairs */
        return transfer(load);
    case 7:
        return a64_register(word);
    }
    return OTHER;
}

static int a64_branch_or_system(uint32_t word)
{
    if (bits(word, 31, 29) != 6 || bit(word, 25))
        return BRANCH;
    return is_dc_zva(word) ? STORE : OTHER;
}

int classify_a64(uint32_t word)
{
    switch (bits(word, 28, 25)) {
    case 0x2: /* SVE: memory where bit 31 is set */
        return !bit(word, 31) ? VECTOR : transfer(bits(word, 31, 29) != 7);
    case 0x8:
    case 0x9:
        return INTEGER; /* immediates */
    case 0xA:
    case 0xB:
        return a64_branch_or_system(word);
    case 0x4:
    case 0x6:
    case 0xC:
    case 0xE:
        return a64_load_store(word);
    case 0x5:
    case 0xD:
        return INTEGER; /* registers */
    case 0x7:
    case 0xF:
        return VECTOR;
    }
    return OTHER;
}

/* ---- A32 ---- */

/* VFP and Advanced SIMD instructions in the coprocessor space, bits 25..0 of A32 and of T32. */
static int vfp(uint32_t word)
{
    if (bits(word, 25, 24) >= 2)
        return VECTOR;
    if (bits(word, 24, 21) == 2)
        return VECTOR; /* moves of two core registers */
    return transfer(bit(word, 20));
}

static int is_vfp(uint32_t word)
{
    return bits(word, 11, 9) == 5;
}

/* The coprocessor space without a condition: VSEL, VMAXNM, dot products and complex numbers of ARMv8. */
static int is_unconditional_vector(uint32_t word)
{
    return bits(word, 25, 24) == 2 ? bits(word, 11, 10) == 2 : bit(word, 11);
}

static int a32_unconditional(uint32_t word)
{
    uint32_t group = bits(word, 27, 24);
    if (group == 2 || group == 3)
        return VECTOR;
    if (group == 4 && !bit(word, 20))
        return transfer(bit(word, 21));
    if (group == 10 || group == 11)
        return BRANCH; /* BLX */
    return group >= 12 && group <= 14 && is_unconditional_vector(word) ? VECTOR : OTHER;
}

static int a32_miscellaneous(uint32_t word)
{
    if (bit(word, 7))
        return INTEGER; /* multiplies of halfwords */
    uint32_t op = bits(word, 22, 21);
    switch (bits(word, 6, 4)) {
    case 1:
        return op == 1 ? BRANCH : op == 3 ? INTEGER : OTHER; /* BX, CLZ */
    case 2:
    case 3:
        return op == 1 ? BRANCH : OTHER; /* BXJ, BLX */
    case 4: /* CRC32 */
    case 5: /* saturating */
        return INTEGER;
    case 6:
        return op == 3 ? BRANCH : OTHER; /* ERET */
    }
    return OTHER;
}

/* TST, TEQ, CMP and CMN have no destination; whatever else writes the program counter jumps. */
static int a32_data_processing(uint32_t word)
{
    int compares = bits(word, 24, 23) == 2;
    return !compares && bits(word, 15, 12) == 15 ? BRANCH : INTEGER;
}

static int a32_registers(uint32_t word)
{
    if (bit(word, 7) && bit(word, 4)) {
        uint32_t kind = bits(word, 6, 5);
        if (kind == 0) {
            if (!bit(word, 24))
                return INTEGER; /* multiplies */
            return bit(word, 23) ? transfer(bit(word, 20)) : OTHER; /* exclusives; SWP */
        }
        if (bit(word, 20))
            return LOAD;
        return transfer(kind == 2); /* STRH, LDRD, STRD */
    }
    if (bits(word, 24, 23) == 2 && !bit(word, 20))
        return a32_miscellaneous(word);
    return a32_data_processing(word);
}

static int a32_immediate(uint32_t word)
{
    if (bits(word, 24, 23) == 2 && !bit(word, 20))
        return bit(word, 21) ? OTHER : INTEGER; /* MSR and hints; MOVW and MOVT */
    return a32_data_processing(word);
}

int classify_a32(uint32_t word)
{
    if (bits(word, 31, 28) == 15)
        return a32_unconditional(word);
    switch (bits(word, 27, 25)) {
    case 0:
        return a32_registers(word);
    case 1:
        return a32_immediate(word);
    case 2:
    case 4:
        return transfer(bit(word, 20));
    case 3:
        if (!bit(word, 4))
            return transfer(bit(word, 20));
        return bits(word, 24, 20) == 31 && bits(word, 7, 5) == 7 ? OTHER : INTEGER; /* UDF; media */
    case 5:
        return BRANCH;
    default: /* coprocessors and SVC */
        if (bits(word, 27, 24) == 15 || !is_vfp(word))
            return OTHER;
        return vfp(word);
    }
}

/* ---- T32 ---- */

int is_t32_wide(uint16_t first)
{
    return first >= 0xE800;
}

static int t16_miscellaneous(uint16_t halfword)
{
    if ((halfword & 0xF500) == 0xB100)
        return BRANCH; /* CBZ, CBNZ */
    switch (bits(halfword, 11, 8)) {
    case 0x0: /* ADD, SUB of SP */
    case 0x2: /* extensions */
        return INTEGER;
    case 0x4:
    case 0x5:
        return STORE; /* PUSH */
    case 0xC:
    case 0xD:
        return LOAD; /* POP */
    case 0xA:
        return bits(halfword, 7, 6) == 2 ? OTHER : INTEGER; /* HLT; REV */
    }
    return OTHER;
}

int classify_t16(uint16_t halfword)
{
    switch (bits(halfword, 15, 12)) {
    case 0x0:
    case 0x1:
    case 0x2:
    case 0x3:
    case 0xA:
        return INTEGER;
    case 0x4:
        if (bit(halfword, 11))
            return LOAD; /* literals */
        if (!bit(halfword, 10))
            return INTEGER;
        if (bits(halfword, 9, 8) == 3)
            return BRANCH; /* BX, BLX */
        if (bits(halfword, 9, 8) != 1 && bit(halfword, 7) && bits(halfword, 2, 0) == 7)
            return BRANCH; /* ADD, MOV of the program counter */
        return INTEGER;
    case 0x5:
        return transfer(bits(halfword, 11, 9) >= 3);
    case 0x6:
    case 0x7:
    case 0x8:
    case 0x9:
    case 0xC:
        return transfer(bit(halfword, 11));
    case 0xB:
        return t16_miscellaneous(halfword);
    case 0xD:
        return bits(halfword, 11, 9) == 7 ? OTHER : BRANCH; /* UDF, SVC */
    }
    return BRANCH;
}

/* 1110 100x x...: several registers, pairs, exclusives and table branches. */
static int t32_multiple(uint16_t first, uint16_t second)
{
    uint32_t mode = bits(first, 8, 7);
    if (!bit(first, 6))
        return mode == 0 || mode == 3 ? OTHER : transfer(bit(first, 4)); /* SRS, RFE */
    if (mode == 1 && bits(first, 5, 4) == 1 && bits(second, 7, 5) == 0)
        return BRANCH; /* TBB, TBH */
    return transfer(bit(first, 4));
}

static int t32_branch_or_control(uint16_t first, uint16_t second)
{
    if ((second & 0x5000) != 0 || bits(first, 9, 7) != 7)
        return BRANCH;
    uint32_t op = bits(first, 10, 4);
    return op == 0x3C || op == 0x3D ? BRANCH : OTHER; /* BXJ; return from exception */
}

static int t32_one_register(uint16_t first, uint16_t second)
{
    uint32_t size = bits(first, 6, 5);
    if (bit(first, 8) && !bit(first, 4))
        return transfer(bit(first, 5)); /* SIMD structures, 1111 1001 xxx0 */
    if (!bit(first, 4))
        return STORE;
    return size != 2 && bits(second, 15, 12) == 15 ? OTHER : LOAD; /* PLD, PLI */
}

int classify_t32(uint16_t first, uint16_t second)
{
    uint32_t word = (uint32_t)first << 16 | second;
    if (bits(first, 11, 10) == 3) { /* 111x 11: coprocessors and SIMD */
        if (bits(first, 9, 8) == 3)
            return VECTOR;
        if (bit(first, 12))
            return is_unconditional_vector(word) ? VECTOR : OTHER;
        return is_vfp(word) ? vfp(word) : OTHER;
    }
    switch (bits(first, 12, 11)) {
    case 1:
        return bit(first, 9) ? INTEGER : t32_multiple(first, second);
    case 2:
        return bit(second, 15) ? t32_branch_or_control(first, second) : INTEGER;
    default:
        return bit(first, 9) ? INTEGER : t32_one_register(first, second);
    }
}
