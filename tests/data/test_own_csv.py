"""Tables of one's own: what people write is read, and what is hardly meant is refused or said."""

import gzip
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fedjax_shap._validate import InvalidInputError, cautions
from fedjax_shap.data.cells import Notation, parse, readings
from fedjax_shap.data.partition import PARTITIONS
from fedjax_shap.data.sources import load

RNG = np.random.default_rng(0)
ROWS = 60
AGE = np.round(RNG.normal(40, 10, ROWS), 2)
PAY = np.round(RNG.normal(2000, 500, ROWS), 2)
SITE = np.array(["north", "south", "east"])[RNG.integers(0, 3, ROWS)]
KIND = np.array(["web", "shop"])[RNG.integers(0, 2, ROWS)]
SICK = RNG.integers(0, 2, ROWS)
COLUMNS = {"site": SITE, "age": AGE, "pay": PAY, "kind": KIND, "sick": SICK}


def text_of(columns, separator=",", header=True):
    """A table as text."""
    lines = [separator.join(map(str, row)) for row in zip(*columns.values())]
    names = [separator.join(columns)] * header
    return "\n".join([*names, *lines]) + "\n"


@pytest.fixture
def read(tmp_path):
    """Writes a table and reads it: the pool, and what was said about it."""

    def of(columns=None, /, *, text=None, written="utf-8", **keywords):
        path = tmp_path / "own.csv"
        path.write_bytes((text or text_of(columns or COLUMNS)).encode(written))
        with cautions() as said:
            pool = load("csv", **{"path": str(path), "label": "sick", "client": "site", **keywords})
        return pool, said

    return of


@pytest.fixture
def refused(read):
    """The sentence with which a table is refused."""

    def of(*given, **keywords):
        with pytest.raises(InvalidInputError) as raised:
            read(*given, **keywords)
        sentence = str(raised.value)
        assert sentence.startswith("Expected ") and sentence.endswith(".") and "\n" not in sentence
        return sentence

    return of


def same(pool, other):
    """Whether two pools hold the same rows."""
    np.testing.assert_array_equal(pool.x, other.x)
    np.testing.assert_array_equal(pool.y, other.y)
    np.testing.assert_array_equal(pool.test[0], other.test[0])


# ------------------------------------------------------------------ how a file is written


@pytest.mark.parametrize("separator", [";", "\t", "|"])
def test_a_separator_is_found_and_said(separator, read):
    pool, said = read(text=text_of(COLUMNS, separator))
    same(pool, read()[0])
    assert len(said) == 1 and repr(separator) in said[0]
    spelled = {"\t": "tab"}.get(separator, separator)
    again, said = read(text=text_of(COLUMNS, separator), separator=spelled)
    same(pool, again)
    assert not said


def test_a_line_of_other_width_is_named_whatever_the_separator(refused):
    text = text_of(COLUMNS, ";").replace("\nsouth;", "\nsouth;;", 1)
    assert "to have 5 cells, but it has 6" in refused(text=text)


def test_a_separator_in_doubt_is_asked_for(refused):
    assert "Expected separator to be given" in refused(text="a,1;2\nb,3;4\n", header=False)


@pytest.mark.parametrize(
    ("encoding", "keywords"),
    [("utf-8-sig", {}), ("utf-16", {}), ("utf-32", {}), ("cp1252", {"encoding": "cp1252"})],
)
def test_encodings_are_followed(encoding, keywords, read):
    columns = {**COLUMNS, "site": np.where(SITE == "east", "Zürich", SITE)}
    pool, said = read(text=text_of(columns), written=encoding, **keywords)
    assert "Zürich" in pool.columns["site"] and not said


def test_an_encoding_that_is_not_the_files_is_refused_with_what_to_say(refused):
    text = text_of({**COLUMNS, "site": np.where(SITE == "east", "Zürich", SITE)})
    assert "encoding = ..., such as 'latin-1'" in refused(text=text, written="latin-1")
    assert "holds a null character; write encoding = 'utf-16'" in refused(
        text=text_of(COLUMNS), written="utf-16-le"
    )


