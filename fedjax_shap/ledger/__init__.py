"""A permanent record of contributions, costs and payments.

`Ledger` appends and reads entries, `verify` finds what was altered, `new_key` and `read_key` give
what signs entries, and `recorded` says what of a result goes into one.
"""

from fedjax_shap.ledger.content import recorded
from fedjax_shap.ledger.entry import Entry
from fedjax_shap.ledger.ledger import Ledger
from fedjax_shap.ledger.signing import Signer, new_key, read_key, read_public
from fedjax_shap.ledger.verify import Verification, verify

__all__ = [
    "Entry",
    "Ledger",
    "Signer",
    "Verification",
    "new_key",
    "read_key",
    "read_public",
    "recorded",
    "verify",
]
