"""What `make run` shows at its end: leaderboard, one explanation, the gates. Reads as BI does."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from unicodedata import east_asian_width

import psycopg

from fieldscore.errors import FieldscoreError
from fieldscore.settings import Settings
from fieldscore.warehouse import connect, reader_url

EVENTS_SHOWN = 3


def show(settings: Settings, technician_id: str | None = None) -> str:
    """Leaderboard of the newest month with scores, and one technician's score line by line.

    technician_id: whose score is explained; None takes one from the middle of the board.
    """
    with connect(reader_url(settings)) as connection:
        there = connection.execute("select to_regclass('publication')").fetchone()[0]
        publication = (
            there
            and connection.execute(
                "select business_date, as_of, published_at, run_id from publication"
            ).fetchone()
        )
        if not publication:
            return "Nothing is published yet."
        business_date, as_of, published_at, run_id = publication
        month = _month(connection)
        parts = [
            f"Published: business date {business_date}, as of {as_of} UTC"
            f" (run {run_id}, {published_at:%Y-%m-%d %H:%M:%S} UTC)"
        ]
        if month is None:
            parts.append(_nothing_scored(connection))
        else:
            parts.append(_leaderboard(connection, month))
            technician_id = technician_id or _middle(connection, month)
            parts.append(_explanation(connection, month, technician_id))
    with connect(settings) as connection:
        parts.append(_gates(connection, run_id))
    return "\n\n".join(parts)


def _month(connection: psycopg.Connection) -> date | None:
    """The newest month in which half of those scored are ranked, else the newest with a score."""
    return connection.execute(
        "select coalesce(max(period_month) filter (where 2 * ranked >= scored), max(period_month))"
        " from (select period_month, count(*) as scored, count(rank_low) as ranked"
        " from fct_technician_scores where status = 'scored' group by period_month) as months"
    ).fetchone()[0]


def _nothing_scored(connection: psycopg.Connection) -> str:
    rows = connection.execute(
        "select kpi_code, sum(n) filter (where available), count(*) filter (where available),"
        " count(*) from fct_technician_kpis group by kpi_code order by kpi_code"
    ).fetchall()
    table = _table(
        ["KPI", "records", "technician-months with a value", "of"],
        [[kpi, records or 0, available, total] for kpi, records, available, total in rows],
    )
    return (
        "No technician-month has enough to be scored (60 % of the weight and two families):"
        f" insufficient_data, not zero.\n{table}"
    )


def _leaderboard(connection: psycopg.Connection, month: date) -> str:
    rows = connection.execute(
        "select concat_ws('-', s.rank_low, s.rank_high), t.technician_id, t.name, a.name, s.score,"
        " s.half_width, s.quality_score, s.workload_score, s.cost_score, s.balance"
        " from fct_technician_scores as s join dim_technicians as t using (technician_id)"
        " left join dim_areas as a using (area_id)"
        " where s.period_month = %s and s.rank_low is not null"
        " order by s.score desc, t.technician_id",
        [month],
    ).fetchall()
    counts = connection.execute(
        "select count(*) filter (where rank_low is not null),"
        " count(*) filter (where badge = 'few_data' and status = 'scored'),"
        " count(*) filter (where status <> 'scored')"
        " from fct_technician_scores where period_month = %s",
        [month],
    ).fetchone()
    [status] = connection.execute(
        "select status from dim_periods where period_month = %s", [month]
    ).fetchone()
    head = ["rank", "id", "name", "area", "score", "±", "quality", "workload", "cost", "balance"]
    shown = [[*row[:9], f"{row[9]:.2f}" if row[9] is not None else "-"] for row in rows]
    cut = [["…"] + [""] * 9] if len(shown) > 13 else []
    board = _table(head, shown[:10] + cut + shown[10:][-3:])
    return (
        f"Leaderboard {month:%Y-%m} ({status}): {counts[0]} ranked, {counts[1]} with few data"
        f" (scored, not ranked), {counts[2]} with insufficient data\n{board}\n"
        "A rank is a range: people inside each other's range are not apart."
    )


def _middle(connection: psycopg.Connection, month: date) -> str:
    return connection.execute(
        "select technician_id from fct_technician_scores"
        " where period_month = %s and status = 'scored' order by (rank_low is null), score desc,"
        " technician_id offset (select count(*) / 2 from fct_technician_scores"
        " where period_month = %s and rank_low is not null) limit 1",
        [month, month],
    ).fetchone()[0]


def _explanation(connection: psycopg.Connection, month: date, technician_id: str) -> str:
    scored = connection.execute(
        "select t.name, s.score from fct_technician_scores as s"
        " join dim_technicians as t using (technician_id)"
        " where s.period_month = %s and s.technician_id = %s",
        [month, technician_id],
    ).fetchone()
    if scored is None:
        raise FieldscoreError(f"{technician_id} has no row in fct_technician_scores for {month}.")
    [name, score] = scored
    lines = connection.execute(
        "select coalesce(l.kpi_code, ''), l.line_kind, l.points, l.evidence_key, l.reason,"
        " k.raw_value, k.n from fct_score_lines as l left join fct_technician_kpis as k"
        " using (period_month, edition, technician_id, kpi_code)"
        " where l.period_month = %s and l.technician_id = %s order by l.line_no",
        [month, technician_id],
    ).fetchall()
    rows, events, running = [], 0, 0
    pending = [0, 0]

    def flush(kpi: str) -> None:
        if pending[0]:
            rows.append([kpi, "event", f"… and {pending[0]} more", f"{pending[1] / 100:+.2f}"])
            rows[-1].append(f"{running / 100:.2f}")
        pending[:] = [0, 0]

    previous = None
    for kpi, kind, points, evidence, reason, raw_value, n in lines:
        if (kpi, kind) != previous:
            if previous and previous[1] == "event":
                flush(previous[0])
            events = 0
            previous = (kpi, kind)
        running += points
        if kind == "event":
            events += 1
            if events > EVENTS_SHOWN:
                pending[0] += 1
                pending[1] += points
                continue
        what = ": ".join(word for word in (evidence, reason) if word)
        if kind == "full_marks":
            what = f"value {raw_value:.4f} from {n} records" if n else ""
        rows.append([kpi, kind, what, f"{points / 100:+.2f}", f"{running / 100:.2f}"])
    if previous and previous[1] == "event":
        flush(previous[0])
    total = sum(line[2] for line in lines)
    verdict = "the score" if total == score * 100 else f"NOT the score {score}"
    return (
        f"How {technician_id} ({name}) came to {score} in {month:%Y-%m}\n"
        + _table(["KPI", "line", "evidence", "points", "so far"], rows)
        + f"\n{len(lines)} lines add up to {total / 100:.2f}: {verdict}."
    )


def _gates(connection: psycopg.Connection, run_id: int) -> str:
    rows = connection.execute(
        "select gate, count(*), count(*) filter (where success),"
        " count(*) filter (where not success and severity = 'critical'),"
        " count(*) filter (where not success and severity = 'warning')"
        " from ops.quality_results where run_id = %s group by gate order by gate desc",
        [run_id],
    ).fetchall()
    told = connection.execute(
        "select table_name, expectation from ops.quality_results"
        " where run_id = %s and not success order by table_name, expectation",
        [run_id],
    ).fetchall()
    table = _table(["gate", "rules", "hold", "critical", "warnings"], rows)
    found = "".join(f"\n  warning: {table_name}: {rule}" for table_name, rule in told)
    rejects = connection.execute(
        "select feed, column_name, reason, count(*) from ops.rejects"
        " group by feed, column_name, reason order by count(*) desc, feed limit 5"
    ).fetchall()
    listed = "; ".join(
        f"{feed}.{column or 'line'} {reason}: {n}" for feed, column, reason, n in rejects
    )
    listed = f"Rejected rows (ops.rejects): {listed or 'none'}"
    return f"Quality gates of run {run_id}\n{table}{found}\n{listed}"


def _table(head: list[str], rows: Iterable[Iterable]) -> str:
    cells = [[str(cell) if cell is not None else "-" for cell in row] for row in [head, *rows]]
    widths = [max(_width(row[i]) for row in cells) for i in range(len(head))]
    numeric = [
        all(_is_number(row[i]) for row in cells[1:] if row[i] not in ("", "-", "…"))
        for i in range(len(head))
    ]
    lines = [
        "  ".join(
            _padded(cell, width, right)
            for cell, width, right in zip(row, widths, numeric, strict=True)
        )
        for row in cells
    ]
    return "\n".join("  " + line.rstrip() for line in lines)


def _is_number(text: str) -> bool:
    return text.lstrip("+-").replace(".", "", 1).isdigit()


def _width(text: str) -> int:
    """Columns on a terminal: Chinese characters take two."""
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def _padded(text: str, width: int, right: bool) -> str:
    blank = " " * (width - _width(text))
    return blank + text if right else text + blank