def test_an_encoding_that_nobody_knows_is_refused(tmp_path):
    (tmp_path / "own.csv").write_text(text_of(COLUMNS))
    for encoding in ("utf-99", "base64"):
        with pytest.raises(InvalidInputError, match=f"encoding='{encoding}' to be an encoding"):
            load("csv", path=str(tmp_path / "own.csv"), label="sick", encoding=encoding)


def test_a_file_without_names_of_columns_gets_them(read, refused):
    text = text_of(COLUMNS, header=False)
    pool, _ = read(text=text, header=tuple(COLUMNS))
    same(pool, read()[0])
    pool, _ = read(text=text, header=False, label="column_5", client="column_1")
    same(pool, read()[0])
    assert pool.notes["features"][:2] == ["column_2", "column_3"]
    assert "name the 5 columns" in refused(text=text, header=("a", "b"))


NOTATIONS = [
    ({"decimal": ","}, "{:.2f}", (".", ",")),
    ({"thousands": ","}, "{:,.2f}", ()),
    ({"decimal": ",", "thousands": "."}, "{:,.2f}", (",.", ".,")),
    ({"decimal": ",", "thousands": " "}, "{:,.2f}", (",.", "\u00a0,")),
    ({"units": ("%",)}, "{:.2f}%", ()),
    ({"units": ("$",), "thousands": ","}, "${:,.2f}", ()),
    ({"units": ("€",), "decimal": ","}, "{:.2f} €", (".", ",")),
]


@pytest.mark.parametrize(("keywords", "form", "swap"), NOTATIONS)
def test_numbers_written_as_text_are_refused_with_the_words_that_read_them(
    keywords, form, swap, read, refused
):
    wide = [form.format(value) for value in 1000 * PAY]
    if swap:
        wide = [cell.translate(str.maketrans(*swap)) for cell in wide]
    columns = {**COLUMNS, "pay": np.array([f'"{cell}"' for cell in wide])}
    columns["age"] = SICK  # a column of whole numbers reads alike in all notations
    plain = {**columns, "pay": 1000 * PAY}
    sentence = refused(columns)
    assert "column 'pay'" in sentence and "(line 2)" in sentence and "drop = ['pay']" in sentence
    for keyword, value in keywords.items():
        written = json.dumps(list(value) if keyword == "units" else value, ensure_ascii=False)
        assert f"{keyword} = {written.replace(chr(160), ' ')}" in sentence
    pool, _ = read(columns, **keywords)
    np.testing.assert_allclose(pool.x, read(plain)[0].x, rtol=1e-5, atol=1e-5)


@settings(max_examples=200, deadline=None)
@given(
    value=st.floats(-1e9, 1e9).map(lambda value: round(value, 3)),
    decimal=st.sampled_from(".,"),
    thousands=st.sampled_from([None, ",", ".", " ", "'"]),
    unit=st.sampled_from(["", "%", "$", "EUR"]),
    front=st.booleans(),
)
def test_a_number_in_any_notation_reads_as_that_number(value, decimal, thousands, unit, front):
    if thousands == decimal:
        return
    cell = f"{abs(value):,.3f}".replace(",", "#").replace(".", decimal)
    cell = cell.replace("#", thousands or "")
    cell = f"{unit}{cell}" if front else f"{cell} {unit}".strip()
    if value < 0:
        cell = f"-{cell}"
    notation = Notation(decimal=decimal, thousands=thousands, units=(unit,) * bool(unit))
    values, good = parse(np.array([cell]), notation)
    assert good.all() and values[0] == value


@pytest.mark.parametrize(
    ("cell", "notation"),
    [
        ("0,123", Notation(thousands=",")),
        ("1,02", Notation(thousands=",")),
        ("1.5", Notation(decimal=",")),
        ("1_000", Notation()),
        ("--5", Notation(units=("$",))),
        ("$", Notation(units=("$",))),
        ("2024-01-02", Notation(thousands=",")),
    ],
)
def test_what_is_no_number_in_a_notation_is_not_read_as_another(cell, notation):
    values, good = parse(np.array([cell]), notation)
    assert not good.any() and np.isnan(values).all()


