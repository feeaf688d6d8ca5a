-- The technicians whom the login of the session may see: the one place that says it. It reads, as its
-- owner, what nobody else may read; and it asks the session, which no SET can change, who is asking.
create or replace function marts.visible_technicians() returns setof varchar
language sql stable security definer parallel safe
set search_path = pg_catalog, pg_temp
as $$
    select technician_id from ops.access
    where login = session_user and technician_id is not null
    union
    select technicians.technician_id
    from marts.dim_technicians as technicians
    inner join ops.access as access on access.area_id = technicians.area_id
    where access.login = session_user
$$;

comment on function marts.visible_technicians() is 'Whom your login may see, today.';
revoke all on function marts.visible_technicians() from public;
grant execute on function marts.visible_technicians() to fieldscore_people;
