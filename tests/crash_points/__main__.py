"""`make crash-points`: strike at each crash point of one service, and at a sample of the points of the others."""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial

from shop.commands.bench import end
from shop_lab.testbed import TRACED, fresh_testbed
from shop_stack import paths
from shop_stack.errors import UserError
from shop_stack.ports import SERVICES
from tests.crash_points.discovery import Reached
from tests.crash_points.injection import KINDS
from tests.crash_points.matrix import FREEZE_SECONDS, SETTINGS, Matrix, Shop
from tests.crash_points.points import points_of
from tests.crash_points.subject import Trial, parsed
from tests.crash_points.verdicts import Outcome, Report, unreached_of

PORTS_ABOVE = 800
"""The distance between the ports of this shop and those of a running one, which is not disturbed."""
PROGRAM = ".venv/bin/python -m tests.crash_points"
EXAMPLES = f"""examples:

  {PROGRAM}                                payments whole, and 3 trials of each other service
  {PROGRAM} --service orders --sample 0    one service whole, and no other
  {PROGRAM} --kinds kill --seed 7          only kill, other occurrences and another sample
  {PROGRAM} --trial 'payments kill chassis.inbox.inbox:Inbox._claim:1 2'

The exit code is 0 if each trial holds, 1 if an invariant was violated or a point was not reached, 2 if the arguments
or the machine are at fault.
"""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--service",
        choices=SERVICES,
        default="payments",
        help="the service whose points are all tried (payments)",
    )
    parser.add_argument(
        "--sample",
        type=int,
        default=3,
        metavar="N",
        help="trials of each other service, chosen by the seed (3)",
    )
    parser.add_argument(
        "--kinds", default=",".join(KINDS), help="kinds of strikes, by commas (kill,cancel,freeze)"
    )
    parser.add_argument(
        "--seed", type=int, default=1, help="chooses the sample and the occurrences of points (1)"
    )
    parser.add_argument(
        "--most", type=int, default=0, metavar="N", help="at most N trials, chosen by the seed (0: all)"
    )
    parser.add_argument(
        "--freeze-seconds",
        type=float,
        default=FREEZE_SECONDS,
        help=f"how long a freeze lasts ({FREEZE_SECONDS:g})",
    )
    parser.add_argument(
        "--trial",
        action="append",
        default=[],
        metavar="TITLE",
        help="only this trial; may be given several times",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser.parse_args()


@asynccontextmanager
async def fresh_shop(freeze_seconds: float) -> AsyncIterator[Shop]:
    """A shop with an empty past."""
    async with fresh_testbed(lambda *_: None, "crash-points", PORTS_ABOVE, {**TRACED, **SETTINGS}) as testbed:
        yield Shop(testbed.stack, testbed.target, testbed.kafka, freeze_seconds)


def kinds_of(text: str) -> list[str]:
    """The kinds of a list with commas. Raises UserError if one is unknown."""
    kinds = [kind.strip() for kind in text.split(",")]
    for kind in kinds:
        if kind not in KINDS:
            raise UserError(f"There is no kind {kind!r}: choose from {', '.join(KINDS)}.")
    return kinds


async def carried_out(args: argparse.Namespace) -> Report:
    """Find the points that are reached, carry out the trials, and report."""
    began = time.monotonic()
    points = points_of(paths.repository() / "libs" / "chassis" / "src")
    report = Report(args.seed, points=len(points))
    kinds, trials = kinds_of(args.kinds), [parsed(title) for title in args.trial]
    for trial in trials:
        if trial.point not in points:
            raise UserError(f"There is no point {trial.point!r}: the report of a run names all of them.")

    def say(what: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {what}", file=sys.stderr, flush=True)

    async with Matrix(partial(fresh_shop, args.freeze_seconds), say) as matrix:
        if not trials:
            reached = await matrix.discover(SERVICES if args.sample else (args.service,))
            report.reached = {service: len(found.points) for service, found in reached.items()}
            report.unreached = {args.service: unreached_of(points, reached[args.service].points)}
            trials = planned(reached, kinds, args)
        report.runs = await matrix.carry_out(trials)
    report.seconds = time.monotonic() - began
    return report


def planned(reached: Mapping[str, Reached], kinds: Sequence[str], args: argparse.Namespace) -> list[Trial]:
    """All trials of the service that is tried whole, and a sample of those of each other one."""
    trials: list[Trial] = []
    for service, found in reached.items():
        possible = found.trials(kinds, args.seed)
        trials += possible if service == args.service else sampled(possible, args.sample, args.seed)
    return sampled(trials, args.most, args.seed) if args.most else trials


def sampled(trials: Sequence[Trial], size: int, seed: int) -> list[Trial]:
    """`size` of the trials, chosen by the seed, in their order."""
    chosen = random.Random(seed).sample(range(len(trials)), min(size, len(trials)))
    return [trials[at] for at in sorted(chosen)]


def print_report(report: Report) -> None:
    """Print everything that a tester needs: counts, points that were not reached, and how to replay what failed."""
    for service, unreached in report.unreached.items():
        print(f"\nNever reached by {service} under this load:")
        for each in unreached:
            print(f"  {each.point.name} (line {each.point.line}: {each.point.code}): {each.reason}")
    for run in report.runs:
        if run.outcome is not Outcome.HOLDS:
            print(f"\n{run.outcome}: {run.trial.title}")
            for sentence in run.found[:5]:
                print(f"  {sentence}")
            print(f"  again: {PROGRAM} --trial '{run.trial.title}'")
    counts = ", ".join(f"{count} {outcome}" for outcome, count in sorted(report.counts.items()))
    reached = ", ".join(f"{service} {count}" for service, count in report.reached.items())
    print(f"\n{report.points} points; reached: {reached or 'not counted'}")
    print(f"{len(report.runs)} trials in {report.seconds:.0f} s with seed {report.seed}: {counts}")


def main() -> int:
    """Carry out the trials, print the report, and write it to .shop/report/crash-points.json."""
    args = arguments()
    signal.signal(signal.SIGTERM, end)
    try:
        report = asyncio.run(carried_out(args))
    except UserError as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 2
    text = json.dumps(report.as_json(), indent=2)
    file = paths.state_folder() / "report" / "crash-points.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    if args.json:
        print(text)
    else:
        print_report(report)
    return 0 if report.holds else 1


if __name__ == "__main__":
    sys.exit(main())
