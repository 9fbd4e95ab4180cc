"""Protocols: what parties tell one another, as messages, and transcripts of who could read what.

`secure_sum` gives the sum of the members' numbers and of no member's its own; `align` the rows
that belong to the same ids, and no other ids; `query` who has an id, and does not say which.
`coordinated` trains linear and logistic models of parties that hold different columns, with a
coordinator and under encryption, and `predict` asks all of them for predictions.
`encrypted_transfer` trains a source and a target, and `predict_transfer` predicts rows of the
target. `billed` says what either training cost its parties.
"""

from fedjax_shap.protocols.align import Alignment, align
from fedjax_shap.protocols.coordinated import Coordinated, coordinated, predict
from fedjax_shap.protocols.coordinated_costs import billed
from fedjax_shap.protocols.query import Answers, query
from fedjax_shap.protocols.secure_sum import SecureSum, secure_sum, silent_from
from fedjax_shap.protocols.transcript import Message, Part, Seen, Transcript
from fedjax_shap.protocols.transfer import Trained, encrypted_transfer
from fedjax_shap.protocols.transfer_checks import Held
from fedjax_shap.protocols.transfer_prediction import predict_transfer

__all__ = [
    "Alignment",
    "Answers",
    "Coordinated",
    "Held",
    "Message",
    "Part",
    "SecureSum",
    "Seen",
    "Trained",
    "Transcript",
    "align",
    "billed",
    "coordinated",
    "encrypted_transfer",
    "predict",
    "predict_transfer",
    "query",
    "secure_sum",
    "silent_from",
]
