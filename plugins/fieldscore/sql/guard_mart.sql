-- Row-level security of a mart that names a person, in the column {person}. Forced: it holds for the
-- table's owner too. Filled in by fieldscore.access.
alter table {table} enable row level security;
alter table {table} force row level security;
{former}

create policy publication on {table} for all to fieldscore_publish using (true) with check (true);

-- Whoever sees the whole company pays nothing for what others may not see.
create policy whole_company on {table} for select
to fieldscore_reader, fieldscore_transform, fieldscore_audit using (true);

-- An array of a query is made once; a function of the row, or a query alone, would be asked for each.
create policy {by_person} on {table} for select
to fieldscore_people using ({person} = any (array(select marts.visible_technicians())));
