"""dbt's own tests of the models: all that are declared are run, and hold."""

from __future__ import annotations

from collections import Counter

import pytest
from fieldscore import transform, warehouse
from fieldscore.errors import FieldscoreError
from fieldscore.settings import Settings
from nights import Site, rows, silent


@pytest.fixture(scope="module")
def published(site: Site, tiny_published: str) -> Settings:
    """The tiny company, whose models are all built and hold something."""
    return site.go_back(tiny_published)


def test_every_declared_unit_test_is_run_and_holds(published: Settings) -> None:
    declared = transform.manifest(published).unit_tests
    assert len(declared) > 20
    ran = transform.run(published, "test", "--select", "test_type:unit", say=silent).results
    assert Counter(result.status for result in ran) == {"pass": len(declared)}
    assert {result.node.name for result in ran} == {test.name for test in declared.values()}


def test_every_declared_data_test_is_run_and_holds(published: Settings) -> None:
    declared = [
        node.name
        for node in transform.manifest(published).nodes.values()
        if node.resource_type == "test"
    ]
    assert len(declared) >= 5
    ran = transform.run(published, "test", "--select", "test_type:data", say=silent).results
    assert sorted(result.node.name for result in ran) == sorted(declared)
    assert {result.status for result in ran} == {"pass"}


def test_a_model_that_does_not_keep_its_rule_is_named(site: Site, tiny_published: str) -> None:
    settings = site.go_back(tiny_published)
    with warehouse.connect(settings) as connection:
        connection.execute("update intermediate.int_kpi_events set reason_code = null")
    with pytest.raises(FieldscoreError, match=r"test assert_exclusions_have_a_reason: Got [1-9]"):
        transform.run(settings, "test", "--select", "test_type:data", say=silent)


def test_a_selection_of_nothing_is_an_error(published: Settings) -> None:
    with pytest.raises(FieldscoreError, match="path:models/martz"):
        transform.run(published, "run", "--select", "path:models/martz", say=silent)


def test_nodes_share_connections_and_all_work_as_the_role(site: Site, tiny_published: str) -> None:
    settings = site.go_back(tiny_published)
    # Those that have ended are counted.
    sessions = "select sessions from pg_stat_database where datname = current_database()"
    [before] = rows(settings, sessions)
    ran = transform.run(settings, "run", "--select", "path:models/kpis", say=silent).results
    [after] = rows(settings, sessions)
    assert len(ran) > 20
    assert after["sessions"] - before["sessions"] < 10
    owners = rows(
        settings, "select distinct tableowner from pg_tables where schemaname = 'intermediate'"
    )
    assert owners == [{"tableowner": "fieldscore_transform"}]


def test_every_model_that_is_a_table_has_statistics(published: Settings) -> None:
    """Without them the next model is planned as if this one were empty."""
    found = rows(
        published,
        "select nspname, count(*) as tables, count(*) filter (where reltuples < 0) as unknown"
        " from pg_class join pg_namespace as schema on schema.oid = relnamespace"
        " where nspname in ('staging', 'intermediate', 'audit') and relkind = 'r'"
        " group by nspname order by nspname",
    )
    assert [row["nspname"] for row in found] == ["audit", "intermediate", "staging"]
    assert sum(row["tables"] for row in found) > 40
    assert sum(row["unknown"] for row in found) == 0
