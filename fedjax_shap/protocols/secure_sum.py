"""Secure sum: a server learns the sum of the members' numbers, and of no member's its own.

Numbers become fixed-point words; members mask them so that the masks cancel in the sum; members
who fall silent are replaced by shares of their secrets. The sum is that of the words, bit for bit.

What the server learns is the sum over the survivors, whoever they are, and who they are. What a
sum gives away of one member, such as the sum of two members to one of them, no mask can hide.
Networks are taken to deliver messages as they were sent; what is dropped, late, repeated or out
of order leaves the sum right, or ends it.

References:
    Bonawitz et al., "Practical Secure Aggregation for Privacy-Preserving Machine Learning", CCS
    2017.
"""

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from fedjax_shap._validate import (
    InvalidInputError,
    described,
    function_of,
    one_of,
    require,
    texts,
)
from fedjax_shap.privacy.fixed_point import decode, encode, outside, require_range, require_room
from fedjax_shap.privacy.sealing import Identity, identity
from fedjax_shap.privacy.shamir import Entropy
from fedjax_shap.protocols.delivery import Log, Network, all_arrive
from fedjax_shap.protocols.given import real_numbers
from fedjax_shap.protocols.sum_member import Member
from fedjax_shap.protocols.sum_server import Server
from fedjax_shap.protocols.sum_session import SERVER, STAGES, Against, Session, session
from fedjax_shap.protocols.transcript import Message, Transcript
from fedjax_shap.typing import HostArray


class SecureSum(NamedTuple):
    """What came of a secure sum.

    Attributes:
        total: float64[...], the sum of the survivors' numbers, each rounded to a word.
        words: uint32[...], the same as words; their integers are this modulo 2^32.
        survivors: whose numbers are in the sum, in the members' order.
        transcript: all messages that arrived.
        seconds: {party: seconds it computed}, the server's under "server".
        refusals: the sentences by which messages were refused.
    """

    total: HostArray
    words: HostArray
    survivors: tuple[str, ...]
    transcript: Transcript
    seconds: dict[str, float]
    refusals: tuple[str, ...]


def secure_sum(
    numbers: HostArray,
    *,
    members: Sequence[str] | None = None,
    bits: int = 22,
    clip: float = 8.0,
    threshold: int | None = None,
    against: Against = "server",
    network: Network | None = None,
    keep: bool = False,
    entropy: Entropy = os.urandom,
) -> SecureSum:
    """The sum of the members' numbers, by masked messages between members and a server.

    Args:
        numbers: float[n, ...], each member's.
        members: their names; "member 1" and so on by default.
        bits: of a number, see `privacy.fixed_point`.
        clip: numbers lie in [-clip, clip].
        threshold: how many members must answer at every stage; the least that protects by default.
        against: "server", or "server and members": up to a third of them may help the server.
        network: what carries the messages; all arrive by default. See `silent_from`.
        keep: whether the transcript keeps contents.
        entropy: random bytes; only tests have a reason to give others than the system's.

    Returns:
        See `SecureSum`.

    Raises:
        InvalidInputError: a number is outside the range, or the sum could wrap; fewer members than
            the threshold answered; `cryptography` is missing.
    """
    numbers = _checked(numbers, bits, clip)
    words = encode(numbers, bits, clip).view(np.uint32)
    flat = words.reshape(len(words), -1)
    members = _names(members, len(words))
    identities = _identities(members, against, entropy)
    agreed = session(
        members,
        name=entropy(16).hex(),
        length=flat.shape[1],
        threshold=threshold,
        against=against,
        identities={name: one.public for name, one in identities.items()},
    )
    parties = [
        Member(agreed, name, own, entropy=entropy, identity=identities.get(name))
        for name, own in zip(members, flat, strict=True)
    ]
    if isinstance(network, _Silence):
        for name in network.stages:
            one_of("silent member", name, members)
    done = exchange(agreed, parties, network=network or all_arrive, keep=keep)
    summed = done.words.reshape(words.shape[1:])
    return done._replace(total=decode(summed, bits, clip), words=summed)


