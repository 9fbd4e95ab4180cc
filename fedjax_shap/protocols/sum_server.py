"""The server of a secure sum, as a state machine: it collects a stage's messages, then closes it.

References:
    Bonawitz et al., "Practical Secure Aggregation for Privacy-Preserving Machine Learning", CCS
    2017, figure 4.
"""

import hashlib
from collections.abc import Callable, Mapping

import numpy as np

from fedjax_shap._validate import InvalidInputError, require
from fedjax_shap.privacy.masking import KEY_BYTES, KeyPair, add_mask, expand, pair_of, pair_sign
from fedjax_shap.privacy.sealing import SIGNATURE_BYTES
from fedjax_shap.privacy.shamir import SHARE_BYTES, recover, weights_at_zero
from fedjax_shap.protocols.delivery import require_awaited
from fedjax_shap.protocols.sum_member import PAIR_BYTES, SEALED_BYTES
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


class Server:
    """The server: which stage is open, who has passed it, and the masked total so far.

    It asks once for shares, by one list of survivors: for the seeds of those on it and the keys of
    the others, never for both of one member. A session that fell below its threshold is over.
    """

    def __init__(self, session: Session) -> None:
        """A server that waits for the members' keys."""
        self._session = session
        self._stages = list(session.stages)
        self._over = ""
        # who passed the open stage and the one before; what each sent
        self._passed: dict[str, Message] = {}
        self._before: tuple[str, ...] = session.members
        self._keys: dict[str, bytes] = {}
        self._digests: dict[str, bytes] = {}
        self._sharing: tuple[str, ...] = ()
        self._survivors: tuple[str, ...] = ()
        self._total: HostArray = np.zeros(session.length, np.uint32)
        self._is_unmasked = False

    @property
    def total(self) -> HostArray:
        """uint32[length], the sum of the survivors' uploads modulo 2^32.

        Raises:
            InvalidInputError: the session is not done.
        """
        require(self._is_unmasked, self._over or "Expected the session to be done before its sum.")
        return self._total

    @property
    def survivors(self) -> tuple[str, ...]:
        """Whose uploads are summed, in the order of the session."""
        return self._survivors

    def receive(self, message: Message) -> None:
        """Takes a member's message of the open stage.

        Raises:
            InvalidInputError: the message is late, early, repeated, or not what the stage asks for;
                the server goes on without it.
        """
        require(not self._over, self._over)
        require_awaited(self._session.name, message, SERVER, self._open)
        require(
            message.sender in self._before,
            f"Expected {self._open!r} of a member that passed the stage before, got "
            f"{message.sender}'s.",
        )
        require(
            message.sender not in self._passed,
            f"Expected {self._open!r} of {message.sender} once: what comes again is refused.",
        )
        self._checks[self._open](message)
        self._passed[message.sender] = message

    def close(self) -> list[Message]:
        """Ends the open stage; what is to be sent to those who passed it.

        Raises:
            InvalidInputError: fewer members than the threshold passed it, or their shares give back
                none of the announced secrets; the session is over then, without a sum.
        """
        require(not self._over, self._over)
        require(bool(self._stages), "Expected a stage to be open, but the session is done.")
        stage = self._stages.pop(0)
        passed = tuple(name for name in self._session.members if name in self._passed)
        if len(passed) < self._session.threshold:
            self._end(
                f"Expected at least {self._session.threshold} of {len(self._session.members)} "
                f"members to send {stage!r}, got {len(passed)}: the session is over, and nothing "
                "can be recovered of what was sent."
            )
        self._before = passed
        messages = self._closings[stage]()
        self._passed = {}
        return messages

    # -------------------------------------------------------------- what a stage takes

    @property
    def _open(self) -> str:
        """The open stage; no name once the session is done."""
        return next(iter(self._stages), "")

    @property
    def _checks(self) -> dict[str, Callable[[Message], None]]:
        """What is checked of each stage's messages, and taken from them."""
        return {
            "keys": self._take_keys,
            "shares": self._take_shares,
            "upload": self._take_upload,
            "agreement": lambda message: _require_size(message, "signature", SIGNATURE_BYTES),
            "unmasking": self._require_answer,
        }

    def _take_keys(self, message: Message) -> None:
        """A member's public keys."""
        _require_size(message, "public keys", PAIR_BYTES)
        if self._session.signed:
            _require_size(message, "signature", SIGNATURE_BYTES)
        self._keys[message.sender] = message.content("public keys")

    def _take_shares(self, message: Message) -> None:
        """The digest of a member's seed, and its sealed shares, one for each other member."""
        _require_size(message, "seed digest", hashlib.sha256().digest_size)
        sealed = [part for part in message.parts if part.form == "sealed"]
        readers = [[*unpack(self._session, part.content, SEALED_BYTES)] for part in sealed]
        others = [name for name in self._before if name != message.sender]
        require(
            [part.reader for part in sealed] == others and readers == [[name] for name in others],
            f"Expected the shares of {message.sender} to be sealed for every other member once.",
        )
        self._digests[message.sender] = message.content("seed digest")

    def _take_upload(self, message: Message) -> None:
        """A member's masked words; they are added to the total at once."""
        _require_size(message, "words", 4 * self._session.length)
        words = np.frombuffer(message.content("words"), "<u4").astype(np.uint32, copy=False)
        add_mask(self._total, words, 1)

    def _require_answer(self, message: Message) -> None:
        """Refuses shares of anything but what was asked for."""
        asked = {
            "seed shares": set(self._survivors),
            "key shares": set(self._sharing) - set(self._survivors),
        }
        for name, members in asked.items():
            given = unpack(self._session, message.content(name), SHARE_BYTES)
            require(
                set(given) == members,
                f"Expected the {name} of {message.sender} to be those that were asked for.",
            )

    # -------------------------------------------------------------- what closes a stage

    @property
    def _closings(self) -> dict[str, Callable[[], list[Message]]]:
        """What is sent once a stage is closed."""
        return {
            "keys": self._send_keys,
            "shares": self._relay_shares,
            "upload": self._ask,
            "agreement": lambda: self._to_all(
                "agreement", plain("signatures", self._joined("signature"))
            ),
            "unmasking": self._unmask,
        }

    def _send_keys(self) -> list[Message]:
        """Everybody's public keys, with their signatures where there are any."""
        names = ["public keys", *["signature"] * self._session.signed]
        return self._to_all("keys", plain("public keys", self._joined(*names)))

    def _relay_shares(self) -> list[Message]:
        """To each member the shares that the others sealed for it."""
        self._sharing = self._before
        parts: dict[str, list[Part]] = {name: [] for name in self._before}
        for sender in self._before:
            for part in self._passed[sender].parts:
                if part.reader in parts:
                    (sealed,) = unpack(self._session, part.content, SEALED_BYTES).values()
                    relayed = pack(self._session, {sender: sealed})
                    parts[part.reader].append(sealed_for(part.reader, relayed))
        return [self._message("shares", name, parts[name]) for name in self._before]

    def _ask(self) -> list[Message]:
        """Who uploaded: by it members know which shares are asked for."""
        self._survivors = self._before
        members = pack(self._session, dict.fromkeys(self._survivors, b""))
        return self._to_all("upload", plain("members", members))

    def _unmask(self) -> list[Message]:
        """Takes the masks off the total that do not cancel; nothing is sent."""
        session = self._session
        chosen = self._before[: session.threshold]
        weights = weights_at_zero([session.point(name) for name in chosen])
        seeds = self._shares_of("seed shares", chosen)
        keys = self._shares_of("key shares", chosen)
        # the masks that survivors share with nobody
        for name in self._survivors:
            seed = recover(seeds[name], weights)
            if seed is None or hashlib.sha256(seed).digest() != self._digests[name]:
                self._end(_not_given_back("seed", name))
            else:
                add_mask(self._total, expand(seed, session.length), -1)
        # the masks that survivors share with members who did not upload
        for name in self._sharing:
            if name not in self._survivors:
                private = recover(keys[name], weights)
                pair = private and pair_of(private)
                if not pair or pair.public != self._keys[name][KEY_BYTES:]:
                    self._end(_not_given_back("key", name))
                else:
                    self._cancel(name, pair)
        self._is_unmasked = True
        return []

    def _cancel(self, gone: str, pair: KeyPair) -> None:
        """Adds what a member that did not upload would have added for each survivor."""
        session = self._session
        for name in self._survivors:
            public = self._keys[name][KEY_BYTES:]
            seed = pair.agree(public, session.pair("mask", gone, name))
            sign = pair_sign(session.place(gone), session.place(name))
            add_mask(self._total, expand(seed, session.length), sign)

    def _shares_of(self, name: str, chosen: tuple[str, ...]) -> dict[str, dict[int, bytes]]:
        """{member: {point: share of its secret}}, from the answers of those chosen."""
        shares: dict[str, dict[int, bytes]] = {}
        for sender in chosen:
            rows = unpack(self._session, self._passed[sender].content(name), SHARE_BYTES)
            for member, share in rows.items():
                shares.setdefault(member, {})[self._session.point(sender)] = share
        return shares

    # -------------------------------------------------------------- what all of them use

    def _joined(self, *names: str) -> bytes:
        """One part or several of each member that passed the stage."""
        rows: Mapping[str, bytes] = {
            sender: b"".join(self._passed[sender].content(name) for name in names)
            for sender in self._before
        }
        return pack(self._session, rows)

    def _to_all(self, stage: str, part: Part) -> list[Message]:
        """The same to everybody who passed the stage."""
        return [self._message(stage, name, [part]) for name in self._before]

    def _message(self, stage: str, receiver: str, parts: list[Part]) -> Message:
        """The server's answer to a stage."""
        return Message(self._session.name, SERVER, receiver, ANSWERS[stage], tuple(parts))

    def _end(self, sentence: str) -> None:
        """Ends the session without a sum."""
        self._over = sentence
        self._total[:] = 0
        raise InvalidInputError(sentence)


def _require_size(message: Message, name: str, size: int) -> None:
    """Refuses a part of another size."""
    given = len(message.content(name))
    require(
        given == size, f"Expected {name!r} of {message.sender} to have {size} bytes, got {given}."
    )


def _not_given_back(what: str, name: str) -> str:
    """Says that shares are no shares of what their owner announced."""
    return (
        f"Expected the shares of the {what} of {name} to give back what {name} announced: some are "
        "wrong, and the session is over without a sum."
    )
