"""`shop chaos`: faults as data, and experiments that can fail."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich import box
from rich.console import Console
from rich.table import Table

from shop.commands.bench import end
from shop.steps import Steps
from shop_chaos import catalogue, committed, matrix, needs, report, rollback
from shop_chaos.catalogue import Experiment
from shop_chaos.injectors import arguments_of
from shop_chaos.verdict import Result
from shop_stack.errors import UserError
from shop_stack.paths import shop_folder

app = typer.Typer(
    help="Inject faults, watch the invariants meanwhile, and say whether they held. Exit code 0 only if they did and "
    "each fault was seen to bite.",
    no_args_is_help=True,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Names = Annotated[list[str], typer.Argument(help="Experiments by name, or files.", metavar="EXPERIMENT...")]
Given = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="NAME=VALUE", help="A value of the experiment's configuration; repeatable."
    ),
]
Out = Annotated[Path | None, typer.Option(help="The folder of the report. Otherwise .shop/report.")]


@app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the faults of the catalogue and the experiments.

    An experiment that needs what this machine lacks is listed with the reason.

    Examples:

        shop chaos list

        shop chaos list --json"""
    faults, experiments = list(catalogue.faults()), catalogue.experiments()
    if as_json:
        listed = [
            {"name": each.name, "title": each.title, "faults": each.faults, "lacks": needs.missing(each)}
            for each in experiments
        ]
        told = [{"id": each.id, "what": each.what, "targets": list(each.targets)} for each in faults]
        typer.echo(json.dumps({"faults": told, "experiments": listed}, indent=2))
        return
    console = Console()
    console.print(_table("Faults", [(each.id, each.what, ", ".join(each.targets) or "-") for each in faults]))
    rows = [(each.name, each.title, needs.missing(each) or "can run") for each in experiments]
    console.print(_table("Experiments", rows))
    console.print("Run one: shop chaos run NAME. All: shop chaos matrix.", style="dim")


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A fault or an experiment.")], as_json: AsJson = False
) -> None:
    """Show a fault of the catalogue, or an experiment with the faults that it injects.

    Examples:

        shop chaos show kill

        shop chaos show kill-services --json"""
    shown = _shown(name)
    typer.echo(json.dumps(shown, indent=2) if as_json else yaml.safe_dump(shown, sort_keys=False, width=100))