def test_a_quantity_written_as_text_is_refused_with_the_words_that_read_it(read, refused):
    cells = np.array([f'"{value:.2f}"'.replace(".", ",") for value in PAY])
    columns = {**COLUMNS, "sick": cells}
    sentence = refused(columns, targets="quantities")
    assert "column 'sick'" in sentence and "line 2" in sentence
    assert 'write decimal = "," to read them' in sentence
    whole = {"age": SICK, "site": SITE, "sick": cells}
    pool, _ = read(whole, decimal=",", targets="quantities")
    same(pool, read({**whole, "sick": PAY}, targets="quantities")[0])


def test_numbers_of_two_units_in_a_column_are_refused(read, refused):
    rates = [f"{value:.1f}%" if row % 2 else f"{value / 100:.3f}" for row, value in enumerate(PAY)]
    sentence = refused({**COLUMNS, "pay": rates}, units=("%",))
    assert "column 'pay'" in sentence and "one unit" in sentence and "line 3" in sentence
    mixed = [f"{value:.1f} {('kg', 'g')[row % 2]}" for row, value in enumerate(PAY)]
    assert "one unit" in refused({**COLUMNS, "pay": mixed}, units=("kg", "g"))
    same_unit = [f"{value:.1f} kg" for value in PAY]
    assert not read({**COLUMNS, "pay": same_unit}, units=("kg", "%"))[1]


def test_a_separator_that_nobody_guesses_is_asked_for(refused):
    assert "write separator = ..., if" in refused(text=text_of(COLUMNS).replace(",", "^"))


def test_a_column_to_leave_out_must_be_there(refused):
    assert "drop='aeg' to be a known name; did you mean 'age'?" in refused(drop=("aeg",))


def test_a_number_as_a_mark_stands_for_every_way_to_write_it(read, refused):
    ages = ["-999.0" if row % 6 == 0 else str(age) for row, age in enumerate(AGE)]
    _, said = read({**COLUMNS, "age": ages}, na=("-999",), missing="mean")
    assert "10 missing cells filled" in said[0] and len(said) == 1
    assert "na to hold texts, got -999; write ['-999']" in refused(na=[-999])


@pytest.mark.parametrize(
    "argument",
    ["drop", "features", "categories", "groups", "label", "units", "na", "header", "separator"],
)
def test_a_number_where_texts_are_meant_is_refused(argument, refused):
    assert f"{argument}=3" in refused(**{argument: 3})


def test_a_line_of_totals_is_said(read):
    text = text_of(COLUMNS) + ",".join({"site": "Total"}.get(name, "9") for name in COLUMNS) + "\n"
    _, said = read(text=text)
    assert any("one row alone is of member 'Total'" in one for one in said)
    assert any("one row alone is of class '9'" in one for one in said)


def test_two_columns_in_two_notations_are_refused_with_a_way_out(refused):
    income = [f'"{value:.2f}"'.replace(".", ",") for value in PAY]
    mixed = {**COLUMNS, "pay": PAY, "income": income}
    assert 'write decimal = "," to read them' in refused(mixed)
    sentence = refused(mixed, decimal=",")
    assert "in another notation than other columns" in sentence and "from_frame" in sentence


def test_numbers_with_a_word_behind_them_are_numbers_written_as_text(read, refused):
    far = np.array([f"{row % 30} km" for row in range(ROWS)])
    assert 'units = ["km"]' in refused({**COLUMNS, "far": far})
    pool, _ = read({**COLUMNS, "far": far}, units=("km",))
    same(pool, read({**COLUMNS, "far": np.arange(ROWS) % 30})[0])
    terms = np.array([f"{12 * (1 + row % 3)} months" for row in range(ROWS)])
    assert "term=12 months" in read({**COLUMNS, "term": terms})[0].notes["features"]


