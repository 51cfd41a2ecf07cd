"""Where a server listens, and that it ends with what went wrong."""

from __future__ import annotations

import asyncio
import socket
import threading
import urllib.request

import pytest
from starlette.applications import Starlette

from samhq.errors import CheckpointError, ConfigError
from samhq.serve.start import Address, run_server, url_for_others, url_of


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])
def test_other_machines_need_a_token(host: str) -> None:
    with pytest.raises(ConfigError, match="--token"):
        Address(host).check(None)
    Address(host).check("a-token")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_this_machine_needs_none(host: str) -> None:
    Address(host).check(None)


@pytest.mark.parametrize("port", [-1, 65536])
def test_a_port_that_does_not_exist(port: int) -> None:
    with pytest.raises(ConfigError, match=r"--port as a whole number from 0 up to 65535"):
        Address(port=port).check(None)


def test_a_port_that_is_taken() -> None:
    with Address().listen() as first:
        port = first.getsockname()[1]
        assert url_of(first, "x") == f"http://127.0.0.1:{port}/#t=x"
        with pytest.raises(ConfigError, match="--port"):
            Address(port=port).listen()
    with pytest.raises(ConfigError, match="--port"):
        Address(port=99999).listen()


def test_other_machines_get_an_address_that_they_reach() -> None:
    with Address().listen() as here:
        assert url_for_others(here, "secret") is None
    with Address("0.0.0.0").listen() as everywhere:
        url = url_for_others(everywhere, "secret")
        assert url is not None
        assert url.endswith(f":{everywhere.getsockname()[1]}/#t=secret")
        assert not url.startswith(("http://0.", "http://127."))


def test_any_sign_of_a_token_is_part_of_the_address() -> None:
    with Address().listen() as listener:
        assert url_of(listener, "a&b+c%/#d").endswith("/#t=a%26b%2Bc%25%2F%23d")
        assert url_of(listener).endswith("/")


@pytest.mark.parametrize("token", ["two words", "schlüssel", "密码", "line\n"])
def test_a_token_that_no_request_can_carry_is_refused(token: str) -> None:
    with pytest.raises(ConfigError, match="--token"):
        Address().check(token)


def test_small_answers_leave_at_once() -> None:
    async def without_delay() -> int:
        seen: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def accepted(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            connection = writer.get_extra_info("socket")
            seen.set_result(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        listener = Address().listen()
        async with await asyncio.start_server(accepted, sock=listener):
            _, writer = await asyncio.open_connection(*listener.getsockname())
            answer = await asyncio.wait_for(seen, 20)
            writer.close()
        return answer

    assert asyncio.run(without_delay()), "Nagle's algorithm holds small answers back for 40 ms"


def test_it_answers_until_something_fails() -> None:
    failures: list[CheckpointError] = []
    answers: list[int] = []
    listener = Address().listen()

    def ask() -> None:
        try:
            urllib.request.urlopen(url_of(listener), timeout=20)
        except urllib.error.HTTPError as error:
            answers.append(error.code)
        failures.append(CheckpointError("Expected weights, got none."))

    thread = threading.Thread(target=ask)
    thread.start()
    with pytest.raises(CheckpointError, match="weights"):
        run_server(Starlette(), listener, failed=lambda: failures[0] if failures else None)
    thread.join()
    assert answers == [404]
