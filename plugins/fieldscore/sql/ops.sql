-- The warehouse's fixed rooms. Idempotent: run before every night, also beside one that is under way.
-- So indexes and columns are asked for first: `if not exists` waits for whoever writes to the table,
-- and holds up his heartbeat meanwhile.
create schema if not exists raw;
create schema if not exists staging;
create schema if not exists intermediate;
create schema if not exists audit;
create schema if not exists marts;
create schema if not exists ops;
create schema if not exists policy;

comment on schema marts is 'What BI reads. Written only by publication, one transaction a night.';

-- What was delivered. One row per file (or page run, or query) that went into raw; never changed.
create table if not exists ops.loads (
    load_id bigint generated always as identity primary key,
    feed varchar not null,
    business_date date not null,
    file varchar not null,
    sha256 varchar(64) not null,
    rows_delivered bigint not null,
    landed_at timestamp not null default (now() at time zone 'UTC'),
    unique (feed, business_date, file, sha256)
);
-- Which of our columns it brought: one that is missing next time is drift.
do $do$
begin
    if not exists (
        select from pg_attribute where attrelid = 'ops.loads'::regclass and attname = 'columns'
    ) then
        alter table ops.loads add column columns varchar[];
    end if;
end
$do$;

-- Lines no row could be made of: a NUL byte, an over-long line, too many or too few fields.
create table if not exists ops.malformed_rows (
    load_id bigint not null references ops.loads,
    row_number bigint not null,
    reason varchar not null,
    row jsonb not null,
    primary key (load_id, row_number)
);

-- A delivered row that raw already held, to the letter: it only moves that version's place in time.
-- Without a key, as raw: landing writes a load and its rows once, in one transaction.
create table if not exists ops.unchanged_rows (
    load_id bigint not null,
    row_number bigint not null,
    feed varchar not null,
    row_hash bytea not null
);
do $do$
begin
    if to_regclass('ops.unchanged_rows_by_hash') is null then
        create index unchanged_rows_by_hash on ops.unchanged_rows (feed, row_hash);
    end if;
    if to_regclass('ops.unchanged_rows_by_load') is null then
        alter table ops.unchanged_rows drop constraint if exists unchanged_rows_pkey;
        create index unchanged_rows_by_load on ops.unchanged_rows using brin (load_id);
    end if;
end
$do$;

-- How each feed's text is to be read, copied from its declaration when a night opens.
create table if not exists ops.declarations (
    feed varchar primary key,
    fingerprint varchar(64) not null,
    null_tokens varchar[] not null,
    value_maps jsonb not null,
    time_zone varchar not null,
    patterns varchar[] not null,
    templates varchar[] not null,
    declared_at timestamp not null default (now() at time zone 'UTC'),
    -- The day from which the feed counts; empty: the month of its earliest event.
    counts_from date
);

-- How far each http feed has been read.
create table if not exists ops.cursors (
    feed varchar primary key,
    cursor varchar not null,
    load_id bigint not null references ops.loads,
    moved_at timestamp not null default (now() at time zone 'UTC')
);

-- Every attempt at a night. The newest row that is `running` with a fresh heartbeat holds the lease;
-- its run_id is the fencing number that every writing transaction shows.
create table if not exists ops.runs (
    run_id bigint generated always as identity primary key,
    business_date date not null,
    as_of timestamp not null,
    status varchar not null check (status in ('running', 'published', 'landed', 'failed', 'abandoned')),
    started_at timestamp not null default (now() at time zone 'UTC'),
    heartbeat_at timestamp not null default (now() at time zone 'UTC'),
    published_at timestamp,
    failed_gate varchar,
    message varchar,
    code_version varchar not null,
    policy_version varchar,
    airflow_run_id varchar,
    -- What the models rest on besides the records: where it differs from the published run's,
    -- everything is made again.
    basis jsonb,
    -- Why everything was made again; empty for a night of what changed alone.
    rebuilt_because varchar,
    last_load_id bigint
);
do $do$
begin
    if not exists (
        select from pg_attribute where attrelid = 'ops.runs'::regclass and attname = 'basis'
    ) then
        alter table ops.runs add column basis jsonb, add column rebuilt_because varchar;
    end if;
    if to_regclass('ops.runs_one_at_a_time') is null then
        create unique index runs_one_at_a_time on ops.runs ((true)) where status = 'running';
    end if;