@app.command()
def run(
    names: Names,
    given: Given = None,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Carry out experiments on a shop of their own, and remove it.

    With --target compose or k8s they are carried out on the shop that runs
    there, which stays. A fault that has no injection there is `not run`.

    Orders arrive while the faults last. The invariants that hold at every
    moment are judged every few seconds. If one is violated, the experiment
    stops and its faults are undone. At the end the shop must come to rest, and
    all nine invariants are judged.

    The verdict is `holds`, `violated`, or `vacuous`: a fault was not seen to
    bite, so the run proves nothing. Only `holds` is green. A planted experiment
    is green if its verdict is the planted one.

    The journals of Chaos Toolkit are kept in .shop/chaos/journals.

    Examples:

        shop chaos run kill-services

        shop chaos run postgres-stopped kafka-killed --json

        shop chaos run rebalances --set joins=20

        shop chaos run kill-campaign --set kills=20 --set seed=7

        shop chaos run my-experiment.yaml

        shop --target compose chaos run kill-services kafka-killed"""
    experiments = [catalogue.experiment(name) for name in names]
    results = _carried_out(experiments, _values(given or [], experiments), out)
    _tell(results, out, as_json, partial=False)


@app.command("matrix")
def matrix_(
    quick: Annotated[
        bool, typer.Option("--quick", help="Only the quick experiments: up to 10 minutes.")
    ] = False,
    out: Out = None,
    as_json: AsJson = False,
) -> None:
    """Carry out all experiments, and write a report as a table, JSON, JUnit and HTML.

    Planted violations come first: a runner that does not see them proves
    nothing. An experiment that needs what this machine lacks is `not run`, with
    the reason. It is not green, and does not make the others red.

    Examples:

        shop chaos matrix --quick

        shop chaos matrix --out report --json

        shop --target k8s chaos matrix"""
    experiments = catalogue.experiments()
    results = _carried_out(list(matrix.chosen(experiments, quick=quick)), {}, out)
    if not quick:
        results += matrix.without_experiment(catalogue.faults(), experiments)
    _tell(results, out, as_json, partial=True)


@app.command("rollback")
def rollback_(as_json: AsJson = False) -> None:
    """Undo the faults that a killed runner has left, and remove the shop that it had started.

    Examples:

        shop chaos rollback

        shop chaos rollback --json"""
    done = []
    for sentence in rollback.roll_back():
        done.append(sentence)
        if not as_json:
            typer.echo(sentence)
    if as_json:
        typer.echo(json.dumps({"done": done}, indent=2))
    elif not done:
        typer.echo("No fault is in force.")


@app.command()
def record(
    reports: Annotated[list[Path], typer.Argument(help="Files chaos.json of runs.", metavar="REPORT...")],
    as_json: AsJson = False,
) -> None:
    """Write results into docs/chaos/last-run.json and the table of docs/chaos.md.

    Each result replaces the older one of its experiment.

    Examples:

        shop chaos record .shop/report/chaos.json

        shop chaos record .shop/report/chaos.json --json"""
    run = committed.read()
    for report_ in reports:
        run = committed.added(run, _results_in(report_), date.today().isoformat())
    files = [str(file) for file in committed.write(run)]
    if as_json:
        typer.echo(json.dumps({"experiments": len(run), "files": files}, indent=2))
    else:
        typer.echo(f"{len(run)} experiments are in {' and '.join(files)}.")


def _results_in(file: Path) -> list[dict[str, Any]]:
    """The results of a report. Raises UserError if the file is none."""
    try:
        results: list[dict[str, Any]] = json.loads(file.read_text())
        return [each for each in results if each["ruling"] != "not run"]
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(
            f"{file} is no report of experiments: `shop chaos run` and `shop chaos matrix` write a chaos.json."
        ) from None


def _shown(name: str) -> dict[str, Any]:
    """A fault or an experiment as plain data. Raises UserError if there is neither."""
    known = catalogue.faults()
    if name in known.by_id:
        return _plain(known.of(name))
    if name not in {each.name for each in catalogue.experiments()} and not name.endswith((".yaml", ".yml")):
        raise UserError(
            f"There is neither a fault nor an experiment {name!r}: `shop chaos list` prints them."
        )
    found = catalogue.experiment(name)
    faults = [_plain(known.of(fault)) for fault in found.faults]
    return {"experiment": name, "expected": found.expected, "faults": faults, **found.document}


def _plain(fault: catalogue.Fault) -> dict[str, Any]:
    told = {name: getattr(fault, name) for name in catalogue.Fault.__dataclass_fields__}
    return {**told, "arguments": arguments_of(next(iter(fault.targets.values()), None))}


def _values(given: Sequence[str], experiments: Sequence[Experiment]) -> dict[str, Any]:
    """The values of --set. Raises UserError for a name that no experiment has."""
    known = {name for each in experiments for name in each.document.get("configuration", {})}
    values = {}
    for pair in given:
        name, is_there, value = pair.partition("=")
        if not is_there or name not in known:
            names = ", ".join(sorted(known)) or "none"
            raise UserError(f"--set {pair} sets nothing: write NAME=VALUE, and the names here are: {names}.")
        try:
            values[name] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise UserError(
                f"--set {pair}: {value!r} is no value in YAML, such as 20, true or text."
            ) from None
    return values


def _carried_out(experiments: Sequence[Experiment], given: dict[str, Any], out: Path | None) -> list[Result]:
    """The results. They are written after each experiment, so that a run that is ended early leaves what it has."""
    began = time.monotonic()
    so_far: list[Result] = []
    with _progress(experiments) as (tell, show):

        def on_result(result: Result) -> None:
            show(result)
            so_far.append(result)
            report.write(so_far, out or shop_folder() / "report")

        results = matrix.run(experiments, tell, on_result, given)
    seconds = timedelta(seconds=round(time.monotonic() - began))
    typer.echo(f"{len(results)} experiments took {seconds}, with the starts of their shops.", err=True)
    return results


def _tell(results: Sequence[Result], out: Path | None, as_json: bool, *, partial: bool) -> None:
    """Write and print the results, and exit with the verdict."""
    files = report.write(results, out or shop_folder() / "report")
    if as_json:
        typer.echo(json.dumps([each.as_json() for each in results], indent=2))
    else:
        report.print_results(results, Console())
        typer.echo(f"More in {', '.join(map(str, files))}.")
    raise typer.Exit(0 if matrix.holds(results, partial=partial) else 1)


@contextmanager
def _progress(experiments: Sequence[Experiment]) -> Any:
    signal.signal(signal.SIGTERM, end)
    with Steps(Console(stderr=True)) as progress:
        task = progress.add_task("starting", total=len(experiments))

        def on_result(result: Result) -> None:
            progress.update(task, description=f"{result.experiment}: {report.said(result)}")
            progress.advance(task)

        yield (lambda what: progress.update(task, description=what)), on_result


def _table(title: str, rows: Sequence[tuple[str, str, str]]) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, show_header=False)
    for row in rows:
        table.add_row(*row)
    return table
