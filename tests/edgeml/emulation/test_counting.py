"""Counts of programs that are known instruction by instruction, and of real inferences in a real engine."""

from __future__ import annotations

import json
import struct
import subprocess
from pathlib import Path

import pytest
from bundles import table_bundle_bytes, tflite_bundle
from conftest import require, require_program

from edgeml.emulation.counting import Cost, InstructionCount, count_command, count_inference
from edgeml.emulation.counting.build import plugin_file, qemu_version
from edgeml.emulation.counting.comparison import Baseline, compare, parse_max_increase, read_baselines
from edgeml.emulation.counting.counts import CLASSES, document, parse_regions
from edgeml.emulation.targets import Target, resolve_target
from edgeml_runtime.bundle import Bundle, encode_bundle
from edgeml_runtime.errors import EngineError, EngineFailedError, InputError, MissingDependencyError

PREPARE, BEGIN, END = 5, 2, 0
BASE = 0x10000  # where the programs below are loaded


@pytest.fixture(scope="module")
def plugin() -> Path:
    require_program("cc", "qemu-aarch64", "qemu-arm")
    takes_plugins = "-plugin" in subprocess.run(["qemu-aarch64", "-h"], capture_output=True, text=True).stdout
    require("qemu-plugins", available=takes_plugins, reason="this qemu-user takes no plugins")
    return plugin_file()


