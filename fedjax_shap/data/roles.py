"""What the columns of a table are for: labels, members, the split, features."""

from collections.abc import Sequence
from dataclasses import dataclass

from fedjax_shap._validate import a_text, require, texts
from fedjax_shap.data.csv_dialect import tidy
from fedjax_shap.data.tables import Table


@dataclass(frozen=True, kw_only=True)
class Roles:
    """What the columns are for.

    Attributes:
        label: what is to be learnt.
        client: whose a row is; None if no column says it.
        test_column: which rows are test rows; None if no column says it.
        features: the columns to use; all others if None.
        drop: columns not to use.
        categories: columns that hold categories, whatever these look like.
        groups: columns that are no features, but by which rows can be given to members.
    """

    label: tuple[str, ...]
    client: str | None = None
    test_column: str | None = None
    features: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        label: str | Sequence[str],
        client: str | None,
        test_column: str | None,
        features: str | Sequence[str] | None,
        drop: str | Sequence[str],
        categories: str | Sequence[str],
        groups: str | Sequence[str] = (),
    ) -> "Roles":
        """The roles that columns are given by name; one name may stand for a list of one."""
        used = None
        if features is not None:
            used = _names("features", features)
        return cls(
            label=_names("label", label),
            client=_name("client", client),
            test_column=_name("test_column", test_column),
            features=used,
            drop=_names("drop", drop),
            categories=_names("categories", categories),
            groups=_names("groups", groups),
        )

    @property
    def needed(self) -> list[str]:
        """The columns that are no features, but that a row must say something in."""
        single = [one for one in (self.client, self.test_column) if one is not None]
        return [*self.label, *single, *self.groups]

    def check(self, table: Table) -> None:
        """Refuses columns that the table does not have, or that are to be two things at once."""
        named = {
            "label": self.label,
            "client": [self.client] * (self.client is not None),
            "test_column": [self.test_column] * (self.test_column is not None),
            "features": self.features or (),
            "categories": self.categories,
            "groups": self.groups,
        }
        for argument, names in named.items():
            for name in names:
                table.column(argument, str(name))
        require(
            len(set(self.needed)) == len(self.needed),
            f"Expected label, client, test_column and groups to differ, got {self.needed}.",
        )
        both = sorted(set(self.needed) & set(self.features or ()))
        require(
            not both,
            f"Expected features={list(self.features or ())} to name columns other than label, "
            f"client, test_column and groups, got {both}.",
        )

    def used(self, table: Table) -> list[str]:
        """The columns of features, in the order in which they are given or stand in the file."""
        if self.features is not None:
            return list(dict.fromkeys(self.features))
        return [name for name in table.columns if name not in self.needed]


def _names(argument: str, names: str | Sequence[str]) -> tuple[str, ...]:
    """Names of columns as a file's own are read."""
    return tuple(tidy(name) for name in texts(argument, names))


def _name(argument: str, name: str | None) -> str | None:
    """The name of a column as a file's own are read; None if there is none."""
    if not name:
        return None
    return tidy(a_text(argument, name))
