"""The headline numbers of each benchmark's record: (what was measured, the number in words)."""

from collections.abc import Callable
from typing import NamedTuple

from benchmarks.harness import Record


class Headline(NamedTuple):
    """One number.

    Attributes:
        what: was measured.
        number: with its unit.
        beside: what it stands beside, such as a rival; "" if nothing.
    """

    what: str
    number: str
    beside: str = ""


def headlines(record: Record) -> list[Headline]:
    """Those of one record, by the module that its command names; none where nobody wrote any."""
    read = READERS.get(module_of(record))
    if read is None:
        return []
    return read(record)


def module_of(record: Record) -> str:
    """The benchmark that wrote a record; "" where the record does not say."""
    words = record.get("command", "").split()
    if len(words) < 3:
        return ""
    return words[2].removeprefix("benchmarks.")


def extrapolated(share: float | None) -> str:
    """What is said of seconds that were scaled up from a share of the work."""
    if share is None or share >= 1:
        return ""
    return f" (extrapolated from {100 * share:.2g} % of the work)"


def _coalition_engine(record: Record) -> list[Headline]:
    found = []
    for row in record["rows"]:
        rivals = []
        called = {"jitted_loop": "one at a time", "vmap_all": "one vmap", "torch_loop": "PyTorch"}
        for name, words in called.items():
            seconds = row[f"seconds_{name}"]
            if seconds is not None:
                share = row.get("share_of_the_work", {}).get(name)
                times = seconds / row["seconds_engine"]
                rivals.append(f"{words} {seconds:.3g} s, {times:.1f} x{extrapolated(share)}")
        model = {"mlp": f"MLP {row['hidden']}", "cnn": "LeNet5"}[row["model"]]
        batch = f"batch {row['batch_size']}"
        if not row["batch_size"]:
            batch = "full batch"
        what = f"{row['data_name']} {model}, n = {row['n']}, {batch}"
        rate = row["member_steps"] / row["seconds_engine"]
        number = (
            f"{row['seconds_engine']:.3g} s ({row['seconds_engine_cold']:.3g} s the first time), "
            f"{rate:,.0f} member-steps/s, {100 * row['fraction_of_gemm']:.0f} % of a product"
        )
        found.append(Headline(what, number, "; ".join(rivals)))
    return found


def _rounds_game(record: Record) -> list[Headline]:
    engine = record["seconds_engine"]
    rival = record["seconds_forward_per_model"]
    what = f"{record['num_coalitions']} mixtures, MLP {record['hidden']}"
    share = extrapolated(rival.get("share_of_the_work"))
    beside = f"a forward pass each {rival['warm']:.3g} s, {record['speed_up']:.1f} x{share}"
    return [Headline(what, f"{engine['warm']:.3g} s ({engine['first']:.3g} s)", beside)]


def _flce(record: Record) -> list[Headline]:
    ours = record["parts"]["exact"]
    loop = record["parts"]["jitted_loop"]
    beside = f"published {record['published_seconds']} s"
    if loop is not None:
        times = loop["warm"] / ours["warm"]
        share = extrapolated(loop.get("share_of_the_work"))
        beside += f"; one at a time {loop['warm']:.3g} s, {times:.1f} x{share}"
    what = f"FLCE tic-tac-toe, {record['partition']}, {record['rounds']} rounds"
    agreement = f"cosine distance {record['cosine_distance_mean']:.1e}"
    number = f"{ours['warm']:.3g} s ({ours['first']:.3g} s), {agreement}"
    return [Headline(what, number, beside)]


def _mnist_exact(record: Record) -> list[Headline]:
    seconds = record["seconds_exact"]
    if seconds is None:
        seconds = record["seconds_extrapolated"]
    number = (
        f"{seconds:,.0f} s{extrapolated(record['fraction_run'])}, "
        f"{record['member_steps_per_second']:,.0f} member-steps/s"
    )
    beside = f"published {record['published_seconds']:,} s"
    return [Headline("MNIST, LeNet5, all coalitions of 10 clients", number, beside)]


def _algorithms(record: Record) -> list[Headline]:
    found = []
    many = record["coalitions"]
    for name, row in many["algorithms"].items():
        number = f"{row['ratio']:.2f} x FedAvg's seconds"
        beside = f"{row['rounds_per_second']:,.0f} rounds/s, {row['peak_bytes'] / 1e6:.0f} MB"
        found.append(Headline(f"{name}, {many['num_coalitions']} coalitions", number, beside))
    return found


def _scaling(record: Record) -> list[Headline]:
    found = []
    for row in record["rows"]:
        number = f"{row['seconds_engine']:.3g} s, {row['peak_memory_mb']:.0f} MiB"
        beside = f"{row['trainings_per_second']:,.0f} trainings/s"
        found.append(Headline(f"all coalitions of n = {row['n']}", number, beside))
    return found