def test_numbers_of_which_only_the_large_ones_hold_a_mark_are_said(read):
    grouped = {**COLUMNS, "pay": [f"{int(pay) - 1200:,}".replace(",", ".") for pay in PAY]}
    _, said = read(grouped)
    assert len(said) == 1 and "column 'pay'" in said[0]
    assert 'write thousands = "." and decimal = ","' in said[0]
    plain = {**grouped, "age": SICK}
    pool, said = read(plain, thousands=".", decimal=",")
    same(pool, read({**plain, "pay": [int(pay) - 1200 for pay in PAY]})[0])
    assert not said
    assert not read({**COLUMNS, "pay": [f"{pay:.3f}" for pay in PAY]})[1]
    target = {"age": AGE, "site": SITE, "sick": grouped["pay"]}
    assert "column 'sick'" in read(target, targets="quantities")[1][0]


def test_a_word_in_most_rows_of_a_column_of_numbers_is_named(refused):
    cells = [f"{value}" if row % 4 == 0 else "unknown" for row, value in enumerate(AGE)]
    sentence = refused({**COLUMNS, "age": cells})
    assert "45 are words such as 'unknown' (line 3)" in sentence and "na = ['unknown']" in sentence


def test_two_readings_of_a_column_are_both_named():
    assert readings(np.array(["1,023", "5,100"])) == ['decimal = ","', 'thousands = ","']
    assert readings(np.array(["red", "blue", "1"])) == []


# ------------------------------------------------------------------ which columns are features


def test_a_column_that_counts_the_rows_is_left_out_and_said(read, refused):
    for start in (0, 1):
        counted = {"": np.arange(start, start + ROWS), **COLUMNS}
        pool, said = read(counted)
        same(pool, read()[0])
        assert len(said) == 1 and "counts the rows" in said[0]
    permuted = {"": RNG.permutation(ROWS), **COLUMNS}
    assert "'column_1'" in refused(permuted)
    same(read(permuted, drop=("column_1",))[0], read()[0])
    assert "'column_6'" in refused({**COLUMNS, "": PAY})
    pool, said = read({**COLUMNS, "": np.full(ROWS, "")})
    same(pool, read()[0])
    assert "without a name or a value" in said[0]


def test_columns_are_chosen_or_dropped_by_name(read, refused):
    chosen, _ = read(features=("pay", "age"))
    assert chosen.notes["features"] == ["pay", "age"]
    dropped, _ = read(drop=("kind", "pay"))
    assert dropped.notes["features"] == ["age"]
    assert "did you mean 'age'" in refused(features=("agee",))
    assert "features=['age', 'sick'] to name columns other" in refused(features=("age", "sick"))
    assert "a column of features" in refused(drop=("kind", "pay", "age"))


def test_a_column_of_names_ids_or_dates_is_refused_with_what_to_say(read, refused):
    for cells in (
        [f"C{row:05}" for row in range(ROWS)],
        [f"2024-{1 + row % 12:02}-{1 + row % 28:02}" for row in range(ROWS)],
        [f"Ms {chr(97 + row % 26)}{row // 2}" for row in range(ROWS)],
    ):
        sentence = refused({"who": cells, **COLUMNS})
        assert "column 'who'" in sentence and repr(cells[0]) in sentence and "line 2" in sentence
        assert "drop = ['who']" in sentence
        same(read({"who": cells, **COLUMNS}, drop=("who",))[0], read()[0])
    words = np.array([f"w{row % 15}" for row in range(ROWS)])
    assert "most_categories=14" in refused({"w": words, **COLUMNS}, most_categories=14)


@pytest.mark.parametrize(
    "form",
    ["2024-01-{:02}", "2024-{:02}", "{:02}.01.2024", "1/{}/24", "{:02}:30", "2024-01-{:02} 10:00"],
)
def test_few_dates_and_times_are_refused_all_the_same(form, read, refused):
    columns = {"when": [form.format(1 + row % 12) for row in range(ROWS)], **COLUMNS}
    sentence = refused(columns)
    assert "dates or times, such as" in sentence and "drop = ['when']" in sentence
    assert f"when={form.format(3)}" in read(columns, categories=("when",))[0].notes["features"]


