/* What kind of work one ARM instruction is, by its encoding group. */
#ifndef EDGEML_DECODE_H
#define EDGEML_DECODE_H

#include <stdint.h>

enum instruction_class { INTEGER, VECTOR, LOAD, STORE, BRANCH, OTHER, CLASSES };

/* A64: ARM Architecture Reference Manual for A-profile, C4.1. */
int classify_a64(uint32_t word);

/* A32: the same manual, F4.1. */
int classify_a32(uint32_t word);

/* T32: the same manual, F3.1. `first` is the halfword at the lower address. */
int classify_t16(uint16_t halfword);
int classify_t32(uint16_t first, uint16_t second);

/* Whether `first` opens an instruction of two halfwords in T32 state. */
int is_t32_wide(uint16_t first);

/* DC ZVA, which fills a block of memory with zeros. */
int is_dc_zva(uint32_t word);

#endif
