-- One index leads to a person's rows where two did, and the moments ahead are few among the events: these
-- indexes are made again by the contracts, each where it is needed.
do $do$
declare
    obsolete text;
begin
    for obsolete in
        select format('%I.%I', schemaname, indexname)
        from pg_indexes
        where schemaname = 'marts'
            and (indexname = 'fct_kpi_events_3' or indexname ~ '_by_(accountable_)?technician_id$')
    loop
        execute 'drop index ' || obsolete;
    end loop;
end
$do$;
