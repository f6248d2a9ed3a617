"""What kind of work an instruction is: A64 against binutils, A32 and T32 against words of each group."""

from __future__ import annotations

import ctypes
import re
import subprocess
from pathlib import Path

import pytest
from conftest import require_program

import edgeml.emulation.counting
from edgeml.emulation.counting.counts import CLASSES

SOURCES = Path(edgeml.emulation.counting.__file__).parent
OBJDUMP = "aarch64-linux-gnu-objdump"

BRANCHES = frozenset({"b", "bl", "blr", "br", "ret", "cbz", "cbnz", "tbz", "tbnz"})
ATOMICS = r"cas|swp|(ld|st)(add|clr|eor|set|smax|smin|umax|umin)[alb]*h?$"
HINTS = r"prfu?m|nop|hint|bti|pac|aut|xpac|yield|wf[ei]|sevl?|csdb"
SYSTEM = r"d[ms]b|isb|svc|brk|hlt|udf|mrs|msr|clrex|ic|at|tlbi|sysl?"
OTHERS = re.compile(f"({ATOMICS}|{HINTS}|{SYSTEM})")
VECTOR_REGISTER = re.compile(r"\b(?:[vz]\d+\.|[bhsdq]\d+\b)")

# Words as binutils prints them, one of each encoding group that an application has.
A32 = """
integer e2968001 adds r8, r6, #1 | integer e0172210 ands r2, r7, r0, lsl r2
integer e1b0c146 asrs ip, r6, #2 | integer e7c0301f bfc r3, #0, #1 | integer e16f6f17 clz r6, r7
integer e35e002d cmp lr, #45 | integer e066679e mls r6, lr, r7, r6 | integer 1340300f movtne r3, #15
integer e30f3240 movw r3, #62016 | integer 91a0000e movls r0, lr | integer e6bf2f32 rev r2, r2
integer e10e368e smlabb lr, lr, r6, r3 | integer e0c32998 smull r2, r3, r8, r9
integer e31b0001 tst fp, #1 | integer e7eb1250 ubfx r1, r0, #4, #12 | integer e6efb07b uxtb fp, fp
integer e735f413 sdiv r5, r3, r4 | integer e1a00000 nop (mov r0, r0)
branch 3afffe98 bcc | branch eaf3f2e2 b | branch ebf3efa7 bl | branch e12fff30 blx r0
branch 012fff1e bxeq lr | branch fa000001 blx label | branch 908ff107 addls pc, pc, r7, lsl #2
branch e1a0f00e mov pc, lr
load e8930608 ldm r3, {r3, r9, sl} | load e5d4b08d ldrb fp, [r4, #141] | load e1cb21d8 ldrd r2, [fp, #24]
load e1902f9f ldrex r2, [r0] | load e1d1c0b2 ldrh ip, [r1, #2] | load e17510d1 ldrsb r1, [r5, #-1]!
load e7970304 ldr r0, [r7, r4, lsl #6] | load 88bd8070 pophi {r4, r5, r6, pc}
load f465078f vld1.32 {d16}, [r5] | load ecf41b02 vldmia r4!, {d17} | load eddf2b17 vldr d18, [pc, #92]
load ecbdab0c vpop {d10-d15}
store e92d000f push {r0-r3} | store e5c5308c strb r3, [r5, #140] | store e1c480f8 strd r8, [r4, #8]
store e1851f92 strex r1, r2, [r5] | store e1c538bc strh r3, [r5, #140] | store e5851008 str r1, [r5, #8]
store ed2dab0c vpush {d10-d15} | store f445378f vst1.32 {d19}, [r5] | store edcd1b0d vstr d17, [sp, #52]
vector f2444dee vadd.f32 q10, q10, q15 | vector ee733ba4 vadd.f64 d19, d19, d20
vector eeb5aa40 vcmp.f32 s20, #0 | vector ee882bb0 vdup.16 d24, r2 | vector ec554b35 vmov r4, r5, d21
vector eef16a10 vmrs r6, fpscr | vector f2402cf0 vfma.f32 q9, q8, q8 | vector fc221dd4 vudot.u8
vector fe000a00 vseleq.f32 s0, s0, s0
other f57ff05b dmb ish | other e320f000 nop | other f7d2f001 pld [r2, r1] | other e7f000f0 udf #0
other ef000000 svc 0 | other ee1d0f70 mrc p15, 0, r0, c13, c0, 3 | other e10f0000 mrs r0, cpsr
"""
T32 = """
integer eb41:0101 adc r1, r1, r1 | integer f209:509c addw r0, r9, #1436 | integer 10da asrs r2, r3, #3
integer fa43:f305 asr r3, r3, r5 | integer f36f:0303 bfc r3, #0, #4 | integer 2d36 cmp r5, #54
integer fab3:fb83 clz fp, r3 | integer fb0a:331e mls r3, sl, lr, r3 | integer ea4f:0258 mov r2, r8, lsr #1
integer 4246 negs r6, r0 | integer ba3f rev r7, r7 | integer b26c sxtb r4, r5 | integer b082 sub sp, #8
integer f64f:71f1 movw r1, #65521 | integer fbb1:f0f2 udiv r0, r1, r2 | integer a801 add r0, sp, #4
integer 4611 mov r1, r2 | integer 4288 cmp r0, r1 | integer 45f0 cmp r8, lr
branch f0c0:8124 bcc | branch d2f0 bcs | branch e7fd b | branch f000:f81c bl | branch f00f:e08c blx
branch 4736 bx r6 | branch 4788 blx r1 | branch b9fd cbnz r5 | branch b396 cbz r6 | branch 4697 mov pc, r2
branch e8df:f00c tbb | branch e8df:f01c tbh | branch 4487 add pc, r0
load e8bd:4006 ldmia sp!, {r1, r2, lr} | load 7970 ldrb r0, [r6, #5]
load e9dd:0305 ldrd r0, r3, [sp, #20] | load e8d0:3f4f ldrexb r3, [r0] | load e859:0f00 ldrex r0, [r9]
load 560e ldrsb r6, [r1, r0] | load 4fe5 ldr r7, [pc] | load 9a00 ldr r2, [sp] | load bd02 pop {r1, pc}
load f9a4:0004 vld1.8 {d0[0]}, [r4], r4 | load c80e ldmia r0! | load ecb7:7b02 vldmia r7!, {d7}
load ed9f:8b9d vldr d8, [pc] | load f8df:f000 ldr pc, [pc] | load f9b7:a000 ldrsh
store e92d:4003 stmdb sp!, {r0, r1, lr} | store c4e8 stmia r4!, {...} | store f884:0001 strb r0, [r4, #1]
store e9c7:4500 strd r4, r5, [r7] | store e8c0:2f41 strexb r1, r2, [r0] | store 5222 strh r2, [r4, r0]
store 91ca str r1, [sp, #808] | store b502 push {r1, lr} | store ed2d:8b0c vpush {d8-d13}
store 6001 str r1, [r0] | store f9c4:0003 vst1.8 {d16[0]}, [r4], r3 | store ed8d:7b06 vstr d7, [sp, #24]
store e840:a200 strex r2, sl, [r0]
vector ee77:7a87 vadd.f32 s15, s15, s14 | vector ef04:4156 vand q2, q2, q3
vector eef4:7a48 vcmp.f32 s15, s16 | vector fffb:a766 vcvt.s32.f32 q13, q11
vector ee12:0b10 vmov.32 r0, d2[0] | vector eef1:3a10 vmrs r3, fpscr | vector ec51:0b10 vmov r0, r1, d0
vector fc22:1dd4 vudot.u8 | vector fe00:0a00 vseleq.f32 s0, s0, s0
other f3bf:8f5b dmb ish | other bfa4 itt ge | other bf00 nop | other f891:f020 pld [r1, #32]
other de4e udf | other df4c svc 76 | other ee1d:0f70 mrc p15 | other bed2 bkpt | other f3af:8000 nop.w
other f3ef:8000 mrs r0, cpsr
"""