def test_bands_and_versions_are_no_dates(read):
    for form in ("{}-20", "{}.0.17763", "{}/2"):
        columns = {"band": [form.format(1 + row % 9) for row in range(ROWS)], **COLUMNS}
        assert f"band={form.format(3)}" in read(columns)[0].notes["features"]


def test_classes_that_look_alike_are_said(read):
    names = np.array(["Yes", "yes", "No"])[np.arange(ROWS) % 3]
    pool, said = read({**COLUMNS, "sick": names})
    assert pool.num_classes == 3
    assert len(said) == 1 and "'Yes' and 'yes' are different classes" in said[0]


def test_a_member_of_one_row_has_nothing_left_on_a_scale_of_its_own_and_it_is_said(read):
    site = SITE.astype(object)
    site[3] = "lonely"
    _, said = read({**COLUMNS, "site": site}, scale="per_client")
    (sentence,) = [one for one in said if "per_client" in one]
    assert "'lonely' with one training row each" in sentence and 'scale = "pooled"' in sentence


def test_whole_numbers_that_number_the_rows_are_said(read):
    for name, cells in (("customer_id", RNG.permutation(ROWS)), ("when", 1000 + np.arange(ROWS))):
        _, said = read({name: cells, **COLUMNS})
        assert len(said) == 1 and f"drop = ['{name}']" in said[0]


def test_codes_can_be_categories(read):
    codes = RNG.integers(1, 4, ROWS)
    pool, _ = read({"code": codes, **COLUMNS}, categories=("code",))
    assert {"code=1", "code=2", "code=3"} <= set(pool.notes["features"])


def test_a_partition_goes_by_a_column_that_is_no_feature(read, refused):
    code = np.arange(ROWS) % 3
    pool, said = read({"code": code, **COLUMNS}, client=None, groups=("age", "code", "site"))
    assert pool.notes["features"][0] == "pay" and not said
    assert not any("age" in name or "code" in name for name in pool.notes["features"])
    for keywords, count in (({"column": "age", "bins": 4}, 4), ({"column": "code"}, 3)):
        with cautions() as said:
            rows, names, _ = PARTITIONS["by_column"](**keywords)(np.random.default_rng(0), pool)
        assert len(names) == count and sum(map(len, rows)) == pool.num_rows and not said
    assert "groups to differ" in refused(groups=("site",))


def test_rare_and_unseen_categories_are_said_once(read):
    first = KIND.astype(object)
    first[:6] = ["r1", "r2", "r3", "r4", "r5", "r6"]
    _, said = read({"one": first, "two": first[::-1], **COLUMNS})
    assert len(said) == 1 and "at most 2 training rows" in said[0] and "'one'" in said[0]
    assert "no training row has" in said[0]


def test_one_hot_features_that_memory_should_not_hold_are_refused(refused, monkeypatch):
    monkeypatch.setattr("fedjax_shap.data.features.MOST_BYTES", 900)
    assert "60 rows of 4 features take" in refused()


# ------------------------------------------------------------------ missing cells


def with_gaps(column, rows, mark=""):
    cells = COLUMNS[column].astype(object).copy()
    cells[rows] = mark
    return {**COLUMNS, column: cells}


def test_missing_numbers_are_filled_by_the_training_rows_and_said(read, refused):
    rows = np.arange(0, ROWS, 7)
    columns = with_gaps("age", rows)
    sentence = refused(columns)
    assert "column 'age' of line 2 is ''" in sentence and 'missing = "mean"' in sentence
    for missing, middle in (("mean", np.mean), ("median", np.median)):
        pool, said = read(columns, missing=missing, scale="none", indicator=True)
        assert said == [
            f"{said[0].split(':')[0]}: 9 missing cells filled by the training "
            f"rows' {missing} ('age': 9)."
        ]
        gaps = pool.notes["features"].index("age missing")
        filled = pool.x[:, gaps] == 1
        other = pool.test[0][:, gaps] == 1
        assert filled.sum() + other.sum() == len(rows)
        base = pool.x[~filled, 0].astype(np.float64)
        np.testing.assert_allclose(pool.x[filled, 0], middle(base), rtol=1e-5)
        np.testing.assert_allclose(pool.test[0][other, 0], middle(base), rtol=1e-5)


