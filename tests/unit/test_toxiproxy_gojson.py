"""JSON as Go reads and writes it, and addresses as Go splits them."""

from __future__ import annotations

import pytest

from flashdrill.toxiproxy.embedded.address import AddressError, canonical, join, split
from flashdrill.toxiproxy.embedded.gojson import BodyError, decode, encode, fields, float32


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "EOF"),
        (" \n", "EOF"),
        ("{", "unexpected EOF"),
        ('{"a":', "unexpected EOF"),
        ('"a', "unexpected EOF"),
        ("nonsense", "invalid character"),
        ('{"a":1,}', "invalid character"),
        ("NaN", "invalid character"),
    ],
)
def test_broken_json_is_told(text: str, message: str) -> None:
    with pytest.raises(BodyError, match=f"^{message}"):
        decode(text)


def test_the_first_value_counts() -> None:
    assert decode(' {"a":1} {"b":') == {"a": 1}


def take(text: str, **types: str) -> dict[str, object]:
    return fields(decode(text), types, whole="value of type T", where="T.", elsewhere={})


def test_fields_of_their_types_are_taken() -> None:
    text = '{"A":"x","b":true,"c":-5,"d":0.5,"e":[1],"f":null,"g":1}'
    assert take(text, a="string", b="bool", c="int64", d="float32", e="object", f="int64") == {
        "a": "x",
        "b": True,
        "c": -5,
        "d": 0.5,
        "e": [1],
    }


@pytest.mark.parametrize("value", ["1.0", "1e3", "true", '"1"', "9223372036854775808", "[]", "{}"])
def test_an_integer_is_an_integer(value: str) -> None:
    with pytest.raises(BodyError, match=r"Go struct field T\.a of type int64"):
        take(f'{{"a":{value}}}', a="int64")


@pytest.mark.parametrize("value", ["1e60", "1e999", '"1"', "true"])
def test_a_float_has_32_bits(value: str) -> None:
    with pytest.raises(BodyError, match=r"Go struct field T\.a of type float32"):
        take(f'{{"a":{value}}}', a="float32")


@pytest.mark.parametrize(
    ("given", "kept"),
    [(0.1, 0.1), (1 / 3, 0.33333334), (1, 1.0), (1e-9, 1e-9), (16777217, 16777216.0)],
)
def test_floats_are_written_short(given: float, kept: float) -> None:
    assert float32(given) == kept


def test_signs_of_html_are_escaped() -> None:
    assert encode({"a": "<é&>"}) == '{"a":"\\u003cé\\u0026\\u003e"}'


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("127.0.0.1:80", ("127.0.0.1", "80")),
        ("[::1]:80", ("::1", "80")),
        (":80", ("", "80")),
        ("", ("", "0")),
        ("localhost:http", ("localhost", "http")),
    ],
)
def test_addresses_are_split(address: str, parts: tuple[str, str]) -> None:
    assert split(address) == parts


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1", "[::1]", "::1:80"])
def test_addresses_without_a_port_are_refused(address: str) -> None:
    with pytest.raises(AddressError, match=r"missing port|too many colons"):
        split(address)


async def test_addresses_are_compared_as_numbers() -> None:
    assert await canonical("localhost:80") == "127.0.0.1:80"
    assert await canonical("[::1]:80") == join("::1", 80) == "[::1]:80"
    assert await canonical("127.0.0.1:") == "127.0.0.1:0"
