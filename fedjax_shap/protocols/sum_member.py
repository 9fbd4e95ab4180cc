"""A member of a secure sum, as a state machine: one message of the server comes in, one goes out.

References:
    Bonawitz et al., "Practical Secure Aggregation for Privacy-Preserving Machine Learning", CCS
    2017, figure 4. Beyond it a member announces a digest of its seed, so that the server notices
    shares that do not give the seed back.
"""

import hashlib
from collections.abc import Sized
from typing import NamedTuple

import numpy as np

from fedjax_shap._validate import InvalidInputError, require
from fedjax_shap.privacy.masking import (
    KEY_BYTES,
    SEED_BYTES,
    add_mask,
    derive,
    expand,
    key_pair,
    pair_sign,
)
from fedjax_shap.privacy.sealing import (
    SIGNATURE_BYTES,
    TAG_BYTES,
    Identity,
    is_signed,
    seal,
    unseal,
)
from fedjax_shap.privacy.shamir import SHARE_BYTES, Entropy, split
from fedjax_shap.protocols.delivery import require_awaited
from fedjax_shap.protocols.sum_session import (
    ANSWERS,
    SERVER,
    Session,
    pack,
    plain,
    sealed_for,
    unpack,
)
from fedjax_shap.protocols.transcript import Message, Part
from fedjax_shap.typing import HostArray

PAIR_BYTES = 2 * KEY_BYTES  # the public keys of a member: of its channel, and of its masks
SEALED_BYTES = 2 * SHARE_BYTES + TAG_BYTES


class Shares(NamedTuple):
    """A member's shares of another's secrets; it sends one of the two at most.

    Attributes:
        seed: of the seed of the mask that the other shares with nobody.
        key: of the private key by which the other agrees on masks.
    """

    seed: bytes
    key: bytes