def test_rows_with_missing_cells_can_be_left_out(read):
    columns = with_gaps("kind", np.arange(5))
    pool, said = read(columns, missing="drop")
    kept = {name: cells[5:] for name, cells in COLUMNS.items()}
    same(pool, read(kept)[0])
    assert "5 rows of 60 left out" in said[0]


def test_a_missing_category_is_one_of_its_own(read):
    pool, said = read(with_gaps("kind", np.arange(20)), missing="mean")
    assert "kind=missing" in pool.notes["features"] and "a category 'missing'" in said[0]


def test_marks_of_missing_values_are_named_and_taken(read, refused):
    rows = np.arange(0, ROWS, 6)
    for mark in ("?", "-", "#N/A"):
        columns = with_gaps("age", rows, mark)
        assert f"na = [{mark!r}]" in refused(columns) and "line 2" in refused(columns)
        pool, _ = read(columns, na=(mark,), missing="mean")
        same(pool, read(with_gaps("age", rows), missing="mean")[0])
    columns = with_gaps("age", rows, -999)
    _, said = read(columns)
    assert len(said) == 1 and "-999" in said[0] and "10 rows" in said[0]
    pool, _ = read(columns, na=("-999",), missing="mean")
    same(pool, read(with_gaps("age", rows), missing="mean")[0])


def test_a_label_or_a_member_is_never_filled(refused, read):
    for column in ("sick", "site"):
        assert "it cannot be filled" in refused(with_gaps(column, [3]), missing="mean")
        assert len(read(with_gaps(column, [3]), missing="drop")[0].y) < ROWS
    empty = with_gaps("age", np.arange(ROWS))
    assert "to hold a number in a training row" in refused(empty, missing="median")


# ------------------------------------------------------------------ targets and members


def test_quantities_are_kept_as_they_are(read, refused):
    pool, _ = read(label="pay", targets="quantities", drop=("sick",))
    assert pool.num_classes is None and pool.y.dtype == np.float32
    assert sorted([*pool.y, *pool.test[1]]) == sorted(PAY.astype(np.float32))
    both, _ = read(label=("pay", "age"), targets="quantities")
    assert both.y.shape[1:] == (2,) and "pay" not in both.notes["features"]
    for label in ("pay", "spend"):
        sentence = refused({**COLUMNS, "spend": np.round(PAY).astype(int)}, label=label)
        assert "regression" in sentence and f"column {label!r}" in sentence
    assert "one column of classes" in refused(label=("pay", "age"))
    assert "'kind'" in refused(label="kind", targets="quantities")


def test_grades_as_classes_are_said(read):
    grades = np.arange(ROWS) % 12
    _, said = read({**COLUMNS, "sick": grades})
    assert len(said) == 1 and "12 different numbers" in said[0] and "regression" in said[0]


def test_members_that_look_alike_are_one_and_similar_ones_are_said(read):
    site = SITE.astype(object)
    site[:2] = ["Zu\u0308rich", "Z\u00fcrich"]
    site[2] = "NORTH"
    pool, said = read({**COLUMNS, "site": site})
    everyone = {*pool.columns["site"], *pool.test_columns["site"]}
    assert everyone == {"Z\u00fcrich", "NORTH", *SITE}
    assert any("are one member" in sentence for sentence in said)
    assert any("'NORTH' and 'north' are different" in sentence for sentence in said)


# ------------------------------------------------------------------ scales


def test_scales_are_by_all_rows_by_member_to_one_or_none(read, refused):
    raw, _ = read(scale="none")
    at = raw.notes["features"].index("age")
    unit, _ = read(scale="unit")
    assert unit.x[:, at].min() == 0 and unit.x[:, at].max() == 1
    own, _ = read(scale="per_client")
    for member in np.unique(SITE):
        rows = raw.columns["site"] == member
        tested = raw.test_columns["site"] == member
        base = raw.x[rows, at].astype(np.float64)
        np.testing.assert_allclose(own.x[rows, at].mean(), 0, atol=1e-5)
        np.testing.assert_allclose(
            own.test[0][tested, at], (raw.test[0][tested, at] - base.mean()) / base.std(), atol=1e-4
        )
    assert "to come with members" in refused(scale="per_client", client=None)