@pytest.fixture(scope="module")
def decoder(tmp_path_factory):
    """decode.c by itself."""
    require_program("cc")
    built = tmp_path_factory.mktemp("decode") / "decode.so"
    flags = ["-std=c99", "-O1", "-Wall", "-Wextra", "-Werror", "-pedantic", "-shared", "-fPIC"]
    subprocess.run(["cc", *flags, "-o", str(built), str(SOURCES / "decode.c")], check=True)
    return ctypes.CDLL(str(built))


def listed(table: str) -> list[tuple[str, list[int], str]]:
    """(class, words, text) of each entry."""
    entries = [
        part.split(maxsplit=2) for line in table.split("\n") for part in line.split("|") if part.strip()
    ]
    return [(name, [int(w, 16) for w in words.split(":")], text) for name, words, text in entries]


def test_the_classes_are_those_of_the_decoder():
    enum = re.search(r"enum instruction_class \{ (.*?), CLASSES \}", (SOURCES / "decode.h").read_text())
    assert enum is not None
    assert tuple(enum[1].lower().split(", ")) == CLASSES


def test_words_of_a32(decoder):
    wrong = [(e, CLASSES[decoder.classify_a32(*e[1])]) for e in listed(A32)]
    assert [(entry, got) for entry, got in wrong if entry[0] != got] == []


def test_words_of_t32(decoder):
    def classify(words):
        return CLASSES[decoder.classify_t32(*words) if len(words) == 2 else decoder.classify_t16(*words)]

    entries = listed(T32)
    assert [(e, classify(e[1])) for e in entries if classify(e[1]) != e[0]] == []
    assert all(decoder.is_t32_wide(words[0]) == (len(words) == 2) for _, words, _ in entries)


def by_mnemonic(mnemonic: str, operands: str) -> str:
    """The class by what binutils calls an A64 instruction, and on which registers it works."""
    if mnemonic in BRANCHES or mnemonic.startswith("b."):
        return "branch"
    if mnemonic == "dc":
        return "store" if operands.startswith("zva") else "other"
    if OTHERS.match(mnemonic):
        return "other"
    if mnemonic.startswith("ld"):
        return "load"
    if mnemonic.startswith("st"):
        return "store"
    return "vector" if VECTOR_REGISTER.search(operands) else "integer"


@pytest.mark.slow
@pytest.mark.parametrize("library", ["libm.so.6", "libstdc++.so.6"])
def test_every_instruction_of_a_library_agrees_with_binutils(decoder, root_of, library):
    require_program(OBJDUMP)
    tree = root_of("aarch64").tree
    path = next(p for p in tree.rglob(library) if p.is_file())
    listing = subprocess.run(
        [OBJDUMP, "-d", "-z", "--no-addresses", "-j", ".text", str(path)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    found = set(re.findall(r"^\s+([0-9a-f]{8})\s+(\S+)[^\S\n]*([^\n]*)", listing, re.MULTILINE))
    found = {(word, name, text) for word, name, text in found if name not in {".inst", ".word", "udf"}}
    wrong = [
        (word, name, text, got)
        for word, name, text in found
        if (got := CLASSES[decoder.classify_a64(int(word, 16))]) != by_mnemonic(name, text)
    ]
    assert len(found) > 10_000
    assert wrong == []
