-- Who may do what, schema by schema; raw's columns are in fieldscore.roles, the marts' rows in
-- fieldscore.access. Idempotent: run before every night. What is not said here nobody but the owner
-- may do.

-- PostgreSQL lets everybody make things in public and temporary tables in every database.
revoke all on schema public from public;
do $do$
begin
    execute format('revoke temporary on database %I from public', current_database());
    execute format(
        'grant temporary on database %I to'
        ' fieldscore_landing, fieldscore_transform, fieldscore_audit, fieldscore_publish',
        current_database()
    );
end
$do$;

grant usage on schema raw to fieldscore_landing, fieldscore_transform, fieldscore_audit, fieldscore_incentive;
grant usage, create on schema staging, intermediate, audit, policy to fieldscore_transform;
grant usage on schema staging, intermediate, audit, policy to fieldscore_audit;
-- An audited mart may be a view of what publication is let read in intermediate, table by table.
grant usage on schema audit, intermediate to fieldscore_publish;
grant usage on schema marts to fieldscore_transform, fieldscore_audit, fieldscore_reader, fieldscore_people;
-- Publication makes the views among the marts; the tables are the owner's.
grant usage, create on schema marts to fieldscore_publish;
-- The models make the views ops.rejects and ops.accounting.
grant usage, create on schema ops to fieldscore_transform;
grant usage on schema ops to fieldscore_landing, fieldscore_audit, fieldscore_publish, fieldscore_incentive;

-- What the models make anew every night belongs to them; others read it.
alter default privileges for role fieldscore_transform in schema staging, intermediate, policy, ops
    grant select on tables to fieldscore_audit;
alter default privileges for role fieldscore_transform in schema audit
    grant select on tables to fieldscore_audit, fieldscore_publish;
-- A mart is granted when its rows are guarded, never by its schema alone.
alter default privileges in schema marts revoke select on tables from fieldscore_reader;

-- The ledger. Whoever locks the run's row to show the lease needs the right to change something in it.
grant select, update (heartbeat_at) on ops.runs
    to fieldscore_landing, fieldscore_transform, fieldscore_audit, fieldscore_publish;
grant select, insert on ops.loads to fieldscore_landing;
grant insert on ops.malformed_rows, ops.unchanged_rows to fieldscore_landing;
grant select, insert, update on ops.cursors, ops.delivered_files, ops.erased_values to fieldscore_landing;
grant select, insert, update, delete on ops.declarations to fieldscore_landing;
grant select on ops.erased_customers, ops.staff_respondents to fieldscore_landing;

grant select on ops.loads, ops.malformed_rows, ops.unchanged_rows, ops.declarations, ops.night, ops.time_zones
    to fieldscore_transform, fieldscore_audit;
grant select, insert, delete on ops.staff_respondents to fieldscore_transform;
grant select, insert, update on ops.policy to fieldscore_transform;

grant select, insert, delete on ops.quality_results, ops.audited to fieldscore_audit;

grant select on ops.audited, ops.loads, ops.alive to fieldscore_publish;
grant update (status, published_at, last_load_id) on ops.runs to fieldscore_publish;

-- What an earlier version made as the owner goes to whom it would belong today.
do $do$
declare
    found record;
begin
    for found in
        select
            nspname as room,
            makers.maker,
            format('%s %I.%I', case relkind when 'v' then 'view' else 'table' end, nspname, relname) as thing,
            format('%I.%I', nspname, relname) as name
        from pg_class
        inner join pg_namespace as schemas on schemas.oid = relnamespace
        inner join (
            values
            ('staging', '{r,v}'::"char"[], 'fieldscore_transform'),
            ('intermediate', '{r,v}', 'fieldscore_transform'),
            ('audit', '{r,v}', 'fieldscore_transform'),
            ('policy', '{r,v}', 'fieldscore_transform'),
            ('ops', '{v}', 'fieldscore_transform'),
            ('marts', '{v}', 'fieldscore_publish')
        ) as makers (room, kinds, maker) on makers.room = nspname and relkind = any (makers.kinds)
        where relowner <> makers.maker::regrole
    loop
        execute format('alter %s owner to %I', found.thing, found.maker);
        if found.maker = 'fieldscore_transform' then
            execute format('grant select on %s to fieldscore_audit', found.name);
        end if;
        if found.room = 'audit' then
            execute format('grant select on %s to fieldscore_publish', found.name);
        end if;
    end loop;
end
$do$;