def elf(code: bytes, *, bits: int, machine: int, flags: int = 0) -> bytes:
    """A static executable of that code alone, loaded at BASE, writable."""
    ident = b"\x7fELF" + bytes([bits // 32, 1, 1]) + bytes(9)
    header, segment = (64, 56) if bits == 64 else (52, 32)
    size = header + segment + len(code)
    if bits == 64:
        top = struct.pack(
            "<HHIQQQIHHHHHH",
            2,
            machine,
            1,
            BASE + header + segment,
            header,
            0,
            flags,
            header,
            segment,
            1,
            0,
            0,
            0,
        )
        load = struct.pack("<IIQQQQQQ", 1, 7, 0, BASE, BASE, size, size, 0x1000)
    else:
        top = struct.pack(
            "<HHIIIIIHHHHHH",
            2,
            machine,
            1,
            BASE + header + segment,
            header,
            0,
            flags,
            header,
            segment,
            1,
            0,
            0,
            0,
        )
        load = struct.pack("<IIIIIIII", 1, 0, BASE, BASE, size, size, 7, 0x1000)
    return ident + top + load + code


def counted(plugin: Path, qemu: str, program: bytes, folder: Path) -> list[list[int]]:
    """What the plugin writes of each region: kind, then counters of all threads and of this one."""
    path = folder / "program"
    path.write_bytes(program)
    path.chmod(0o755)
    results = folder / "with, a comma"
    value = f"file={plugin},out={results}".replace("with, a", "with,, a")
    subprocess.run([qemu, "-plugin", value, str(path)], check=True, timeout=60)
    return [[int(number) for number in line.split()] for line in results.read_text().splitlines()]


def a64_mark(value: int) -> list[int]:
    return [0xD2800000 | value << 5, 0xD2800FC8, 0xD4000001]  # mov x0, #value; mov x8, #126; svc 0


def test_a_program_of_a64_is_counted_to_the_instruction(plugin, tmp_path):
    loop = [
        0xF94003E2,  # ldr x2, [sp]
        0xF90007E2,  # str x2, [sp, #8]
        0xAD4007E0,  # ldp q0, q1, [sp]
        0x1E602800,  # fadd d0, d0, d0
        0xF1000421,  # subs x1, x1, #1
        0x54FFFF61,  # b.ne loop
    ]
    code = [
        *a64_mark(PREPARE),
        *a64_mark(BEGIN),
        0xD2807D01,  # mov x1, #1000
        *loop,
        0xD10403E3,  # sub x3, sp, #256
        0xD50B7423,  # dc zva, x3
        *a64_mark(END),
        *[0xD2800000, 0xD2800BA8, 0xD4000001],  # mov x0, #0; mov x8, #93; svc 0: exit
    ]
    program = elf(struct.pack(f"<{len(code)}I", *code), bits=64, machine=183)
    counters = [
        1000 + 1 + 1 + 2,  # integer: subs; mov, sub, and two before svc
        1000,  # vector
        2000,  # load
        1000 + 1,  # store: dc zva
        1000,  # branch
        1,  # other: svc
        (8 + 32) * 1000,  # bytes loaded
        8 * 1000 + 64,  # bytes stored
    ]
    assert counted(plugin, "qemu-aarch64", program, tmp_path) == [[BEGIN, *counters, *counters]]


def test_a_program_of_a32_and_t32_is_counted_to_the_instruction(plugin, tmp_path):
    a32 = [
        *[0xE3A00005, 0xE3A070A0, 0xEF000000],  # mov r0, #5; mov r7, #160; svc 0
        *[0xE3A00002, 0xEF000000],
        0xE3A01FFA,  # mov r1, #1000
        0xE59D2000,  # loop: ldr r2, [sp]
        0xE58D2004,  # str r2, [sp, #4]
        0x059D2000,  # ldreq r2, [sp], which is skipped but for the last time
        0xEE300A00,  # vadd.f32 s0, s0, s0
        0xE2511001,  # subs r1, r1, #1
        0x1AFFFFF9,  # bne loop
        0xE28F3001,  # add r3, pc, #1
        0xE12FFF13,  # bx r3
    ]
    t32 = [
        0x2164,  # movs r1, #100
        0x9A00,  # loop: ldr r2, [sp]
        0x9201,  # str r2, [sp, #4]
        *[0xEE30, 0x0A00],  # vadd.f32 s0, s0, s0
        0x3901,  # subs r1, #1
        0xD1F9,  # bne loop
        *[0x2000, 0xDF00],  # movs r0, #0; svc 0
        *[0x2000, 0x2701, 0xDF00],  # movs r0, #0; movs r7, #1; svc 0: exit
    ]
    code = struct.pack(f"<{len(a32)}I", *a32) + struct.pack(f"<{len(t32)}H", *t32)
    program = elf(code, bits=32, machine=40, flags=0x05000400)
    counters = [
        1000 + 100 + 2 + 2,  # integer: subs; mov, add; movs twice
        1100,  # vector
        2000 + 100,  # load, skipped ones included
        1100,  # store
        1000 + 100 + 1,  # branch: bne; bx
        1,  # other: svc
        4 * (1000 + 100),  # bytes loaded, of those skipped none
        4 * 1100,
    ]
    assert counted(plugin, "qemu-arm", program, tmp_path) == [[BEGIN, *counters, *counters]]


# ---- what the plugin wrote, read ----


def line(kind: int, instructions: int) -> str:
    counters = f"{instructions} 1 2 3 4 5 60 70"
    return f"{kind} {counters} {counters}"


def test_regions_lose_the_marks_and_the_warm_up():
    rows = [(12, 900, 990), (10, 100, 200), (10, 101, 202)]
    text = "\n".join(line(kind + 1, n) for row in rows for kind, n in enumerate(row))
    runs, calls, others = parse_regions(text, rows=2)
    assert [cost.by_class["integer"] for cost in runs] == [90, 91]
    assert [cost.instructions for cost in calls] == [190, 192]
    assert (runs[0].bytes_loaded, others) == (0, 0)


def test_instructions_of_other_threads_are_told():
    lines = [line(kind, 10) for kind in (1, 2)] + ["3 30 0 0 0 0 0 60 70 25 0 0 0 0 0 60 70"]
    _, calls, others = parse_regions("\n".join(lines), rows=1)
    assert (calls[0].by_class["integer"], others) == (20, 5)


@pytest.mark.parametrize("text", ["", "1 2 3", "x", line(9, 1), line(1, 5), "1 " * 18 + "too-many-threads"])
def test_lines_that_the_plugin_does_not_write_are_refused(text):
    with pytest.raises(EngineError, match="counting plugin"):
        parse_regions(text, rows=1)


# ---- former counts ----


def baseline(run: int, call: int | None = None, **changes: str) -> Baseline:
    fields = {"bundle": "m", "scheme": "float32", "target": "raspberry-pi-4", "core": "cortex-a72",
              "engine": "litert", "engine_version": "2.3.0", "qemu_version": "7.2.22", **changes}  # fmt: skip
    return Baseline(**fields, run_instructions=run, call_instructions=call or run)


@pytest.mark.parametrize(
    ("now", "exceeds"), [(1000, False), (1020, False), (1021, True), (900, False), (5000, True)]
)
def test_an_increase_beyond_the_limit_fails(now, exceeds):
    comparison = compare([baseline(1000)], [baseline(now)], 0.02)
    assert comparison.exceeds is exceeds
    assert [change.measured for change in comparison.changes] == ["engine run", "whole call"]
    assert comparison.changes[0].increase == pytest.approx(now / 1000 - 1)


def test_the_whole_call_can_fail_alone():
    comparison = compare([baseline(1000, 2000)], [baseline(1000, 2100)], 0.02)
    assert [change.exceeds for change in comparison.changes] == [False, True]


def test_only_what_both_sides_have_is_compared():
    before = [baseline(1000), baseline(9, target="armv7"), baseline(7, scheme="int8-static")]
    comparison = compare(before, [baseline(1001), baseline(9999, engine="onnxruntime")], 0.02)
    assert not comparison.exceeds
    assert comparison.only_before == (
        "m float32 on armv7 with litert",
        "m int8-static on raspberry-pi-4 with litert",
    )
    assert comparison.only_now == ("m float32 on raspberry-pi-4 with onnxruntime",)


def test_nothing_in_common_shows_both_lists():
    with pytest.raises(InputError, match=r"m float32 on armv7 with litert; this run has m float32 on raspb"):
        compare([baseline(1, target="armv7")], [baseline(1)], 0.02)


def test_two_counts_of_one_name_cannot_be_compared():
    with pytest.raises(InputError, match="this run has two counts of m float32"):
        compare([baseline(1)], [baseline(1), baseline(2)], 0.02)


def test_another_version_is_noted():
    change = compare([baseline(10)], [baseline(10, engine_version="2.4.0")], 0.02).changes[0]
    assert change.note == "litert was 2.3.0, is 2.4.0"


@pytest.mark.parametrize(("text", "ratio"), [("2%", 0.02), ("0.02", 0.02), ("0", 0.0), ("150%", 1.5)])
def test_limits_are_shares(text, ratio):
    assert parse_max_increase(text) == pytest.approx(ratio)


@pytest.mark.parametrize("text", ["", "%", "2", "-1%", "nan", "inf%", "two", "1e400%"])
def test_other_limits_are_refused(text):
    with pytest.raises(InputError, match="max-increase"):
        parse_max_increase(text)


def a_count() -> InstructionCount:
    costs = tuple(Cost(n, dict.fromkeys(CLASSES, n // 6), 8 * n, n) for n in (600, 612, 606))
    names = ("m", "0" * 64, "float32", "raspberry-pi-4", "cortex-a72", "litert", "2.3.0", "7.2.22", "predict")
    return InstructionCount(*names, (0, 1, 2), costs, costs[::-1], 0)


def test_a_document_is_read_back(tmp_path):
    shown = document(a_count())
    assert (shown["instructions"], shown["instructions_min"], shown["instructions_max"]) == (606, 600, 612)
    assert shown["call"]["bytes_loaded"] == 8 * 606
    path = tmp_path / "counts.json"
    path.write_text(json.dumps({"instruction_counts": [shown], "comparison": None}))
    assert read_baselines(path) == (baseline(606),)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b'{"error": {}}',
        b'{"instruction_counts": 3}',
        b'{"instruction_counts": [{}]}',
        b'{"instruction_counts": [{"call": {}, "instructions": 5}]}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_files_of_anything_else_are_refused(tmp_path, content):
    path = tmp_path / "counts.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"counts\.json is not what"):
        read_baselines(path)


@pytest.mark.parametrize("instructions", [0, -4, 1.5, "6", None, True])
def test_counts_that_are_no_numbers_are_refused(tmp_path, instructions):
    path = tmp_path / "counts.json"
    path.write_text(
        json.dumps({"instruction_counts": [{**document(a_count()), "instructions": instructions}]})
    )
    with pytest.raises(InputError, match="instructions"):
        read_baselines(path)


# ---- what is missing ----


def test_without_a_compiler_the_message_has_the_install_line(monkeypatch, tmp_path):
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingDependencyError, match=r"needs a C compiler.*apt-get install gcc"):
        plugin_file()
    monkeypatch.setenv("CC", "no-such-cc -O3")
    with pytest.raises(MissingDependencyError, match=r"needs no-such-cc \(from CC\)"):
        plugin_file()


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


def test_what_the_compiler_says_is_shown(monkeypatch, tmp_path):
    monkeypatch.setenv("EDGEML_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("CC", script(tmp_path / "cc", "echo 'plugin.c:1: error: no such thing' >&2; exit 3"))
    with pytest.raises(EngineError, match=r"exit code 3\):\nplugin\.c:1: error: no such thing"):
        plugin_file()
    assert not list((tmp_path / "cache").rglob("*.so"))


def test_a_qemu_without_plugins_is_refused(tmp_path):
    static = script(tmp_path / "qemu-aarch64-static", "echo '-cpu model   QEMU_CPU   select CPU'")
    with pytest.raises(MissingDependencyError, match=r"takes no plugins.*Debian 12's qemu-user does"):
        qemu_version(static)


def test_options_are_checked_before_anything_runs(tmp_path):
    with pytest.raises(InputError, match="--against"):
        count_command([tmp_path / "none"], [], max_increase="2%")
    with pytest.raises(InputError, match="not on host"):
        count_inference(tmp_path / "none", Target("host"))
    with pytest.raises(InputError, match="not on host"):
        count_command([tmp_path / "none"], [resolve_target("armv7"), Target("host")])
    with pytest.raises(InputError, match="cannot read bundle"):
        count_command([tmp_path / "none"], [resolve_target("armv7")])


# ---- real inferences ----


@pytest.fixture(scope="module")
def pi(plugin, root_of) -> Target:
    root_of("aarch64")
    return resolve_target("raspberry-pi-4")


def written(bundle: Bundle, path: Path) -> Path:
    path.write_bytes(encode_bundle(bundle.manifest, bundle.files))
    return path


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> Path:
    return written(tflite_bundle(), tmp_path_factory.mktemp("bundles") / "float32.edgeml")


@pytest.fixture(scope="module")
def count(pi, network) -> InstructionCount:
    return count_inference(network, pi)


@pytest.mark.slow
def test_processes_count_the_same(pi, network, count, tmp_path):
    longer = tmp_path / "a-folder-with-a-longer-name" / "another-name-of-the-bundle.edgeml"
    longer.parent.mkdir()
    longer.write_bytes(network.read_bytes())
    others = [count_inference(path, pi) for path in (network, longer, network, longer)]
    for measured in ("run", "call"):
        numbers = [getattr(c, measured).instructions for c in (count, *others)]
        assert max(numbers) / min(numbers) - 1 < 0.002


@pytest.mark.slow
def test_a_count_adds_up(count):
    for cost in (*count.runs, *count.calls):
        assert cost.instructions == sum(cost.by_class.values())
        assert all(n > 0 for n in (*cost.by_class.values(), cost.bytes_loaded, cost.bytes_stored))
    assert 1_000 < count.run.instructions < count.call.instructions < 1_000_000
    assert (count.core, count.engine, count.method, count.rows) == (
        "cortex-a72",
        "litert",
        "predict",
        (0, 1, 2, 3, 4),
    )
    assert count.other_threads == 0


@pytest.mark.slow
def test_integers_cost_something_else(pi, count, tmp_path):
    quantized = count_inference(written(tflite_bundle("int8"), tmp_path / "int8.edgeml"), pi)
    assert quantized.scheme == "int8-static"
    assert abs(quantized.run.instructions / count.run.instructions - 1) > 0.02


@pytest.mark.slow
def test_the_gate(pi, network, count, tmp_path, capsys):
    former = tmp_path / "former.json"
    assert count_command([network], [pi], as_json=True) == 0
    former.write_text(capsys.readouterr().out)
    assert count_command([network], [pi], against=former) == 0
    said = capsys.readouterr().out
    assert "nothing rose by more than 2%" in said
    assert "not a time" in said
    assert "latency" not in said
    shown = json.loads(former.read_text())
    for cost in (shown["instruction_counts"][0], shown["instruction_counts"][0]["call"]):
        cost["instructions"] = cost["instructions"] * 9 // 10
    former.write_text(json.dumps(shown))
    assert count_command([network], [pi], against=former, max_increase="5%", as_json=True) == 6
    comparison = json.loads(capsys.readouterr().out)["comparison"]
    assert comparison["exceeds"]
    assert comparison["changes"][0]["increase"] == pytest.approx(1 / 9, rel=0.02)
    assert count_command([network], [pi], against=former, max_increase="20%") == 0


@pytest.mark.slow
def test_a_table_of_text_and_numbers_is_counted(pi, tmp_path):
    path = tmp_path / "table.edgeml"
    path.write_bytes(table_bundle_bytes())
    count = count_inference(path, pi, "onnxruntime")
    # Encoding text takes Python far longer than a graph of four operators takes the engine.
    assert 2 * count.run.instructions < count.call.instructions
    assert set(count.rows) == set(range(min(5, len(set(count.rows)))))


@pytest.mark.slow
def test_an_engine_that_refuses_the_artifact_is_named(pi, tmp_path):
    bundle = tflite_bundle()
    path = tmp_path / "broken.edgeml"
    path.write_bytes(encode_bundle(bundle.manifest, {**bundle.files, bundle.manifest.artifact: b"no model"}))
    with pytest.raises(EngineFailedError, match=r"test on raspberry-pi-4 with litert [\d.]+: .*refused"):
        count_inference(path, pi)