# ------------------------------------------------------------------ several files


@pytest.fixture
def folder(tmp_path):
    """Two members' files and a test file, one of them gzipped, their columns in another order."""
    table = {name: cells for name, cells in COLUMNS.items() if name != "site"}
    cuts = {"guest": slice(0, 25), "host": slice(25, 45), "test": slice(45, 60)}
    for name, cut in cuts.items():
        part = {key: cells[cut] for key, cells in table.items()}
        if name == "host":
            part = dict(reversed(part.items()))
        text = text_of(part)
        if name == "guest":
            (tmp_path / "guest.csv.gz").write_bytes(gzip.compress(text.encode()))
        else:
            (tmp_path / f"{name}.csv").write_text(text)
    return tmp_path


def test_one_file_a_member_reads_as_it_is(folder):
    guest, host, test = (str(folder / name) for name in ("guest.csv.gz", "host.csv", "test.csv"))
    pools = []
    for path in ((guest, host), {"guest": guest, "host": host}, str(folder), f"{folder}/*.csv*"):
        with cautions():
            pools.append(load("csv", path=path, label="sick", test_path=test))
    for pool in pools:
        same(pool, pools[0])
        assert pool.natural == "file" and "file" not in pool.test_columns
        names, counts = np.unique(pool.columns["file"], return_counts=True)
        assert names.tolist() == ["guest", "host"] and counts.tolist() == [25, 20]
        assert pool.y.tolist() == SICK[:45].tolist()
        assert pool.test[1].tolist() == SICK[45:].tolist()
    drawn = load("csv", path={"a": guest, "b": host}, label="sick", scale="none")
    assert set(drawn.test_columns["file"]) == {"a", "b"}
    own = load(
        "csv",
        path={"a": guest, "b": host},
        label="sick",
        test_path={"a": test},
    )
    assert set(own.test_columns["file"]) == {"a"}


def test_files_that_do_not_go_together_are_refused(folder):
    guest, host = (str(folder / name) for name in ("guest.csv.gz", "host.csv"))
    (folder / "other.csv").write_text("age,sick\n1,0\n2,1\n")
    for path, said in (
        ((guest, str(folder / "other.csv")), "'kind', 'pay' stand in one of them only"),
        ((host, host), "name each file once"),
        (str(folder / "no*.csv"), "a pattern of files"),
        ((), "to name a file"),
        ({"a": "nowhere.csv"}, "path='nowhere.csv'"),
        ("x" * 5000, "to be a file"),
    ):
        with pytest.raises(InvalidInputError) as raised:
            load("csv", path=path, label="sick")
        assert said in str(raised.value)


def test_a_cell_of_one_of_several_files_is_named_with_its_file(folder):
    (folder / "host.csv").write_text((folder / "host.csv").read_text().replace(str(PAY[30]), "?"))
    with pytest.raises(InvalidInputError, match=r"line 7 of .*host.csv holds '\?'"):
        load("csv", path=(str(folder / "guest.csv.gz"), str(folder / "host.csv")), label="sick")


def test_test_rows_are_stated_once(folder):
    with pytest.raises(InvalidInputError, match="test_path or test_column"):
        load(
            "csv",
            path=str(folder / "host.csv"),
            label="sick",
            test_path=str(folder / "test.csv"),
            test_column="kind",
        )


def test_a_test_file_of_training_rows_is_said(folder):
    with cautions() as said:
        load(
            "csv",
            path={"all": str(folder / "host.csv"), "more": str(folder / "test.csv")},
            label="sick",
            test_path=str(folder / "test.csv"),
        )
    assert any("15 of 15 test rows are training rows as well" in sentence for sentence in said)
