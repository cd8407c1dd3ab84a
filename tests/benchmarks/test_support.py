"""What the benchmarks count with: percentiles, ratios, mixed reads, and who holds a connection."""

import os
import socket
import time

import pytest

from benchmarks.reloads import mixed
from benchmarks.support.connections import Connection, NoAnswerError, holders, parse_head
from benchmarks.support.delay import late
from benchmarks.support.load import Sample
from benchmarks.support.table import as_markdown, as_text, at_least, at_most, ms, percentile, ratio


def test_a_percentile_is_a_value_that_was_measured():
    assert percentile(range(1, 201), 99) == 198
    assert percentile([5.0], 99) == 5.0
    assert percentile([3, 1, 2], 50) == 2


def test_a_ratio_compares_pair_by_pair():
    found = ratio([2, 4, 9], [1, 4, 3])
    assert (found.median, found.least, found.most) == (2, 1, 3)


@pytest.mark.parametrize(("noise", "met"), [(0.0, False), (0.1, True)])
def test_a_limit_allows_for_the_noise_that_it_names(noise, met):
    row = at_most("what", 1.0, "", "", ratio([1.05], [1]), noise=noise)
    assert row.met is met


def test_a_table_says_whether_each_target_is_met():
    rows = [
        at_least("faster", 8, "1 ms", "9 ms", ratio([9], [1])),
        at_most("slower", 1.5, "2 ms", "1 ms", ratio([2], [1])),
    ]
    assert [line.split()[-1] for line in as_text(rows).splitlines()] == ["met", "yes", "NO"]
    assert (
        "| faster | 1 ms | 9 ms | 9.00 (9.00 to 9.00), 1 pairs | at least 8 x faster | yes |"
        in as_markdown(rows)
    )


def test_a_time_has_three_digits():
    assert [ms(0.00012345), ms(0.0123), ms(1.5)] == ["0.123 ms", "12.3 ms", "1500 ms"]


def sample(banner, digest, header=None, status=200):
    return Sample(0.0, 0.001, status, banner, digest, header or digest)


def test_a_banner_belongs_to_one_digest():
    pure = [sample("a", "1"), sample("a", "1"), sample("b", "2"), sample("b", "2")]
    assert mixed(pure) == 0
    assert mixed([*pure, sample("a", "2")]) == 1
    assert mixed([*pure, sample("b", "2", header="1")]) == 1
    assert mixed([*pure, sample("", "", status=503)]) == 0


def test_a_head_is_read_to_its_end():
    status, headers, rest = parse_head(b"HTTP/1.1 503 No\r\nX-One: a: b\r\nTwo: 2\r\n\r\nbody")
    assert (status, headers, rest) == (503, {"x-one": "a: b", "two": "2"}, b"body")


def test_the_holder_of_a_connection_is_found():
    server = socket.create_server(("127.0.0.1", 0))
    port = server.getsockname()[1]
    with server, Connection(port) as connection, server.accept()[0]:
        assert holders(port, [os.getpid()], [connection]) == [(connection, os.getpid())]


def test_a_connection_that_is_closed_without_an_answer_is_an_error():
    server = socket.create_server(("127.0.0.1", 0))
    with server, Connection(server.getsockname()[1]) as connection:
        server.accept()[0].close()
        with pytest.raises(NoAnswerError):
            connection.receive()


def test_behind_a_late_door_the_same_answer_comes_later():
    server = socket.create_server(("127.0.0.1", 0))
    with (
        server,
        late(server.getsockname()[1], 0.2) as door,
        socket.create_connection(("127.0.0.1", door)) as us,
    ):
        them, _ = server.accept()
        with them:
            us.sendall(b"question")
            assert them.recv(100) == b"question"
            began = time.monotonic()
            them.sendall(b"answer")
            assert us.recv(100) == b"answer"
            assert time.monotonic() - began >= 0.2
