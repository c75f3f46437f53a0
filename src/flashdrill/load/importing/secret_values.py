"""Values that look like secrets, or like who a person is, whatever they are called.

    tokens      eyJ... (JWT), Bearer ..., the keys of AWS, GitHub, Slack, Stripe and Google, private keys
    random      32 or more hexadecimal or mixed characters in a row, 20 or more that no word explains, 20 or more of one
                case among which digits are strewn
    cards       13 to 19 digits whose check digit (ISO/IEC 7812-1, Luhn) is right
    people      e-mail addresses, phone numbers

An id that is known by its form (UUID, ULID, MongoDB's ObjectId, cuid) is no secret by its look alone.
"""

from __future__ import annotations

import re
from itertools import pairwise

_KNOWN = re.compile(
    r"eyJ[A-Za-z0-9_-]{8,}"
    r"|\b(?i:bearer)\s+[A-Za-z0-9._~+/=-]{6,}|\b(?i:basic)\s+[A-Za-z0-9+/]{8,}={0,2}"
    r"|(?:AKIA|ASIA|AIDA|AROA|AGPA|ANPA|ANVA)[A-Z0-9]{16}"
    r"|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abeoprs]-[\w-]{10,}"
    r"|[rsp]k_(?:live|test)_\w{10,}|sk-[\w-]{16,}|AIza[\w-]{30,}|ya29\.[\w-]{10,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY|://[^/\s@]*:[^/\s@]*@"
)
_EMAIL = re.compile(r"[\w.+!#$%&'*/=?^`{|}~-]+@[\w-]+(?:\.[\w-]+)*\.[^\W\d_]{2,}")
_PHONE = re.compile(
    r"\+\d(?:[ ().\-/]?\d){7,14}(?!\d)"
    r"|(?<![\w.-])(?:\(\d{3}\) ?|\d{3}[-. ])\d{3}[-. ]\d{4}(?![\w-])"
    r"|(?<![\w.,-])1[3-9]\d{9}(?!\w|[.,-]\d)"
    r"|(?<![\w.-])0\d{2,4}[ /-]\d{3,4}[ -]?\d{3,4}(?![\w-])"
)
_DIGITS = re.compile(r"(?<!\d)[2-6](?:[ -]?\d){12,18}(?![ -]?\d)")
_ID = re.compile(
    r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
    r"|(?<![A-Za-z0-9])(?:0[01][0-9A-HJKMNP-TV-Z]{24}|[4-7][0-9a-f]{23}|c[jklm][0-9a-z]{23})(?![A-Za-z0-9])"
)
"""UUID; ULID, ObjectId and cuid, which begin with a time of these decades."""
_RUN = re.compile(r"[A-Za-z0-9+/_=-]{20,}")
_SOLID = re.compile(r"[A-Za-z0-9]{20,}")
_LONG = 32
_WORDLIKE = re.compile(r"[a-z]{4,}")
_CHANGES = 0.25
_MOST_WORDS = 0.5
"""The shares of changes between upper case, lower case and digits that chance makes, and of letters in words."""
_STREWN = 0.2
"""The same of changes between digits and letters of one case, which are fewer: base32 has six digits."""


def looks_secret(text: str) -> bool:
    """Whether anything in the text looks like a secret, a card's number, an e-mail address or a phone number."""
    if _KNOWN.search(text) or _EMAIL.search(text) or _PHONE.search(text):
        return True
    if any(_is_card(found.group()) for found in _DIGITS.finditer(text)):
        return True
    return any(_is_random(found) for found in _RUN.findall(_ID.sub(" ", text)))


def _is_card(text: str) -> bool:
    digits = [int(digit) for digit in text if digit.isdigit()]
    doubled = (sum(divmod(2 * digit, 10)) for digit in digits[-2::-2])
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _is_random(run: str) -> bool:
    """Whether no words explain a run of characters."""
    if any(_is_mixed(solid) or _is_strewn(solid) for solid in _SOLID.findall(run)):
        return True
    solid = "".join(filter(str.isalnum, run))
    kinds = [_kind(character) for character in solid]
    if len(solid) < 18 or not {"upper", "lower"} <= set(kinds):
        return False
    changes = sum(a != b for a, b in pairwise(kinds)) / len(solid)
    worded = sum(map(len, _WORDLIKE.findall(solid))) / len(solid)
    return changes >= _CHANGES and worded < _MOST_WORDS


def _is_mixed(solid: str) -> bool:
    """Whether it is long, and of more than letters: a number of so many digits counts nothing."""
    return len(solid) >= _LONG and any(map(str.isdigit, solid))


def _is_strewn(solid: str) -> bool:
    """Whether digits are strewn among letters of one case."""
    if not (solid.islower() or solid.isupper()):
        return False
    changes = sum(a.isdigit() != b.isdigit() for a, b in pairwise(solid))
    return changes >= _STREWN * len(solid)


def _kind(character: str) -> str:
    if character.isdigit():
        return "digit"
    return "upper" if character.isupper() else "lower"
