"""Alignment: parties learn which of their rows belong to the same ids, and no other ids.

Each party learns the common ids, in one order, and how many ids every other party has. No id
leaves its party, not even hashed: what is sent are points of Curve25519 under secret scalars.

Parties are taken to follow the protocol and to be curious: they read all they get, and do not
pool it. The party with the fewest ids leads:

1. It sends the others its ids' points H under its scalar a: a H.
2. Each other party j returns k_j a H, and a table of its own ids y. The leader divides by a and has
   k_j H(x) for its own ids x, and for no others.
3. With two parties the table has labels of k_j H(y): equal labels are common ids. With more, j's
   table gives for y a share that is random by itself, and the shares of all j for one id add up to
   0 (`privacy.hidden_tables`). So the leader learns of x whether **all** others have it; not how
   many have it, nor which: no party learns what some of the parties have in common, nor how much.
4. The leader names the common ids to j by labels that j can read and the leader already has.

What it does not hide. A party that puts ids it has no rows of into its set learns of each whether
all others have it: sizes are shown, so that sets larger than expected can be refused. If the
leader pools what it saw with some of the others, but not all, they learn which of the leader's ids
all parties outside the pool have in common, whether or not those in the pool have them too; two
parties that pool nothing with the leader learn nothing more. Parties that send wrong points or
shares spoil the result and are not all found out; that needs proofs that this protocol lacks.

References:
    See `protocols.align_party`.
"""

import os
from collections.abc import Sequence
from typing import Any, NamedTuple

from fedjax_shap._validate import caution, how_many, require, texts
from fedjax_shap.privacy.shamir import Entropy
from fedjax_shap.protocols.align_party import STAGES, Party
from fedjax_shap.protocols.delivery import Log, Network, all_arrive, explained
from fedjax_shap.protocols.ids import read_ids
from fedjax_shap.protocols.transcript import Message, Transcript
from fedjax_shap.typing import HostArray


class Alignment(NamedTuple):
    """What came of an alignment.

    Attributes:
        rows: int[N_common] a party: its rows of the common ids, ordered by id, so that row i of
            every party is the same id's. Integers are ordered by size, texts by code points.
        names: the parties'.
        sizes: {party: how many ids it has}, which all parties learn.
        leader: the party that had the fewest ids, the first of several.
        transcript: all messages that arrived.
        seconds: {party: seconds it computed}.
        refusals: the sentences by which messages were refused.
    """

    rows: tuple[HostArray, ...]
    names: tuple[str, ...]
    sizes: dict[str, int]
    leader: str
    transcript: Transcript
    seconds: dict[str, float]
    refusals: tuple[str, ...]

    @property
    def num_common(self) -> int:
        """How many ids all parties have."""
        return len(self.rows[0])


def align(
    ids: Sequence[Any],
    names: Sequence[str] | None = None,
    *,
    network: Network | None = None,
    keep: bool = False,
    entropy: Entropy = os.urandom,
) -> Alignment:
    """The rows of the ids that all parties have, by messages between the parties.

    Args:
        ids: a party's each: integers or texts, one a row, none twice.
        names: the parties' names; "party 1" and so on by default.
        network: what carries the messages; all arrive by default.
        keep: whether the transcript keeps contents.
        entropy: random bytes; only tests have a reason to give others than the system's.

    Returns:
        See `Alignment`. No id in common is an answer, with a caution.

    Raises:
        InvalidInputError: ids or names that cannot be used, a message that did not come or could
            not be used, or `cryptography` is missing.
    """
    names = _names(ids, names)
    read = [read_ids(name, own) for name, own in zip(names, ids, strict=True)]
    session = entropy(16).hex()
    parties = [
        Party(session, names, name, own, entropy=entropy)
        for name, own in zip(names, read, strict=True)
    ]
    aligned = exchange(parties, network=network or all_arrive, keep=keep)
    if aligned.num_common == 0:
        caution(
            f"No id is common to {', '.join(names)}: they have no row together; ids are compared "
            "character by character, such as '007' and '7'."
        )
    return aligned


def exchange(parties: Sequence[Party], *, network: Network, keep: bool = False) -> Alignment:
    """Carries messages between the parties until all know the common rows.

    Args:
        parties: those who take part, in their common order.
        network: what carries the messages.
        keep: whether the transcript keeps contents.

    Raises:
        InvalidInputError: a message did not come or could not be used; no party has rows then.
    """
    by_name = {party.name: party for party in parties}
    log = Log(Transcript(keep=keep), dict.fromkeys(by_name, 0.0), [])
    sent: list[Message] = []
    for name, party in by_name.items():
        with log.timed(name):
            sent += party.start()
    for stage in STAGES:
        for message in network(stage, sent):
            if message.receiver not in by_name:
                log.refusals.append(f"Expected a receiver that takes part, got {message.receiver}.")
                continue
            with log.arrived(message):
                by_name[message.receiver].receive(message)
        sent = []
        for name, party in by_name.items():
            with log.timed(name), explained(log.refusals):
                sent += party.close()
    (leader,) = (party.name for party in parties if party.leads)
    return Alignment(
        rows=tuple(party.rows for party in parties),
        names=tuple(by_name),
        sizes={name: by_name[leader].sizes[name] for name in by_name},
        leader=leader,
        transcript=log.transcript,
        seconds=log.seconds,
        refusals=tuple(log.refusals),
    )


def _names(ids: Sequence[Any], names: Sequence[str] | None) -> list[str]:
    """The parties' names: texts that differ, none empty."""
    count = len(ids)
    require(
        count >= 2,
        f"Expected ids of at least two parties, got {how_many(count, 'party', 'parties')}.",
    )
    if names is None:
        return [f"party {place}" for place in range(1, count + 1)]
    given = list(texts("names", names))
    require(len(given) == count, f"Expected {count} names of parties, got {len(given)}.")
    require(
        all(given) and len(set(given)) == count,
        f"Expected names={given} to be different names, none empty.",
    )
    return given
