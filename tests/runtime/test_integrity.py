"""A bundle that is not exactly what was written is refused, before an engine is opened."""

from __future__ import annotations

import functools
import io
import struct
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeml_runtime.archive import ENTRY_NAME, MAX_ENTRIES, read_archive, write_archive
from edgeml_runtime.bundle import decode_bundle, encode_bundle, read_bundle
from edgeml_runtime.errors import BundleError, InputError, IntegrityError
from edgeml_runtime.files import read_file
from edgeml_runtime.session import load
from tests.bundles import describing_everything, tiny_bundle_bytes
from tests.conftest import require_module

tiny = functools.cache(tiny_bundle_bytes)


def refused(content: bytes) -> bool:
    """Whether the bundle is refused; any error but a BundleError fails the test."""
    try:
        decode_bundle(content)
    except BundleError:
        return True
    return False


def test_tiny_bundle_is_what_it_should_be():
    require_module("onnxruntime")
    bundle = decode_bundle(tiny())
    assert encode_bundle(bundle.manifest, bundle.files) == tiny()
    assert load(bundle).predict([[3.0]]).tolist() == [[6.0]]


def test_every_truncation_is_refused():
    whole = tiny()
    accepted = [length for length in range(len(whole)) if not refused(whole[:length])]
    assert accepted == []


def test_every_extension_by_a_byte_is_refused():
    assert [value for value in range(256) if not refused(tiny() + bytes([value]))] == []
    assert refused(b"\0" + tiny())
    assert refused(tiny() + tiny())


def test_every_change_of_every_byte_is_refused():
    whole = bytearray(tiny())
    accepted = []
    for position, original in enumerate(tiny()):
        for value in range(256):
            whole[position] = value
            if value != original and not refused(bytes(whole)):
                accepted.append((position, value))
        whole[position] = original
    assert accepted == []


def test_every_pair_of_neighbours_swapped_is_refused():
    whole = tiny()
    swaps = (
        whole[:i] + whole[i + 1 : i + 2] + whole[i : i + 1] + whole[i + 2 :] for i in range(len(whole) - 1)
    )
    assert [s for s in swaps if s != whole and not refused(s)] == []


def test_no_engine_is_imported_for_a_broken_bundle(tmp_path: Path):
    whole = tiny()
    paths = []
    for name, content in {
        "cut": whole[:-1],
        "empty": b"",
        "flipped": whole[:600] + bytes([whole[600] ^ 1]) + whole[601:],
        "text": b"PK nothing of the kind",
    }.items():
        paths.append(tmp_path / f"{name}.edgeml")
        paths[-1].write_bytes(content)
    script = """
import sys
from edgeml_runtime import BundleError, load
for path in sys.argv[1:]:
    try:
        load(path)
    except BundleError as error:
        print(type(error).__name__)
engines = {"onnxruntime", "ai_edge_litert", "tflite_runtime", "edgeml_runtime.engines.onnxruntime"}
print(sorted(engines & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, paths)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["IntegrityError"] * 4 + ["[]"]


# Archives that other tools write, or that somebody bent: what is wrong, and the message.


def zipped(*, method: int = zipfile.ZIP_STORED, comment: bytes = b"", **info: object) -> bytes:
    """The tiny bundle's files as the standard library's zip file has them."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.comment = comment
        for name, content in read_archive(tiny()).items():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.external_attr, entry.compress_type = 3, 0o100644 << 16, method
            for key, value in info.items():
                setattr(entry, key, value)
            archive.writestr(entry, content)
    return buffer.getvalue()


def zip64() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in read_archive(tiny()).items():
            with archive.open(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), "w", force_zip64=True) as entry:
                entry.write(content)
    return buffer.getvalue()


def raw_archive(*entries: tuple[bytes, bytes]) -> bytes:
    """An archive in our own spelling, whatever its names are."""
    body, directory = b"", b""
    for name, content in entries:
        crc, size = zlib.crc32(content), len(content)
        middle = struct.pack("<HHHHIIIHH", 0, 0, 0, 0x21, crc, size, size, len(name), 0)
        directory += b"PK\x01\x02" + struct.pack("<HH", 0x0314, 20) + middle
        directory += struct.pack("<HHHII", 0, 0, 0, 0o100644 << 16, len(body)) + name
        body += b"PK\x03\x04" + struct.pack("<H", 20) + middle + name + content
    end = struct.pack("<4sHHHHIIH", b"PK\5\6", 0, 0, len(entries), len(entries), len(directory), len(body), 0)
    return body + directory + end


def entries() -> list[tuple[bytes, bytes]]:
    return [(name.encode(), content) for name, content in read_archive(tiny()).items()]


def with_mode(mode: int) -> bytes:
    """The directory's last entry gets another mode: a link, a device."""
    whole, old = tiny(), struct.pack("<I", 0o100644 << 16)
    at = whole.rindex(old)
    return whole[:at] + struct.pack("<I", mode << 16) + whole[at + 4 :]


def also(name: bytes) -> bytes:
    """The tiny bundle with one more entry of that name."""
    return raw_archive(*entries(), (name, b""))