class Member:
    """A member: its upload, its secrets, and which message it waits for.

    A message that is refused changes nothing. Each kind of message is answered once, so a member
    never sends both shares of another's secrets, whatever it is asked.
    """

    def __init__(
        self,
        session: Session,
        name: str,
        words: HostArray,
        *,
        entropy: Entropy,
        identity: Identity | None = None,
    ) -> None:
        """A member that has sent nothing yet.

        Args:
            session: what all parties know.
            name: the member's.
            words: uint32[length], its upload.
            entropy: where its keys, its seed and the coefficients of its shares come from.
            identity: what it signs by; asked for where the session is signed.
        """
        require(name in session.members, f"Expected {name!r} to be a member of the session.")
        require(
            words.dtype == np.uint32 and words.shape == (session.length,),
            f"Expected the upload of {name} to be {session.length} words of 32 bits, got "
            f"{words.dtype}{list(words.shape)}.",
        )
        require(
            identity is not None or not session.signed,
            f"Expected an identity of {name} against {session.against!r}, got none.",
        )
        self.name = name
        self._session = session
        self._words = words
        self._entropy = entropy
        self._identity = identity
        self._awaits = ""
        self._channel = key_pair(entropy)
        self._mask = key_pair(entropy)
        self._seed = entropy(SEED_BYTES)
        # of others: their public keys, the secret of the channel to each, shares of their secrets,
        # and who was said to have uploaded
        self._keys: dict[str, bytes] = {}
        self._channels: dict[str, bytes] = {}
        self._shares: dict[str, Shares] = {}
        self._survivors: tuple[str, ...] = ()

    def start(self) -> Message:
        """The first message: the member's public keys."""
        require(not self._keys and not self._awaits, f"Expected {self.name} to start once.")
        self._awaits = ANSWERS["keys"]
        keys = self._channel.public + self._mask.public
        parts = [plain("public keys", keys)]
        if self._identity and self._session.signed:
            signed = self._session.context("keys", self.name) + keys
            parts.append(plain("signature", self._identity.sign(signed)))
        return self._to_server("keys", *parts)

    def receive(self, message: Message) -> Message:
        """The answer to a message of the server.

        Raises:
            InvalidInputError: it is not the message that the member waits for, or what it says is
                not what the protocol allows; the member sends nothing then.
        """
        require_awaited(self._session.name, message, self.name, self._awaits)
        require(
            message.sender == SERVER, f"Expected a message of the server, got {message.sender}'s."
        )
        if message.kind == ANSWERS["keys"]:
            answer = self._share(message)
            self._awaits = ANSWERS["shares"]
        elif message.kind == ANSWERS["shares"]:
            answer = self._upload(message)
            self._awaits = ANSWERS["upload"]
        elif message.kind == ANSWERS["upload"]:
            answer = self._hear_survivors(message)
            self._awaits = ANSWERS["agreement"] * self._session.signed
        else:
            answer = self._check_agreements(message)
            self._awaits = ""
        return answer

    # -------------------------------------------------------------- the answers, in their order

    def _share(self, message: Message) -> Message:
        """Shares of the member's seed and key, each sealed for one other member."""
        keys = self._checked_keys(message)
        session = self._session
        points = [session.point(other) for other in keys]
        secrets = {"seed": self._seed, "key": self._mask.private}
        shares = {
            what: split(secret, points, threshold=session.threshold, entropy=self._entropy)
            for what, secret in secrets.items()
        }
        parts = [plain("seed digest", hashlib.sha256(self._seed).digest())]
        channels: dict[str, bytes] = {}
        for other, public in keys.items():
            point = session.point(other)
            both = Shares(shares["seed"][point], shares["key"][point])
            if other == self.name:
                own = both
                continue
            pair = session.pair("channel", self.name, other)
            channels[other] = self._channel.agree(public[:KEY_BYTES], pair)
            context = session.context("shares", self.name, other)
            sealed = seal(derive(channels[other], context), both.seed + both.key, context)
            parts.append(sealed_for(other, pack(session, {other: sealed})))
        self._keys = keys
        self._channels = channels
        self._shares = {self.name: own}
        return self._to_server("shares", *parts)

    def _checked_keys(self, message: Message) -> dict[str, bytes]:
        """Everybody's public keys, of which none is there twice; signed, where they must be."""
        session = self._session
        signature = SIGNATURE_BYTES * session.signed
        rows = unpack(session, message.content("public keys"), PAIR_BYTES + signature)
        keys = {other: row[:PAIR_BYTES] for other, row in rows.items()}
        self._require_enough(keys, "keys")
        require(
            keys.get(self.name) == self._channel.public + self._mask.public,
            f"Expected the server to send {self.name} its own keys among all, as it sent them.",
        )
        single = {key[at : at + KEY_BYTES] for key in keys.values() for at in (0, KEY_BYTES)}
        require(
            len(single) == 2 * len(keys), "Expected all public keys to differ, but some are equal."
        )
        for other, row in rows.items():
            signed = session.context("keys", other) + row[:PAIR_BYTES]
            require(
                not session.signed
                or is_signed(session.identities[other], signed, row[PAIR_BYTES:]),
                f"Expected the public keys of {other} to be signed by it, but they are not.",
            )
        return keys

    def _upload(self, message: Message) -> Message:
        """The member's words under its own mask and one for each other member who sent shares."""
        session = self._session
        shares = dict(self._shares)
        for part in message.parts:
            for other, sealed in unpack(session, part.content, SEALED_BYTES).items():
                shares[other] = self._unsealed(other, sealed, shares)
        self._require_enough(shares, "shares")
        words = self._words + expand(self._seed, session.length)
        for other in shares:
            if other != self.name:
                public = self._keys[other][KEY_BYTES:]
                seed = self._mask.agree(public, session.pair("mask", self.name, other))
                sign = pair_sign(session.place(self.name), session.place(other))
                add_mask(words, expand(seed, session.length), sign)
        self._shares = shares
        return self._to_server("upload", Part("words", "masked", words.astype("<u4").tobytes()))

    def _unsealed(self, other: str, sealed: bytes, shares: dict[str, Shares]) -> Shares:
        """The shares that another member sealed for this one."""
        require(
            other in self._channels and other not in shares,
            f"Expected sealed shares of every other member once, got {other}'s.",
        )
        context = self._session.context("shares", other, self.name)
        content = unseal(derive(self._channels[other], context), sealed, context)
        if content is None:
            raise InvalidInputError(f"Expected the sealed shares of {other} to be as it sent them.")
        return Shares(content[:SHARE_BYTES], content[SHARE_BYTES:])

    def _hear_survivors(self, message: Message) -> Message:
        """The shares for those who uploaded and those who did not, or a signature of who did."""
        survivors = tuple(unpack(self._session, message.content("members"), 0))
        self._require_enough(survivors, "upload")
        require(
            self.name in survivors and set(survivors) <= set(self._shares),
            f"Expected the survivors to be members whose shares {self.name} has, itself included.",
        )
        self._survivors = survivors
        if not self._identity or not self._session.signed:
            return self._unmask()
        signature = self._identity.sign(self._agreed())
        return self._to_server("agreement", plain("signature", signature))

    def _check_agreements(self, message: Message) -> Message:
        """The shares, once enough members have signed that they heard of the same survivors."""
        signatures = unpack(self._session, message.content("signatures"), SIGNATURE_BYTES)
        self._require_enough(signatures, "agreement")
        for other, signature in signatures.items():
            require(
                other in self._survivors
                and is_signed(self._session.identities[other], self._agreed(), signature),
                f"Expected {other} to have signed the survivors that {self.name} heard of.",
            )
        return self._unmask()

    def _agreed(self) -> bytes:
        """What members sign: who was said to have uploaded."""
        heard = sorted(self._survivors, key=self._session.place)
        return self._session.context("survivors", *heard)

    def _unmask(self) -> Message:
        """Shares of the seeds of those who uploaded, and of the keys of those who did not."""
        seeds: dict[str, bytes] = {}
        keys: dict[str, bytes] = {}
        for other, shares in self._shares.items():
            if other in self._survivors:
                seeds[other] = shares.seed
            else:
                keys[other] = shares.key
        return self._to_server(
            "unmasking",
            Part("seed shares", "share", pack(self._session, seeds)),
            Part("key shares", "share", pack(self._session, keys)),
        )

    # -------------------------------------------------------------- what all of them use

    def _require_enough(self, members: Sized, stage: str) -> None:
        """Refuses a stage that fewer members than the threshold have passed."""
        require(
            len(members) >= self._session.threshold,
            f"Expected the server to have {stage!r} of at least {self._session.threshold} members, "
            f"{self.name} sees {len(members)}.",
        )

    def _to_server(self, kind: str, *parts: Part) -> Message:
        """A message to the server."""
        return Message(self._session.name, self.name, SERVER, kind, tuple(parts))