end
$do$;

-- The night being worked on: one row, the only clock the models know.
create table if not exists ops.night (
    one_row boolean primary key default true check (one_row),
    run_id bigint not null references ops.runs,
    business_date date not null,
    as_of timestamp not null,
    time_zone varchar not null
);

-- Respondents who are staff, from policy; hashed like the surveys' respondents before they get here.
create table if not exists ops.staff_respondents (
    respondent_hash varchar not null,
    valid_from date not null,
    valid_to date,
    primary key (respondent_hash, valid_from)
);

-- What the gates found, expectation by expectation.
create table if not exists ops.quality_results (
    run_id bigint not null references ops.runs,
    gate varchar not null,
    table_name varchar not null,
    expectation varchar not null,
    severity varchar not null,
    success boolean not null,
    observed jsonb not null,
    checked_at timestamp not null default (now() at time zone 'UTC')
);
do $do$
begin
    if to_regclass('ops.quality_results_by_run') is null then
        create index quality_results_by_run on ops.quality_results (run_id);
    end if;
end
$do$;

-- Steps that altered published tables when a contract changed (sql/steps/), each once.
create table if not exists ops.steps (
    name varchar primary key,
    done_at timestamp not null default (now() at time zone 'UTC')
);

-- How many rows of each mart the gate of a run let pass.
create table if not exists ops.audited (
    run_id bigint not null references ops.runs,
    table_name varchar not null,
    rows bigint not null,
    -- How many keys the night touches; empty where all of the mart is asked for.
    keys bigint,
    primary key (run_id, table_name)
);
do $do$
begin
    if not exists (
        select from pg_attribute where attrelid = 'ops.audited'::regclass and attname = 'keys'
    ) then
        alter table ops.audited add column keys bigint;
    end if;
end
$do$;

-- The run that fills the tables which are not logged: a crash of the server empties this one, too.
create unlogged table if not exists ops.alive (run_id bigint not null);

-- Called by every transaction that writes for a night: the run named by the connection must still
-- hold the lease. A person's own dbt command names no run and may write while no night is running.
create or replace function ops.hold_lease() returns void
language plpgsql as $$
declare
    holder bigint;
    mine varchar := substring(current_setting('application_name') from '^fieldscore run (\d+)$');
begin
    select run_id into holder from ops.runs where status = 'running' for share;
    if mine is null and holder is not null then
        raise exception 'run % is working on a night; wait until it has ended', holder;
    elsif mine is not null and holder is distinct from mine::bigint then
        raise exception 'run % no longer holds the lease', mine;
    end if;
end
$$;

-- Which policy files schema `policy` holds.
create table if not exists ops.policy (
    one_row boolean primary key default true check (one_row),
    fingerprint varchar(64) not null,
    loaded_at timestamp not null default (now() at time zone 'UTC')
);

-- How the files that were landed looked in the landing: one that looks the same is not read again.
create table if not exists ops.delivered_files (
    feed varchar not null,
    business_date date not null,
    file varchar not null,
    mark varchar not null,
    primary key (feed, business_date, file)
);

-- Whom a login of a person sees (fieldscore.access): all technicians of an area, or one.
create table if not exists ops.access (
    login varchar not null,
    area_id varchar,
    technician_id varchar,
    granted_at timestamp not null default (now() at time zone 'UTC'),
    check (num_nonnulls(area_id, technician_id) = 1),
    unique nulls not distinct (login, area_id, technician_id)
);

-- Customers who were erased, as keyed hashes: so that no later delivery brings one back.
create table if not exists ops.erased_customers (
    customer_hash varchar primary key,
    erased_at timestamp not null default (now() at time zone 'UTC')
);

-- What stands in for an erased value of a record, so that the same record delivered again stays the
-- same. Random: it tells which record was erased, and never whose it was.
create table if not exists ops.erased_values (
    feed varchar not null,
    record_key varchar not null,
    column_name varchar not null,
    stand_in varchar not null,
    primary key (feed, record_key, column_name)
);
