"""The rule for text in requests: the same for names, ids, tokens, keys and selections of operators.

Text that is stored (`Plain`) is one line of Unicode that people can read and compare. It has
- no control characters and no line or paragraph separators: they break lines of logs and headers of mails,
- no NUL and no lone surrogates: PostgreSQL stores neither, and UTF-8 has no lone surrogates,
- no noncharacters, which Unicode reserves for a program's own use (RFC 9839),
- no space at either end, and Unicode's normalization form C, so that texts that look equal are equal.

Wrong text is refused and not repaired, so that a client reads exactly the text that it sent. Selections of operators
may have any text that PostgreSQL can compare (`Storable`), because other systems made some keys.

Add a length: `Annotated[str, Field(min_length=1, max_length=64), Plain]`. The length is checked first.
"""

import re
from unicodedata import is_normalized

from pydantic import AfterValidator, SecretStr
from pydantic_core import PydanticCustomError

_PLANES = "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000))
_NOT_PLAIN = re.compile(f"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufdd0-\ufdef{_PLANES}]")
_NOT_STORABLE = re.compile("[\x00\ud800-\udfff]")


def plain(text: str) -> str:
    """Return the text. Raises PydanticCustomError `text_not_plain`."""
    if text.isascii() and text.isprintable():
        is_plain = True
    else:
        is_plain = not _NOT_PLAIN.search(text) and is_normalized("NFC", text)
    if not is_plain or text.strip() != text:
        raise PydanticCustomError(
            "text_not_plain",
            "Text is one line in normalization form C, without control characters, surrogates, noncharacters"
            " and spaces at its ends",
        )
    return text


def storable(text: str) -> str:
    """Return the text. Raises PydanticCustomError `text_not_storable`."""
    if _NOT_STORABLE.search(text):
        raise PydanticCustomError("text_not_storable", "Text holds no NUL and no surrogates")
    return text


def _plain_secret(secret: SecretStr) -> SecretStr:
    plain(secret.get_secret_value())
    return secret


Plain = AfterValidator(plain)
PlainSecret = AfterValidator(_plain_secret)
Storable = AfterValidator(storable)
