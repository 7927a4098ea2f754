"""A plan is code: one that does not carry the mark of this user is not taken, whatever its hashes say."""

import hashlib
import hmac
import logging
import struct
import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from zlib_backend import OPTIONS, T4, USER_KEY, ZlibBackend

from eengines.device_engine import Plan
from eengines.engine_cache import EngineCache
from eengines.engine_cache.entry_file import PREFIX, encode_front
from eengines.engine_cache.origin import Origin
from eengines.errors import UserError

GRAPH = b"a graph of some length" * 9
ORIGIN = Origin.of(ZlibBackend(), GRAPH, OPTIONS)
NAME = f"{ORIGIN.key}.plan"
OTHER_KEY = bytes(reversed(USER_KEY))
EVIL = Plan(content=b"code of somebody else", notes=("trust me",))
GOOD = Plan(content=zlib.compress(GRAPH))
FOREIGN = "segment 2: the kept plan was not made by this user: building again (--trust-plans takes it)"
NOBODYS = "segment 2: the kept plan may be anybody's, there is no key to tell: building again (--trust-plans takes it)"


def entry(plan: Plan = EVIL, key: bytes | None = OTHER_KEY) -> bytes:
    """A file with this name that is whole."""
    return encode_front("segment 2", ORIGIN, plan, key) + plan.content


def fetch(folder, backend=None, *, key=USER_KEY, trust=False, say=None):
    cache = EngineCache(folder, max_bytes=10**6, key=key, trust=trust)
    return cache.fetch(backend or ZlibBackend(), GRAPH, OPTIONS, label="segment 2", say=say, warn=say)


def parts(file: bytes) -> tuple[bytes, bytes, bytes]:
    """Tag, header and content of a file."""
    *_, length, _, tag = PREFIX.unpack_from(file)
    return tag, file[PREFIX.size :][:length], file[PREFIX.size + length :]


def joined(tag: bytes, header: bytes, content: bytes) -> bytes:
    """A file whose digests are right, as anybody can make one."""
    described = {**msgspec.json.decode(header), "content_bytes": len(content)}
    header = msgspec.json.encode({**described, "content_sha256": hashlib.sha256(content).hexdigest()})
    return PREFIX.pack(b"EEPLAN\r\n", 2, len(header), hashlib.sha256(tag + header).digest(), tag) + header + content


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("foreign")


def assert_refused(folder, file: bytes) -> None:
    """It is not returned, a plan is built in its place, and that is kept."""
    (folder / NAME).write_bytes(file)
    backend = ZlibBackend()
    plan, outcome = fetch(folder, backend)
    assert (plan, backend.builds) == (GOOD, 1)
    assert (outcome.status, outcome.reason, outcome.not_kept) == ("rebuilt", FOREIGN, "")
    assert (folder / NAME).read_bytes() == entry(GOOD, USER_KEY)
    assert fetch(folder, backend)[1].status == "hit"


@pytest.mark.parametrize("key", [OTHER_KEY, None], ids=["of another user", "of nobody"])
def test_a_foreign_plan_is_not_taken_and_replaced(folder, key):
    assert_refused(folder, entry(EVIL, key))


@pytest.mark.parametrize("key", [USER_KEY, None])
def test_a_foreign_plan_is_taken_if_it_is_trusted(tmp_path, key):
    (tmp_path / NAME).write_bytes(entry())
    backend, said = ZlibBackend(), []
    plan, outcome = fetch(tmp_path, backend, key=key, trust=True, say=said.append)
    assert (plan, outcome.status, backend.builds, said) == (EVIL, "hit", 0, [])
    assert (tmp_path / NAME).read_bytes() == entry(), "to trust a plan once is not to sign it"


