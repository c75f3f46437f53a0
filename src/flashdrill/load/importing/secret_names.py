"""Names that suggest a secret, or who a person is: of headers, query parameters, fields of forms and keys of JSON.

A name is cut into words (`userAccessToken`, `x-api-key`, `card[number]`) and judged by them, so that `author` is not
taken for `auth`. In doubt it is a secret: what is left out of a file can be put back.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise


def word_set(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
_ACCENTS = str.maketrans("ñãáéíóú", "naaeiou")
_WORDS = word_set("""
    auth bearer captcha card cvc cvn cvv hmac iban jwt login mfa mnemonic otp pan pass passcode passport pin psw pswd
    pw pwd pword refresh saml sid sig sign ssid ssn sso ticket totp verifier mail mobile msisdn tel
    """)
_WITHIN = word_set(
    """
    accesskey apikey appkey authcode authentic authkey authoriz backupcode cardn ccnum confirmationcode contrasena
    cookie credential creditcard csrf cvv email encryptionkey kennwort oauth otpcode passkey passphrase passw phone
    pincode privatekey privkey pwd recoverycode secret senha sessid session signature signingkey smscode token userpass
    verificationcode verifycode xsrf 密码 密碼 口令 验证码 手机 电话 身份证 邮箱 银行卡
    """
)
_PAIRS = frozenset(
    [
        *(
            ("api", "key"),
            ("access", "key"),
            ("private", "key"),
            ("secret", "key"),
            ("subscription", "key"),
        ),
        *(
            ("account", "number"),
            ("card", "number"),
            ("security", "code"),
            ("e", "mail"),
            ("client", "assertion"),
        ),
        *(("one", "time"), ("functions", "key"), ("client", "cert")),
    ]
)
_LOGIN = word_set("""
    2fa auth authenticate authentication authorize authorise callback login logon mfa oauth oauth2 oidc otp
    passwd password passwords pin register registration saml saml2 session sessions signin signon signup sso token
    tokens totp
    """)
_LOGIN_PAIRS = frozenset(
    [("sign", "in"), ("sign", "up"), ("log", "in"), ("log", "on"), ("sign", "on")]
)
_LOGIN_FIELDS = word_set(
    "password passwords passwd pwd pswd psw pw passcode passphrase pass otp totp pin login logon signin register"
)
_LOGIN_WITHIN = word_set("passw userpass oldpwd newpwd contrasena kennwort senha 密码 密碼 口令")
_LOGIN_FIELD_PAIRS = frozenset([("grant", "type"), ("client", "secret"), ("one", "time")])
_OAUTH = word_set(
    "client_id redirect_uri grant_type response_type code_verifier session_state state"
)
_OF_OAUTH = frozenset({"code", "state", "nonce"})


def suggests_secret(name: str) -> bool:
    """Whether what goes by this name may be a secret."""
    words = _words(name)
    joined = "".join(words).translate(_ACCENTS)
    return (
        not _WORDS.isdisjoint(words)
        or not _PAIRS.isdisjoint(pairwise(words))
        or any(part in joined for part in _WITHIN)
    )


def suggests_secret_beside(name: str, siblings: Iterable[str]) -> bool:
    """The same, where the names beside it matter: an OAuth `code` is one, and the code of a voucher is not."""
    if suggests_secret(name):
        return True
    return name.lower() in _OF_OAUTH and not _OAUTH.isdisjoint(
        {other.lower() for other in siblings if other != name}
    )


def is_login_path(parts: Iterable[str]) -> bool:
    """Whether the parts of a path are those of logging in, signing up, or changing a password."""
    words = [word for part in parts for word in _words(part)]
    return not _LOGIN.isdisjoint(_whole(parts, words)) or not _LOGIN_PAIRS.isdisjoint(
        pairwise(words)
    )


def is_login_field(name: str) -> bool:
    """Whether a field is one of those that somebody logs in or signs up with."""
    words = _words(name)
    return (
        not _LOGIN_FIELDS.isdisjoint(words)
        or not _LOGIN_FIELD_PAIRS.isdisjoint(pairwise(words))
        or any(part in "".join(words).translate(_ACCENTS) for part in _LOGIN_WITHIN)
    )


def names_a_login(text: str) -> bool:
    """Whether the name of an operation, such as GraphQL's or of a remote procedure, is that of logging in."""
    return is_login_path(re.split(r"[./:]", text))


def _whole(parts: Iterable[str], words: list[str]) -> set[str]:
    """The words, and what they are without the separators between them: `2fa`, `oauth2`."""
    return {*words, *(re.sub(r"[^a-z0-9]", "", part.lower()) for part in parts)}


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]
