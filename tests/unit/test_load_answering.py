"""Reading answers: whole ones in pieces of any size, and what is no answer."""

from __future__ import annotations

import pytest

from flashdrill.load.answering import MAX_HEAD_BYTES, Answering, BadAnswerError

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
WITH_LENGTH = HEAD + b"Content-Length: 11\r\n\r\nhello world"
IN_CHUNKS = (
    HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nT: r\r\n\r\n"
)
AFTER_HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nContent-Type: no\r\n\r\n" + WITH_LENGTH


@pytest.mark.parametrize("step", [1, 2, 7, 1000])
@pytest.mark.parametrize("answer", [WITH_LENGTH, IN_CHUNKS, AFTER_HINTS])
def test_answers_in_pieces_one_after_another(answer: bytes, step: int) -> None:
    reader = Answering(100, 1000)
    for _ in range(3):
        reader.expect("GET")
        pieces = [answer[at : at + step] for at in range(0, len(answer), step)]
        assert [reader.feed(piece) for piece in pieces] == [False] * (len(pieces) - 1) + [True]
        assert (reader.status, reader.body, reader.can_go_on) == (200, b"hello world", True)
        assert reader.header(b"content-type") == "application/json"
        assert reader.header(b"x-other") == ""


@pytest.mark.parametrize(
    ("head", "can_go_on"),
    [
        (b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", True),
    ],
)
def test_whether_the_connection_may_go_on(head: bytes, can_go_on: bool) -> None:
    reader = Answering(100, 1000)
    reader.expect("GET")
    assert reader.feed(head)
    assert (reader.body, reader.can_go_on) == (b"", can_go_on)


def test_an_answer_to_head_has_no_body() -> None:
    reader = Answering(100, 1000)
    reader.expect("HEAD")
    assert reader.feed(HEAD + b"Content-Length: 11\r\n\r\n")
    assert (reader.status, reader.body, reader.can_go_on) == (200, b"", False)


def test_an_answer_may_last_until_the_connection_ends() -> None:
    reader = Answering(100, 1000)
    reader.expect("GET")
    assert not reader.feed(HEAD + b"\r\nhello")
    assert not reader.feed(b" world")
    assert reader.ended()
    assert (reader.body, reader.can_go_on) == (b"hello world", False)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200", WITH_LENGTH[:-1], IN_CHUNKS[:-1]])
def test_an_end_before_the_end_is_none(answer: bytes) -> None:
    reader = Answering(100, 1000)
    reader.expect("GET")
    assert not answer or not reader.feed(answer)
    assert not reader.ended()


def test_what_comes_behind_an_answer_ends_the_connection_and_changes_nothing() -> None:
    reader = Answering(100, 1000)
    reader.expect("GET")
    assert reader.feed(WITH_LENGTH + b"HTTP/1.1 500 No\r\nContent-Length: 3\r\n\r\nbad")
    assert (reader.status, reader.body, reader.can_go_on) == (200, b"hello world", False)


@pytest.mark.parametrize("behind", [b"!", b"\x00\xff", b"SSH-2.0"])
@pytest.mark.parametrize("closes", [b"", b"Connection: close\r\n"])
def test_what_is_no_http_behind_an_answer_changes_nothing_either(
    behind: bytes, closes: bytes
) -> None:
    reader = Answering(100, 1000)
    reader.expect("GET")
    assert reader.feed(HEAD + closes + b"Content-Length: 2\r\n\r\n{}" + behind)
    assert (reader.status, reader.body, reader.can_go_on) == (200, b"{}", False)


def test_a_large_body_is_read_to_its_end_and_not_kept() -> None:
    reader = Answering(100, 1000)
    reader.expect("GET")
    assert not reader.feed(HEAD + b"Content-Length: 900\r\n\r\n" + b"x" * 300)
    assert not reader.feed(b"x" * 300)
    assert reader.feed(b"x" * 300)
    assert (reader.status, reader.body, reader.can_go_on) == (200, b"", True)


def test_a_list_in_several_lines_is_one_and_of_others_the_last_counts() -> None:
    reader = Answering(100, 1000)
    reader.expect("GET")
    timing = b"Server-Timing: q.pool;dur=1\r\nServer-Timing: proxy;dur=2\r\n"
    assert reader.feed(HEAD + timing + b"X-A: 1\r\nX-A: 2\r\nContent-Length: 0\r\n\r\n")
    assert reader.header(b"server-timing") == "q.pool;dur=1, proxy;dur=2"
    assert reader.header(b"x-a") == "2"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", "Content-Length"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", "chunk"),
        (HEAD + b"Content-Length: 1001\r\n\r\n" + b"x" * 1001, "too large"),
        (HEAD + b"\r\n" + b"x" * 1001, "too large"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * MAX_HEAD_BYTES, "head of the answer is too large"),
        (b"HTTP/1.1 101 Switching\r\nUpgrade: ws\r\nConnection: upgrade\r\n\r\n", "another protocol"),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_said(answer: bytes, said: str) -> None:
    reader = Answering(100, 1000)
    reader.expect("GET")
    with pytest.raises(BadAnswerError, match=said):
        reader.feed(answer)