@pytest.mark.parametrize("trust", [False, True])
@given(data=st.data())
def test_damage_is_found_trusted_or_not(folder, trust, data):
    file = bytearray(entry())
    bit = data.draw(st.integers(0, 8 * len(file) - 1))
    file[bit // 8] ^= 1 << bit % 8
    (folder / NAME).write_bytes(file)
    plan, outcome = fetch(folder, trust=trust)
    assert plan == GOOD
    assert outcome.reason.startswith("segment 2: the kept plan is damaged, ")


@given(data=st.data())
def test_changed_content_with_new_digests(folder, data):
    tag, header, content = parts(entry(GOOD, USER_KEY))
    changed = bytearray(content)
    changed[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    assert_refused(folder, joined(tag, header, bytes(changed)))


@pytest.mark.parametrize("change", [{"label": "segment 3"}, {"notes": ["all is well"]}])
def test_a_changed_header_with_new_digests(folder, change):
    tag, header, content = parts(entry(GOOD, USER_KEY))
    changed = msgspec.json.encode({**msgspec.json.decode(header), **change})
    assert_refused(folder, joined(tag, changed, content))


def test_a_flipped_byte_of_the_header_with_new_digests(folder):
    tag, header, content = parts(entry(GOOD, USER_KEY))
    at = header.index(b"segment")
    assert_refused(folder, joined(tag, header[:at] + bytes([header[at] ^ 1]) + header[at + 1 :], content))


@pytest.mark.parametrize("change", [lambda _: bytes(32), lambda tag: bytes([tag[0] ^ 1]) + tag[1:]])
def test_a_changed_tag_with_new_digests(folder, change):
    tag, header, content = parts(entry(GOOD, USER_KEY))
    assert_refused(folder, joined(change(tag), header, content))


def test_the_tag_of_another_plan_of_this_user(folder):
    tag, _, _ = parts(entry(Plan(content=GOOD.content, notes=("another",)), USER_KEY))
    _, header, content = parts(entry())
    assert_refused(folder, joined(tag, header, content))


def test_the_header_moved_into_the_content_is_another_file(folder):
    tag, header, content = parts(entry(GOOD, USER_KEY))
    assert_refused(folder, joined(tag, header, b"}" + content))


def test_this_users_plan_of_another_graph_is_not_taken_for_this_one(tmp_path):
    other = Origin.of(ZlibBackend({**T4, "driver": "1"}), GRAPH, OPTIONS)
    (tmp_path / NAME).write_bytes(encode_front("segment 2", other, EVIL, USER_KEY) + EVIL.content)
    plan, outcome = fetch(tmp_path)
    assert plan == GOOD
    assert "it holds the plan of key" in outcome.reason


def test_the_tag_is_the_hmac_of_what_the_format_says():
    file = entry(GOOD, USER_KEY)
    tag, header, content = parts(file)
    message = b"EEPLAN\r\n" + struct.pack("<II", 2, len(header)) + header + content
    assert tag == hmac.digest(USER_KEY, message, "sha256")
    assert parts(entry(GOOD, None))[0] == bytes(32)


def test_written_under_one_key_and_read_under_another(tmp_path):
    def statuses(*keys):
        return [fetch(tmp_path, key=key)[1].status for key in keys]

    assert statuses(USER_KEY, USER_KEY) == ["built", "hit"]
    assert statuses(OTHER_KEY, OTHER_KEY) == ["rebuilt", "hit"]
    assert statuses(USER_KEY) == ["rebuilt"], "the other user's took its place"


def test_who_interrupts_the_build_can_still_trust_the_plan(tmp_path):
    def interrupt() -> None:
        raise KeyboardInterrupt

    (tmp_path / NAME).write_bytes(entry())
    with pytest.raises(KeyboardInterrupt):
        fetch(tmp_path, ZlibBackend(during=interrupt))
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    assert fetch(tmp_path, trust=True)[0] == EVIL


def test_without_a_key_plans_are_built_every_time_and_it_is_said_once(tmp_path, said):
    cache = EngineCache(tmp_path, max_bytes=10**6, key=None, no_key="no home. Set it.")
    backend = ZlibBackend()
    say = said.append
    outcomes = [cache.fetch(backend, GRAPH, OPTIONS, label="segment 2", say=say, warn=say)[1] for _ in range(3)]

    assert backend.builds == 3
    assert [(each.status, each.not_kept) for each in outcomes] == [("built", ""), ("rebuilt", ""), ("rebuilt", "")]
    assert [each.reason for each in outcomes] == ["segment 2: no plan in the cache: building", NOBODYS, NOBODYS]
    assert said == [
        f"{tmp_path}: there is no key of this user, and plans are kept without its mark: "
        "only --trust-plans takes them (no home. Set it.)",
        *(each.reason for each in outcomes),
    ]


def test_without_a_key_not_even_this_users_plan_is_taken(tmp_path):
    fetch(tmp_path)
    assert fetch(tmp_path, key=None)[1].reason == NOBODYS


def test_a_plan_that_was_kept_without_a_key_is_taken_if_it_is_trusted(tmp_path):
    fetch(tmp_path, key=None)
    assert fetch(tmp_path, key=None, trust=True)[1].status == "hit"
    assert fetch(tmp_path, trust=True)[1].status == "hit"
    assert fetch(tmp_path)[1].reason == FOREIGN


def test_the_missing_key_is_a_warning(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, logger="eengines"):
        fetch(tmp_path, key=None)
    assert ["there is no key of this user" in record.message for record in caplog.records] == [True]


def test_words_of_a_file_do_not_reach_the_terminal_as_they_are(tmp_path):
    tag, header, content = parts(entry())
    header = header.replace(b'{"label"', rb'{"\u001b[2J":1,"label"', 1)
    (tmp_path / NAME).write_bytes(
        PREFIX.pack(b"EEPLAN\r\n", 2, len(header), hashlib.sha256(tag + header).digest(), tag) + header + content
    )
    assert "?[2J" in EngineCache(tmp_path, max_bytes=1, key=None).info().entries[0].problem
    assert "?[2J" in fetch(tmp_path)[1].reason


@pytest.mark.parametrize("key", [b"", USER_KEY[1:], USER_KEY + b"\0"])
def test_a_key_of_another_length(tmp_path, key):
    with pytest.raises(UserError, match=f"key: got {len(key)} bytes, expected 32"):
        EngineCache(tmp_path, max_bytes=1, key=key)