def _compilation(record: Record) -> list[Headline]:
    found = []
    for name, run in record["runs"].items():
        total = run["total"]
        beside = f"{total['programs']} programs, {total['cached']} of them kept from before"
        number = f"{run['seconds']:.3g} s, {total['compiling']:.2g} s compiling"
        found.append(Headline(f"the quickstart, {name}", number, beside))
    for row in record["sweep"]:
        number = f"{row['seconds'] - row['training']:.2g} s beyond training"
        found.append(Headline(f"a sweep, seed {row['seed']}", number))
    return found


def _convolutions(record: Record) -> list[Headline]:
    return [
        Headline(f"{row['models']} models, {row['way']}", f"{row['ms_a_model_step']:.3g} ms a step")
        for row in record["rows"]
    ]


def _precision(record: Record) -> list[Headline]:
    found = []
    for row in record["rows"]:
        beside = f"Spearman {row['spearman']:.3f}, off by {row['max_difference']:.1e} at most"
        found.append(Headline(row["precision"], f"{row['seconds']['warm']:.3g} s", beside))
    return found


def _products(record: Record) -> list[Headline]:
    return [
        Headline(row["what"], f"{row['us']:.3g} us", f"{row['gflops']:.3g} GFLOP/s")
        for row in record["rows"]
    ]


def _secure_sum(record: Record) -> list[Headline]:
    found = []
    for row in record["rows"]:
        what = f"{record['members']} members, against the {row['against']}, {row['drop_outs']:.0%}"
        number = f"{row['member_seconds']:.2g} s a member, {row['server_seconds']:.2g} s the server"
        found.append(Headline(f"{what} gone", number))
    return found


def _alignment(record: Record) -> list[Headline]:
    return [
        Headline(
            f"{row['parties']} parties of {row['ids']:,} ids",
            f"{row['ids_per_second']:,.0f} ids/s a party",
            f"{row['bytes_per_id']:.0f} bytes an id",
        )
        for row in record["rows"]
    ]


def _encrypted_training(record: Record) -> list[Headline]:
    return [
        Headline(
            f"{row['rows']:,} rows, {row['label_holder_columns']} + {row['host_columns']} columns",
            f"{row['seconds']:.3g} s an epoch",
            f"{row['encryption_share']:.0%} of it encryption",
        )
        for row in record["rows"]
    ]


def _estimators(record: Record) -> list[Headline]:
    return [
        Headline(
            f"{row['estimator']}, game {row['game']}, {row['budget']} coalitions",
            f"relative error {row['rel_l2']:.3f}",
        )
        for row in record["rows"]
        if row["package"] == "fedjax_shap" and row["estimator"] == record["default"]
    ]


def _interval_coverage(record: Record) -> list[Headline]:
    return [
        Headline(f"{row['case']}, {row['method']}", f"{row['mean']:.1%} of payments covered")
        for row in record["rows"]
    ]


def _overheads(record: Record) -> list[Headline]:
    found = [
        Headline(
            f"{row['processes']} processes, batches of {row['batch']:,}",
            f"{1e3 * row['seconds']:.3g} ms a batch",
            f"{row['bytes_a_coalition']:.0f} bytes a coalition through the hub",
        )
        for row in record["hub"]
    ]
    kept = record["store"]
    number = f"{kept['added_per_second']:,.0f} coalitions/s taken in"
    beside = f"{kept['written_per_second']:,.0f} written, {kept['read_per_second']:,.0f} read"
    found.append(Headline("utility store", number, beside))
    for row in record["reducer"]:
        found.append(Headline(f"values of 2^{row['n']} utilities", f"{row['seconds']:.2g} s"))
    return found


def _scale_on_paper(record: Record) -> list[Headline]:
    return [
        Headline(name, f"{one_card} on one card, computed", f"{hosts} on 64 hosts of eight")
        for name, _, _, one_card, _, hosts in record["tables"]["games"]["rows"]
    ]


def _study(record: Record) -> list[Headline]:
    loop = ""
    if "loop" in record:
        one = record["loop"]
        loop = f"a shell's loop {one['seconds'] / 60:.1f} min{extrapolated(one['share'])}"
    return [
        Headline(f"{one['cells']} cells, {name}", f"{one['seconds'] / 60:.1f} min", loop)
        for name, one in record["engines"].items()
    ]


READERS: dict[str, Callable[[Record], list[Headline]]] = {
    "algorithms": _algorithms,
    "alignment": _alignment,
    "coalition_engine": _coalition_engine,
    "compilation": _compilation,
    "convolutions": _convolutions,
    "encrypted_training": _encrypted_training,
    "estimators": _estimators,
    "flce": _flce,
    "interval_coverage": _interval_coverage,
    "mnist_exact": _mnist_exact,
    "overheads": _overheads,
    "precision": _precision,
    "products": _products,
    "rounds_game": _rounds_game,
    "scale_on_paper": _scale_on_paper,
    "scaling": _scaling,
    "secure_sum": _secure_sum,
    "study": _study,
}