def exchange(
    agreed: Session, members: Sequence[Member], *, network: Network, keep: bool = False
) -> SecureSum:
    """Carries messages between members and a server until the sum is known.

    Args:
        agreed: the session.
        members: those who take part; who is missing has fallen silent from the beginning.
        network: what carries the messages.
        keep: whether the transcript keeps contents.

    Returns:
        The sum as words and as float64 of their integers.

    Raises:
        InvalidInputError: the session fell below its threshold.
    """
    function_of("network", network, ("stage", "messages"), "silent_from(...)")
    parties = {member.name: member for member in members}
    server = Server(agreed)
    log = Log(Transcript(keep=keep), dict.fromkeys([SERVER, *parties], 0.0), [])

    def deliver(messages: Sequence[Message]) -> list[Message]:
        replies = []
        for message in messages:
            if message.receiver not in log.seconds:
                log.refusals.append(f"Expected a receiver that takes part, got {message.receiver}.")
                continue
            with log.arrived(message):
                if message.receiver == SERVER:
                    server.receive(message)
                else:
                    replies.append(parties[message.receiver].receive(message))
        return replies

    sent: list[Message] = []
    for name, member in parties.items():
        with log.timed(name):
            sent.append(member.start())
    for stage in agreed.stages:
        late = deliver(network(stage, sent))
        with log.timed(SERVER):
            answers = server.close()
        sent = late + deliver(network(stage, answers))
    words = server.total
    return SecureSum(
        total=words.view(np.int32).astype(np.float64),
        words=words,
        survivors=server.survivors,
        transcript=log.transcript,
        seconds=log.seconds,
        refusals=tuple(log.refusals),
    )


def silent_from(stages: Mapping[str, str]) -> Network:
    """A network on which some members fall silent.

    Args:
        stages: {member: the first stage at which nothing comes from it}: "keys", "shares",
            "upload", "agreement" or "unmasking".
    """
    require(
        isinstance(stages, Mapping),
        f"Expected stages={described(stages)} to be {{member: the first stage at which nothing "
        "comes from it}.",
    )
    for name, stage in stages.items():
        one_of(f"stages[{name!r}]", stage, STAGES, "a stage")
    return _Silence(dict(stages))


class _Silence(NamedTuple):
    """A network on which nothing comes from some members, each from a stage on."""

    stages: dict[str, str]

    def __call__(self, stage: str, messages: Sequence[Message], /) -> Sequence[Message]:
        """The messages of those who are not silent yet."""
        now = STAGES.index(stage)
        return [
            message
            for message in messages
            if message.sender not in self.stages or now < STAGES.index(self.stages[message.sender])
        ]


def _checked(numbers: HostArray, bits: int, clip: float) -> HostArray:
    """The members' numbers, or a refusal of those that cannot be summed."""
    numbers = _array(numbers)
    require(numbers.ndim >= 1, "Expected numbers[n, ...], one row a member, got one number.")
    require(
        numbers.size > 0,
        f"Expected numbers[n, ...] to hold a number of each member, got shape {numbers.shape}.",
    )
    require_range(bits, clip)
    require_room(bits, len(numbers))
    beyond = np.argwhere(outside(numbers, clip))
    if len(beyond):
        place = tuple(beyond[0].tolist())
        require(
            False,
            f"Expected numbers to lie in [-{clip:g}, {clip:g}], but numbers{list(place)}="
            f"{numbers[place]:g}: a larger clip or smaller numbers are asked for.",
        )
    return numbers


def _array(numbers: HostArray) -> HostArray:
    """The members' numbers as real ones, or a refusal."""
    array = real_numbers(numbers)
    if array is None:
        raise InvalidInputError(
            "Expected numbers[n, ...] to be an array of real numbers, all members' of one shape, "
            f"got {described(numbers)}."
        )
    return array


def _names(members: Sequence[str] | None, count: int) -> list[str]:
    """The members' names: texts that differ, none empty."""
    if members is None:
        return [f"member {place}" for place in range(1, count + 1)]
    require(
        not isinstance(members, str), f"Expected members={members!r} to be a list of {count} names."
    )
    names = list(texts("members", members))
    require(len(names) == count, f"Expected {count} names, got {len(names)}.")
    require(all(names), f"Expected members={names} to have a name each.")
    return names


def _identities(members: Sequence[str], against: Against, entropy: Entropy) -> dict[str, Identity]:
    """The members' identities, where they sign; in practice they have them long before."""
    if against == "server":
        return {}
    return {name: identity(entropy) for name in members}
