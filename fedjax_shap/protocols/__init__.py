"""Protocols: what parties tell one another, as messages, and transcripts of who could read what.

`secure_sum` gives the sum of the members' numbers and of no member's its own; `align` the rows
that belong to the same ids, and no other ids; `query` who has an id, and does not say which.
"""

from fedjax_shap.protocols.align import Alignment, align
from fedjax_shap.protocols.query import Answers, query
from fedjax_shap.protocols.secure_sum import SecureSum, secure_sum, silent_from
from fedjax_shap.protocols.transcript import Message, Part, Seen, Transcript

__all__ = [
    "Alignment",
    "Answers",
    "Message",
    "Part",
    "SecureSum",
    "Seen",
    "Transcript",
    "align",
    "query",
    "secure_sum",
    "silent_from",
]
