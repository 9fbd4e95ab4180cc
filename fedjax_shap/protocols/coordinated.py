"""Coordinated training: parties with other columns of the same rows train one model, encrypted.

Hosts and a label holder add up the residual d under the coordinator's public key, and each takes
the sums X'd of its own columns under encryption. The coordinator decrypts them under masks that
only their owner can take off. With `encryption="none"` the same messages carry plain numbers; the
two models differ by the rounding of features and residuals to fixed-point numbers.

**Who learns what.** The coordinator learns how many columns a party has, and nothing else. A party
learns the gradient of its own weights at each step, and the label holder the loss. Parties are
taken to follow the protocol, and not to join up with the coordinator: a party and the coordinator
together read the other's parts of d. Gradients of many steps say much of d to a host with many
columns and few rows, and so of the labels.

References:
    Yang, Liu, Chen, Tong, "Federated machine learning: concept and applications", ACM TIST 2019,
    section 2.4.2; Hardy et al., "Private federated learning on vertically partitioned data via
    entity resolution and additively homomorphic encryption", arXiv 1711.10677, 2017.
"""

import os
from collections.abc import Sequence
from typing import NamedTuple, Unpack

from fedjax_shap._validate import integer, of_kind, one_of, require
from fedjax_shap.privacy.paillier import LEAST_KEY, PrivateKey, generate
from fedjax_shap.protocols.coordinated_checks import (
    batch_size_of,
    blocks_of,
    names_of,
    require_columns,
    targets_of,
)
from fedjax_shap.protocols.coordinated_coordinator import ByKey, Coordinator
from fedjax_shap.protocols.coordinated_exchange import (
    Carrier,
    Exchanged,
    Party,
    all_arrive,
    exchange,
)
from fedjax_shap.protocols.coordinated_numbers import Work
from fedjax_shap.protocols.coordinated_parties import Host, LabelHolder
from fedjax_shap.protocols.coordinated_prediction import Roles, outputs_of_all
from fedjax_shap.protocols.coordinated_session import (
    COORDINATOR,
    MODELS,
    Encryption,
    ModelName,
    Session,
)
from fedjax_shap.protocols.coordinated_steps import Steps, schedule
from fedjax_shap.protocols.given import on_or_off
from fedjax_shap.protocols.transcript import Transcript
from fedjax_shap.protocols.transfer import Trained
from fedjax_shap.typing import HostArray


class Security(NamedTuple):
    """How numbers are protected.

    Attributes:
        private: the coordinator's keys; None without encryption.
        bits: after the point, of features.
        allow_short_keys: whether the key may be short: for tests.
    """

    private: PrivateKey | None
    bits: int
    allow_short_keys: bool

    @property
    def begin(self) -> ByKey:
        """How parties make their arithmetic."""
        encrypted = self.private is not None
        return ByKey(encrypted=encrypted, bits=self.bits, allow_short_keys=self.allow_short_keys)


class Coordinated(NamedTuple):
    """What came of a coordinated training.

    Attributes:
        weights: {party: float64[F]}, each known to its party alone.
        intercept: the label holder's; 0 where there is none.
        losses: of each step before it was taken, without the penalty: what the label holder learns.
        transcript: all messages that arrived.
        seconds: {party: seconds it computed}, the coordinator's under "coordinator".
        work: {party: what it did for the sake of encryption}.
        session: what all parties knew.
        security: the coordinator's, for predictions.
    """

    weights: dict[str, HostArray]
    intercept: float
    losses: tuple[float, ...]
    transcript: Transcript
    seconds: dict[str, float]
    work: dict[str, Work]
    session: Session
    security: Security

    @property
    def traffic(self) -> dict[str, int]:
        """{party: bytes sent and received}, what `costs` prices."""
        return {
            name: self.transcript.bytes_from(name) + self.transcript.bytes_to(name)
            for name in self.seconds
        }

    @property
    def encryption_share(self) -> float:
        """The part of all parties' seconds that is spent on encryption."""
        return sum(one.seconds for one in self.work.values()) / sum(self.seconds.values())


