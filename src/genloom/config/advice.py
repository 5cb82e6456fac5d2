"""Settings written so that a shell passes them on as they are, and Hydra's grammar reads them so."""

import re
import shlex

_PLAIN = re.compile(r"[A-Za-z_./][\w./-]*")  # no number, quote, bracket, comma, colon or space
_WORDS = {"null", "true", "false", "nan", "inf"}


def quoted(text: str) -> str:
    """Return ``text`` so that Hydra's grammar and OmegaConf's interpolation read it as it is."""
    from hydra.core.override_parser.types import Quote, QuotedString

    if text == "???":  # which means a value that is missing to OmegaConf, but for what an interpolation gives
        return QuotedString(text="""${oc.decode:"'???'"}""", quote=Quote.single).with_quotes()
    literal = re.sub(r"(\\*)\$\{", lambda found: found[1] * 2 + r"\${", text)
    return QuotedString(text=literal, quote=Quote.single).with_quotes()


def setting(key: str, value: object) -> str:
    """Return ``KEY=VALUE`` to be pasted into a shell, for a value that is a text or a path."""
    text = str(value)
    is_plain = bool(_PLAIN.fullmatch(text)) and text.lower() not in _WORDS
    return pasted(f"{key}={text if is_plain else quoted(text)}")


def pasted(argument: str) -> str:
    """Return an argument as it is typed into a shell, in quotes where one of the usual shells would change it."""
    if "'" in argument and not set('"$`\\!') & set(argument):
        return f'"{argument}"'
    return shlex.quote(argument)
