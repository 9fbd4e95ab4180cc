"""Clients of banks: who answers a campaign, and who pays back."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from fedjax_shap._validate import one_of, require
from fedjax_shap.data import files
from fedjax_shap.data.features import pool_of
from fedjax_shap.data.parts import drawn_within, numeric
from fedjax_shap.data.pool import Pool
from fedjax_shap.data.tables import Table, read_table, table_of

BANK_NUMBERS = ("age", "balance", "day", "duration", "campaign", "pdays", "previous")
BANK_GROUPS = (
    "job",
    "marital",
    "education",
    "default",
    "housing",
    "loan",
    "contact",
    "month",
    "poutcome",
)
BANK_SKEWED = ("balance", "duration", "campaign", "previous")
CREDIT_LABEL = "default.payment.next.month"
CREDIT_COLUMNS = 25
CREDIT_SKEWED = (
    *(f"BILL_AMT{month}" for month in range(1, 7)),
    *(f"PAY_AMT{month}" for month in range(1, 7)),
)
# what the codes mean; the archive's page does not say what 0, 5 and 6 mean
CREDIT_CODES = {
    "SEX": {"1": "male", "2": "female"},
    "EDUCATION": {"1": "graduate school", "2": "university", "3": "high school"},
    "MARRIAGE": {"1": "married", "2": "single"},
}
OTHER = "other"


def bank_marketing(
    *,
    folder: str | None = None,
    client: str = "job",
    duration: bool = False,
    test_fraction: float = 0.25,
    seed: int = 0,
) -> Pool:
    """Bank marketing (UCI), 45,211 calls of a campaign, 38 features, does the client subscribe.

    A Portuguese bank's calls of 2008 to 2010; 11.7 % led to a term deposit, so that ROC-AUC says
    more than accuracy. There is no customary federation of these rows: the natural one here is by
    the client's job (12 members), which then is not a feature. The length of the call is left out,
    because it is known only when the answer is. A client that was not called before has pdays -1.
    Balances (euros), calls and their length enter as sign(v) log(1 + |v|), as a few of them are
    over 100 deviations away otherwise. Numbers are standardised by the training rows, categories
    are one-hot, "unknown" being one. The test rows are drawn within members, by class. Licence: CC
    BY 4.0.

    Args:
        folder: the folder of data sets; None for the environment variable FEDJAX_SHAP_DATA.
        client: the column that says whose a row is: "job", "month" or another column of categories.
        duration: whether the length of the call in seconds is a feature. It gives the answer away.
        test_fraction: the fraction of rows drawn for the test set.
        seed: decides which.

    Raises:
        InvalidInputError: no such file, one that is not this table, or a column that has no
            categories.

    References:
        Moro, Cortez, Rita 2014, "A data-driven approach to predict the success of bank
        telemarketing" (Decision Support Systems 62); archive.ics.uci.edu/dataset/222.
    """
    one_of("client", client, BANK_GROUPS)
    path = files.locate(
        folder,
        "bank_marketing",
        ["bank-full.csv"],
        origin="the UCI archive's Bank Marketing set (archive.ics.uci.edu/dataset/222)",
    )
    (_, header), *body = files.cells(path, files.text(path), separator=";")
    table = table_of(str(path), header, body)
    require(
        set(table.columns) == {*BANK_NUMBERS, *BANK_GROUPS, "y"},
        f"Expected {path} to have the columns of bank-full.csv, got {list(table.columns)}.",
    )
    table = _logarithms(table, BANK_SKEWED)
    drop = [] if duration else ["duration"]
    return _by_group(table, "y", client, drop, test_fraction, seed, ("no", "yes"))


def credit_default(
    *,
    folder: str | None = None,
    client: str = "education",
    test_fraction: float = 0.25,
    seed: int = 0,
) -> Pool:
    """Default of credit cards (UCI), 30,000 clients of 2005, 25 features, who defaults next month.

    22.1 % of these clients of a bank in Taiwan default. Bills and payments (New Taiwan dollars)
    enter as sign(v) log(1 + |v|), as a few are 60 deviations away otherwise. Numbers are
    standardised by the training rows; sex, education and marriage are one-hot, and codes that the
    archive's page does not explain are "other". There is no customary federation of these
    rows: the natural one here is by education (4 members), which then is not a feature. The test
    rows are drawn within members, by class. Licence: CC BY 4.0.

    Args:
        folder: the folder of data sets; None for the environment variable FEDJAX_SHAP_DATA.
        client: the column that says whose a row is: "education", "marriage" or "sex".
        test_fraction: the fraction of rows drawn for the test set.
        seed: decides which.

    Raises:
        InvalidInputError: no such file, or one that is not this table.

    References:
        Yeh and Lien 2009, "The comparisons of data mining techniques for the predictive accuracy of
        probability of default of credit card clients" (Expert Systems with Applications 36);
        archive.ics.uci.edu/dataset/350.
    """
    one_of("client", client, [name.lower() for name in CREDIT_CODES])
    path = files.locate(
        folder,
        "credit_default",
        ["UCI_Credit_Card.csv"],
        origin="the UCI archive's set of Default of Credit Card Clients "
        "(archive.ics.uci.edu/dataset/350), saved as csv",
    )
    table = read_table(path)
    require(
        len(table.columns) == CREDIT_COLUMNS
        and {"ID", CREDIT_LABEL, *CREDIT_CODES} <= table.columns.keys(),
        f"Expected {path} to have the {CREDIT_COLUMNS} columns of UCI_Credit_Card.csv, got "
        f"{list(table.columns)}.",
    )
    # the codes of categories become words, so that they are not taken for numbers
    columns = {name: cells for name, cells in table.columns.items() if name not in CREDIT_CODES}
    for name, codes in CREDIT_CODES.items():
        words = [codes.get(code, OTHER) for code in table.columns[name]]
        columns[name.lower()] = np.array(words)
    table = _logarithms(replace(table, columns=columns), CREDIT_SKEWED)
    labels = ("pays", "defaults")
    return _by_group(table, CREDIT_LABEL, client, ["ID"], test_fraction, seed, labels)


def _logarithms(table: Table, names: Sequence[str]) -> Table:
    """The table with sign(v) log(1 + |v|) in some columns of numbers."""
    values = dict(table.values)
    for name in names:
        raw = numeric(table, name)
        values[name] = np.sign(raw) * np.log1p(np.abs(raw))
    return replace(table, values=values)


def _by_group(
    table: Table,
    label: str,
    client: str,
    drop: list[str],
    test_fraction: float,
    seed: int,
    labels: tuple[str, str],
) -> Pool:
    """The pool of a table whose members are the groups of a column."""
    owner = table.columns[client]
    train = drawn_within(owner, table.columns[label], fraction=test_fraction, seed=seed)
    return pool_of(table, label=label, client=client, train=train, drop=drop, labels=labels)
