"""rewrite - addresses completed to user@domain form

Rules, in this order: a source route goes; without an @, `site!user` becomes user@site,
`user%domain` becomes user@domain, a bare user gets @origin; a domain without a dot gets
.domain; a dot at the end goes. Which domain names are added is the Context's: local
mail gets myorigin and mydomain, remote mail remote_header_rewrite_domain, or nothing.

Parameters: append_at_myorigin append_dot_mydomain swap_bangpath allow_percent_hack
myorigin mydomain remote_header_rewrite_domain
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pyfix.mail.tokens import LITERAL, QUOTED, Token, external_address, scan


@dataclass(frozen=True, slots=True)
class Context:
    """What the rules are to do: origin (after the @), domain (after the dot); empty: nothing is added."""

    origin: str
    domain: str
    append_at_myorigin: bool = True
    append_dot_mydomain: bool = False
    swap_bangpath: bool = True
    allow_percent_hack: bool = True
    told: Callable[[str, str], None] | None = None
    """Called with a domain that is completed: before, after."""


def rewrite_address(context: Context, address: str) -> str:
    """Complete an address; external form in and out."""
    return external_address(rewrite_tokens(context, scan(address)))


def rewrite_tokens(context: Context, tokens: list[Token]) -> list[Token]:
    """Complete an address that was cut into tokens (the list is used up)."""
    if not tokens or is_empty(tokens):
        return tokens
    if len(tokens) == 1 and tokens[0].kind == "@":
        return [Token(QUOTED)]
    tokens = _strip_route(tokens)
    if find_last(tokens, "@") < 0:
        tokens = _find_domain(context, tokens)
    _complete_domain(context, tokens)
    if ends_with_dot(tokens):
        tokens.pop()
    return tokens


def is_empty(tokens: list[Token]) -> bool:
    """Whether this is the empty address."""
    return len(tokens) == 1 and tokens[0].kind == QUOTED and not tokens[0].text


def ends_with_dot(tokens: list[Token]) -> bool:
    """Whether there is a dot at the end that may go: not that of `a..` or `@.`."""
    return len(tokens) > 1 and tokens[-1].kind == "." and tokens[-2].kind not in {"@", "."}


def find_last(tokens: list[Token], kind: str) -> int:
    """Where the last token of a kind is; -1: nowhere."""
    return next((at for at in range(len(tokens) - 1, -1, -1) if tokens[at].kind == kind), -1)


def find_first(tokens: list[Token], kind: str) -> int:
    """Where the first token of a kind is; -1: nowhere."""
    return next((at for at, token in enumerate(tokens) if token.kind == kind), -1)


def _strip_route(tokens: list[Token]) -> list[Token]:
    """`@one,@two:user@domain` is user@domain."""
    if tokens[0].kind != "@":
        return tokens
    colon = find_first(tokens, ":")
    return tokens[colon + 1 :] if 0 <= colon < len(tokens) - 1 else tokens


def _find_domain(context: Context, tokens: list[Token]) -> list[Token]:
    """The address gets an @: from its own route, or with the origin."""
    if context.swap_bangpath and (bang := find_first(tokens, "!")) >= 0:
        return [*tokens[bang + 1 :], Token("@"), *tokens[:bang]]
    if context.allow_percent_hack and (percent := find_last(tokens, "%")) >= 0:
        tokens[percent] = Token("@")
    elif context.append_at_myorigin and context.origin:
        tokens += [Token("@"), *scan(context.origin)]
    return tokens


def _complete_domain(context: Context, tokens: list[Token]) -> None:
    """A domain of one name gets .mydomain; what is broken is left alone."""
    if not context.append_dot_mydomain or not context.domain:
        return
    at = find_last(tokens, "@")
    if at < 0 or at == len(tokens) - 1:
        return
    if not any(token.kind in {LITERAL, "."} for token in tokens[at:]):
        before = tokens[at + 1 :]
        tokens += [Token("."), *scan(context.domain)]
        if context.told is not None:
            context.told(external_address(before), external_address(tokens[at + 1 :]))