FOREIGN = {
    "compressed": (lambda: zipped(method=zipfile.ZIP_DEFLATED), "damaged or foreign header at byte 0"),
    "comment": (lambda: zipped(comment=b"hello"), "its directory does not match"),
    "extra field": (lambda: zipped(extra=b"\xfe\xca\0\0"), "damaged or foreign header at byte 0"),
    "entry comment": (lambda: zipped(comment=b"", internal_attr=1), "its directory does not match"),
    "dated": (lambda: zipped(date_time=(2024, 1, 1, 0, 0, 0)), "damaged or foreign header at byte 0"),
    "made on another system": (lambda: zipped(create_system=0), "its directory does not match"),
    "symbolic link": (lambda: with_mode(0o120777), "its directory does not match"),
    "executable": (lambda: with_mode(0o100755), "its directory does not match"),
    "zip64": (zip64, "damaged or foreign header at byte 0"),
    "empty zip": (lambda: raw_archive(), "not an edgeml bundle: it does not start with a file entry"),
    "a path": (lambda: also(b"../evil"), "repeated file name '../evil'"),
    "a folder": (lambda: also(b"folder/"), "repeated file name 'folder/'"),
    "a hidden file": (lambda: also(b".bashrc"), "repeated file name '.bashrc'"),
    "capitals": (lambda: also(b"README"), "repeated file name 'README'"),
    "not ASCII": (lambda: also("é".encode()), "repeated file name"),
    "a long name": (lambda: also(b"a" * 65), "repeated file name"),
    "no name": (lambda: also(b""), "repeated file name ''"),
    "twice": (lambda: raw_archive(*entries(), entries()[1]), "repeated file name 'golden-in-0.npy'"),
    "not listed": (lambda: raw_archive(*entries(), (b"z.bin", b"1")), "its manifest lists golden-in-0.npy"),
    "one missing": (lambda: raw_archive(*entries()[:-1]), "bundle holds golden-in-0.npy, golden-"),
    "another order": (lambda: raw_archive(entries()[0], *entries()[:0:-1]), "bundle holds model.onnx"),
    "manifest last": (lambda: raw_archive(*entries()[::-1]), "its first file is 'model.onnx', not"),
    "no manifest": (lambda: raw_archive(*entries()[1:]), "its first file is 'golden-in-0.npy', not"),
    "too many files": (
        lambda: raw_archive(*((f"f{i}".encode(), b"") for i in range(MAX_ENTRIES + 1))),
        "bundle has more than 64 files",
    ),
}  # fmt: skip


def test_the_builder_of_raw_archives_spells_as_we_do():
    assert raw_archive(*entries()) == tiny()


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_archive_is_refused(name: str):
    build, message = FOREIGN[name]
    with pytest.raises(IntegrityError, match=r".") as caught:
        decode_bundle(build())
    assert message in str(caught.value)


@pytest.mark.parametrize("position", range(1, 4), ids=["golden input", "golden output", "artifact"])
def test_content_with_its_checksum_mended_is_refused_by_its_hash(position: int):
    files = entries()
    name, content = files[position]
    flipped = content[:-1] + bytes([content[-1] ^ 1])
    files[position] = (name, flipped)
    with pytest.raises(IntegrityError, match=r"not the file that the manifest lists \(sha256"):
        decode_bundle(raw_archive(*files))
    files[position] = (name, content + b"\0")
    with pytest.raises(
        IntegrityError, match=rf"has {len(content) + 1} bytes, the manifest says {len(content)}"
    ):
        decode_bundle(raw_archive(*files))


names = st.from_regex(ENTRY_NAME, fullmatch=True)


@given(st.dictionaries(names, st.binary(max_size=200), min_size=1, max_size=6))
def test_archive_round_trip(files: dict[str, bytes]):
    content = write_archive(files)
    assert list(read_archive(content).items()) == list(files.items())
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert {name: archive.read(name) for name in archive.namelist()} == files


@given(st.binary(max_size=200))
def test_arbitrary_bytes_raise_only_bundle_errors(content: bytes):
    assert refused(content)
    assert refused(b"PK\x03\x04" + content)


@given(st.binary(max_size=60), st.data())
def test_spliced_bytes_raise_only_bundle_errors(inserted: bytes, data: st.DataObject):
    whole = tiny()
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, min(len(whole), start + 80)))
    spliced = whole[:start] + inserted + whole[end:]
    assert refused(spliced) == (spliced != whole)


def test_writer_refuses_what_no_reader_takes():
    with pytest.raises(ValueError, match="entry name 'A' is not of"):
        write_archive({"A": b""})
    with pytest.raises(ValueError, match="65 entries"):
        write_archive({f"f{i}": b"" for i in range(65)})


def test_a_bundle_holds_the_same_bytes_again():
    bundle = decode_bundle(tiny_bundle_bytes(**describing_everything()))
    assert encode_bundle(bundle.manifest, bundle.files) == tiny_bundle_bytes(**describing_everything())


def test_file_that_cannot_be_read(tmp_path: Path):
    with pytest.raises(InputError, match=r"cannot read bundle .*absent\.edgeml': No such file"):
        read_bundle(tmp_path / "absent.edgeml")
    with pytest.raises(InputError, match="Is a directory"):
        read_bundle(tmp_path)
    with pytest.raises(InputError, match="null byte"):
        read_bundle("a\0b")
    broken = tmp_path / "broken.edgeml"
    broken.write_bytes(tiny()[:-4])
    with pytest.raises(IntegrityError, match=f"^{broken}: bundle is damaged or foreign after byte"):
        read_bundle(broken)


def test_a_file_that_is_too_long_is_not_read_whole(tmp_path: Path):
    path = tmp_path / "long"
    path.write_bytes(b"0123456789")
    assert read_file(path, "file", 4) == b"01234"
    assert read_file(path, "file") == b"0123456789"
    assert read_file(path, "file", 1 << 62) == b"0123456789"  # without setting that much aside
    assert read_file(Path("/dev/zero"), "file", 3_000_000) == bytes(3_000_001)