def coordinated(
    blocks: Sequence[HostArray],
    y: HostArray,
    *,
    names: Sequence[str] | None = None,
    label_holder: str = "label holder",
    model: ModelName = "logistic",
    encryption: Encryption = "paillier",
    epochs: int = 20,
    batch_size: int | None = None,
    intercept: bool = True,
    loss: bool = True,
    seed: int = 0,
    bits: int = 24,
    key_bits: int = LEAST_KEY,
    allow_short_keys: bool = False,
    private: PrivateKey | None = None,
    carrier: Carrier = all_arrive,
    keep: bool = False,
    **steps: Unpack[Steps],
) -> Coordinated:
    """Trains a linear or logistic model of parties that hold different columns.

    Args:
        blocks: P + 1 of float[N, F_p], rows in a common order; the last is the label holder's and
            may have no column.
        y: float[N] for the linear model; two classes, 0 and 1 or -1 and 1, for the logistic one.
        names: of the P hosts; "host 1" and so on by default.
        label_holder: its name.
        model: "linear": squared errors. "logistic": the Taylor loss, see `coordinated_parties`.
        encryption: "paillier", or "none" for the same protocol with plain numbers.
        epochs: passes over the rows.
        batch_size: rows of a step; all by default.
        intercept: whether the label holder has one.
        loss: whether it learns the loss of each step, which takes one more column a party.
        seed: of the order of the rows, where a batch is a part of them.
        bits: features are rounded to 2^-bits, parts of the residual to 2^-(bits + 16).
        key_bits: of the coordinator's key.
        allow_short_keys: whether it may have fewer than 2,048: for tests.
        private: the coordinator's key, where it has one.
        carrier: what carries messages; all arrive by default.
        keep: whether the transcript keeps contents.
        **steps: optimizer="rmsprop", learning_rate=0.15, decay=True, l2=0.01: see
            `coordinated_steps.schedule`.

    Raises:
        InvalidInputError: blocks or settings that do not fit; a message that is missing, altered,
            repeated or out of order; `phe` or `gmpy2` is missing. There is no model then.
    """
    one_of("model", model, MODELS)
    integer("epochs", epochs, least=1)
    integer("seed", seed, least=0)
    on_or_off(intercept=intercept, loss=loss, keep=keep, allow_short_keys=allow_short_keys)
    blocks = blocks_of(blocks)
    hosts = names_of(names, len(blocks) - 1, label_holder)
    require_columns(blocks, (*hosts, label_holder), bits, encryption)
    session = Session(
        name=os.urandom(16).hex(),
        hosts=hosts,
        label_holder=label_holder,
        model=model,
        num_rows=len(blocks[0]),
        num_epochs=epochs,
        batch_size=batch_size_of(batch_size, len(blocks[0])),
        seed=seed,
        schedule=schedule(**steps),
        intercept=intercept,
        loss=loss,
        bits=bits,
    )
    targets = targets_of(y, model, session.num_rows)
    security = _security(session, encryption, key_bits, allow_short_keys, private)
    return _trained(session, blocks, targets, security, carrier, keep)


def predict(
    trained: Coordinated,
    blocks: Sequence[HostArray],
    *,
    carrier: Carrier = all_arrive,
    keep: bool = False,
) -> tuple[HostArray, Exchanged]:
    """The outputs of a trained model on other rows, by all parties together.

    Args:
        trained: what `coordinated` gave.
        blocks: P + 1 of float[M, F_p], as in training.
        carrier: what carries messages.
        keep: whether the transcript keeps contents.

    Returns:
        float64[M], of the logistic model the log-odds, which the label holder learns; and the
        exchange, with its transcript.

    Raises:
        InvalidInputError: other blocks than in training, or a message that is missing or refused.
    """
    require(
        not isinstance(trained, Trained),
        "Expected trained to be of a coordinated training; predict_transfer is for transfers.",
    )
    of_kind("trained", trained, Coordinated, "coordinated(blocks, y)")
    on_or_off(keep=keep)
    session = trained.session
    names = session.parties
    blocks = blocks_of(blocks)
    require(len(blocks) == len(names), f"Expected {len(names)} blocks, got {len(blocks)}.")
    parts = {}
    for name, block in zip(names, blocks, strict=True):
        weights = trained.weights[name]
        require(
            block.shape == (len(blocks[0]), len(weights)),
            f"Expected the block of {name} to have {len(blocks[0])} rows and {len(weights)} "
            f"columns, got shape {block.shape}.",
        )
        parts[name] = block @ weights
    parts[session.label_holder] = parts[session.label_holder] + trained.intercept
    roles = Roles(os.urandom(16).hex(), session.hosts, session.label_holder)
    security = trained.security
    return outputs_of_all(
        roles, parts, private=security.private, begin=security.begin, carrier=carrier, keep=keep
    )


def _trained(
    session: Session,
    blocks: Sequence[HostArray],
    y: HostArray,
    security: Security,
    carrier: Carrier,
    keep: bool,
) -> Coordinated:
    """The training of a session that was checked."""
    begin = security.begin
    holder = LabelHolder(session, blocks[-1], y, begin)
    hosts = {
        name: Host(session, name, block, begin)
        for name, block in zip(session.hosts, blocks[:-1], strict=True)
    }
    coordinator = Coordinator(
        session.name,
        session.parties,
        kind="gradient",
        num_steps=session.num_steps,
        private=security.private,
    )
    learners: dict[str, Host | LabelHolder] = {**hosts, session.label_holder: holder}
    parties: dict[str, Party] = {**learners, COORDINATOR: coordinator}
    turns = [(kind, step) for step in range(session.num_steps) for kind in session.kinds]
    first = coordinator.start(session.parties)
    done = exchange(parties, first, [("start", 0), *turns], carrier=carrier, keep=keep)
    weights = {name: host.weights() for name, host in hosts.items()}
    own = holder.weights()
    work = {name: party.work() for name, party in learners.items()}
    num_own = blocks[-1].shape[1]
    weights[session.label_holder] = own[:num_own]
    return Coordinated(
        weights=weights,
        intercept=float(own[num_own:].sum()),
        losses=tuple(holder.losses),
        transcript=done.transcript,
        seconds=done.seconds,
        work={**work, COORDINATOR: coordinator.work()},
        session=session,
        security=security,
    )


def _security(
    session: Session,
    encryption: Encryption,
    key_bits: int,
    allow_short_keys: bool,
    private: PrivateKey | None,
) -> Security:
    """Keys, or none."""
    of_kind("private", private, PrivateKey | None, "privacy.paillier.generate()[1]")
    bits = session.bits
    if encryption == "none":
        require(private is None, "Expected no private key with encryption='none', got one.")
        return Security(None, bits, allow_short_keys)
    if private is None:
        _, private = generate(key_bits, allow_short_keys=allow_short_keys)
    return Security(private, bits, allow_short_keys)
