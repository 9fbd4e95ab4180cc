"""Queries: one asks others whether they have an id, and they do not learn which.

A bank asks the others of its federation whether a client has loans with them, without a central
table. What is sent are points of ids under secret scalars, as in an alignment:

1. The asker sends every member its ids' points H(x) under its scalar a.
2. Member j returns k_j a H(x) and the labels of k_j H(y) of its own ids y, in their own order. The
   asker divides by a and looks whether the label of k_j H(x) is among them.

`reveal = "members"`: answers go to the asker, which learns who has an id. `reveal = "count"`:
answers go to the first member, the relay; it passes on the points of each id in a random order of
members, and the labels of all members as one sorted list. So the asker learns how many members have
an id, and not who, nor whether it is the same ones for two ids.

The asker learns besides how many ids each member has (with "count": how many all have together).
Members learn how many ids are asked for, and refuse more than they allow (`most`), since an asker
that asks for everybody learns everything; the relay learns how many ids the others have. Parties
are taken to follow the protocol, to be curious, and not to pool what they saw: asker and relay
together know who has an id.

References:
    Jarecki and Liu, "Fast secure computation of set intersection", SCN 2010.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

from fedjax_shap._validate import a_text, integer, one_of, require, texts
from fedjax_shap.privacy.shamir import Entropy
from fedjax_shap.protocols.delivery import Log, Network, all_arrive
from fedjax_shap.protocols.ids import read_ids
from fedjax_shap.protocols.inbox import converse
from fedjax_shap.protocols.query_party import STAGES, Asked, Asker, Question
from fedjax_shap.protocols.transcript import Transcript
from fedjax_shap.typing import HostArray

Reveal: TypeAlias = Literal["members", "count"]


class Answers(NamedTuple):
    """What came of a query.

    Attributes:
        counts: int[Q], how many members have each id.
        hits: bool[Q, M], which of them; None where only counts are revealed.
        members: their names.
        asker: its name.
        transcript: all messages that arrived.
        seconds: {party: seconds it computed}.
        refusals: the sentences by which messages were refused.
    """

    counts: HostArray
    hits: HostArray | None
    members: tuple[str, ...]
    asker: str
    transcript: Transcript
    seconds: dict[str, float]
    refusals: tuple[str, ...]


def query(
    ids: Any,
    members: Mapping[str, Any],
    *,
    asker: str = "asker",
    reveal: Reveal = "members",
    most: int = 1_000,
    network: Network | None = None,
    keep: bool = False,
    entropy: Entropy = os.urandom,
) -> Answers:
    """Who, or how many, of the members have each of some ids.

    Args:
        ids: what is asked for: integers or texts, none twice.
        members: {name: the ids it has}, of the same kind.
        asker: the name of who asks, no member's.
        reveal: "members": the asker learns who has an id; "count": only how many of two or more.
        most: how many ids members answer for at once.
        network: what carries the messages; all arrive by default.
        keep: whether the transcript keeps contents.
        entropy: random bytes; only tests have a reason to give others than the system's.

    Raises:
        InvalidInputError: ids or names that cannot be used, more ids than `most`, a message that
            did not come or could not be used, or `cryptography` is missing.
    """
    one_of("reveal", reveal, ("members", "count"), "what the asker learns")
    integer("most", most, least=1)
    names = _names(asker, members, reveal)
    asked = {name: read_ids(name, own) for name, own in members.items()}
    question = Question(entropy(16).hex(), asker, names, reveal == "count", most)
    one = Asker(question, read_ids(asker, ids), entropy=entropy)
    others = [Asked(question, name, own, entropy=entropy) for name, own in asked.items()]
    return exchange(one, others, network=network or all_arrive, keep=keep)


def exchange(
    asker: Asker, members: Sequence[Asked], *, network: Network, keep: bool = False
) -> Answers:
    """Carries messages between the asker and the members until the asker has its answers.

    Args:
        asker: who asks.
        members: who is asked.
        network: what carries the messages.
        keep: whether the transcript keeps contents.

    Raises:
        InvalidInputError: a message did not come or could not be used.
    """
    names = tuple(member.name for member in members)
    log = Log(Transcript(keep=keep), dict.fromkeys((asker.name, *names), 0.0), [])
    converse([asker, *members], STAGES, network=network, log=log)
    counts = asker.hits.sum(axis=1)
    hits: HostArray | None = asker.hits
    if asker.question.counts_only:
        hits = None
    return Answers(
        counts=counts,
        hits=hits,
        members=names,
        asker=asker.name,
        transcript=log.transcript,
        seconds=log.seconds,
        refusals=tuple(log.refusals),
    )


def _names(asker: str, members: Mapping[str, Any], reveal: Reveal) -> tuple[str, ...]:
    """The members' names, or a refusal."""
    require(
        isinstance(members, Mapping),
        "Expected members to be {name: the ids it has}, such as {'north': [3, 7]}.",
    )
    a_text("asker", asker)
    names = texts("members", list(members))
    require(
        bool(asker) and all(names) and asker not in names,
        f"Expected asker={asker!r} and the members' names to be different names, none empty.",
    )
    require(len(names) > 0, "Expected at least 1 member who is asked, got 0.")
    require(
        reveal == "members" or len(names) > 1,
        f"Expected at least 2 members with reveal={reveal!r}, got 1: a count of one member names "
        "it.",
    )
    return names
