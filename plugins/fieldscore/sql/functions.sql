-- Reading delivered text. Called for every delivered value: no exception blocks, which are slow and
-- which PostgreSQL forbids in parallel queries, and few regular expressions, which cost most here.

-- What only PostgreSQL 16 and later can tell without an exception block.
do $do$
begin
    if current_setting('server_version_num')::integer >= 160000 then
        -- Whether text can be cast to a type.
        create or replace function ops.input_is_valid(value text, type text) returns boolean
        language sql stable strict parallel safe
        as $$ select pg_input_is_valid(value, type) $$;

        -- Whether text of the shape of an ISO 8601 date or moment is one.
        create or replace function ops.is_moment(iso varchar) returns boolean
        language sql stable strict parallel safe
        as $$ select pg_input_is_valid(iso, 'timestamptz') $$;

        -- Whether text is a moment as PostgreSQL itself writes it. Most is, and this is soon known.
        create or replace function ops.is_plain_moment(iso varchar) returns boolean
        language sql stable parallel safe
        as $$
            select pg_input_is_valid(iso, 'timestamp')
                and iso::timestamp::varchar
                    in (replace(iso, 'T', ' '), concat(replace(iso, 'T', ' '), ':00'))
                and iso not like '%BC'
        $$;
    else
        create or replace function ops.input_is_valid(value text, type text) returns boolean
        language plpgsql stable strict parallel unsafe
        as $$
        begin
            execute format('select %L::%s', value, type::regtype);
            return true;
        exception when data_exception then
            return false;
        end
        $$;

        create or replace function ops.is_moment(iso varchar) returns boolean
        language plpgsql immutable strict parallel safe
        as $$
        declare
            parts varchar[] := string_to_array(translate(left(iso, 13), 'T :', '---'), '-');
            month integer := parts[2];
            day integer := parts[3];
        begin
            if month not between 1 and 12 or day not between 1 and 31 then
                return false;
            elsif right(iso, 1) in ('m', 'M') and parts[4]::integer > 12 then
                return false;
            end if;
            return extract(month from make_date(parts[1]::integer, month, 1) + day - 1) = month;
        end
        $$;

        create or replace function ops.is_plain_moment(iso varchar) returns boolean
        language sql immutable parallel safe
        as $$ select false $$;
    end if;
end
$do$;

-- What a delivered field says: trimmed, nothing for nothing and for their words for nothing, and our
-- word for theirs. The full-width, no-break and zero-width spaces are blanks too.
create or replace function ops.trimmed(value varchar) returns varchar
language sql immutable parallel safe
as $$ select btrim(value, E' \t\r\n\u00a0\u3000\u200b\ufeff') $$;

create or replace function ops.delivered(value varchar, null_tokens varchar[], value_map jsonb)
returns varchar
language sql immutable parallel safe
as $$
    select case
        when ops.trimmed(value) = any(null_tokens) then null
        else coalesce(value_map ->> ops.trimmed(value), nullif(ops.trimmed(value), ''))
    end
$$;

-- A pattern's match rewritten by its template. Capturing makes regexp_replace slow (100 µs for six
-- groups), so where each group is a run of digits of its own, and a last one am or pm, the text is
-- split at the rest: 6 µs for the same result.
create or replace function ops.rewritten(value varchar, pattern varchar, template varchar)
returns varchar
language plpgsql immutable strict parallel safe
as $$
declare
    half varchar := case when pattern like '%([AaPp][Mm])$' then right(value, 2) end;
    parts varchar[] := array_remove(regexp_split_to_array(value, '\D+'), '');
    digits integer := cardinality(string_to_array(pattern, '(\d')) - 1;
    groups integer := cardinality(string_to_array(pattern, '(')) - 1;
begin
    if half is not null then
        parts := parts || half;
        digits := digits + 1;
    end if;
    if digits = groups and groups = cardinality(parts) and strpos(pattern, ')(\d') = 0 then
        for i in 1 .. groups loop
            template := replace(template, '\' || i, parts[i]);
        end loop;
        return template;
    end if;
    return regexp_replace(value, pattern, template);
end
$$;

-- The text as ISO 8601: as it is if it starts like that, else by the first pattern that matches it.
-- Null when none does, and for years outside 1900-2200.
create or replace function ops.iso_text(value varchar, patterns varchar[], templates varchar[])
returns varchar
language plpgsql immutable strict parallel safe
as $$
declare
    iso varchar;
begin
    if value like '____-__-__%' then
        iso := value;
    else
        for i in 1 .. cardinality(patterns) loop
            if value ~ patterns[i] then
                iso := ops.rewritten(value, patterns[i], templates[i]);
                exit;
            end if;
        end loop;
    end if;
    return case when iso collate "C" >= '1900' and iso collate "C" < '2201' then iso end;
end
$$;

-- A moment in UTC. Text without an offset is local time in zone; a local time that a clock change
-- skips is read as PostgreSQL does, an hour on. Null for what is no moment.
create or replace function ops.to_utc(
    value varchar, zone varchar, patterns varchar[], templates varchar[]
)
returns timestamp
language plpgsql immutable strict parallel safe
as $$
declare
    iso varchar;
begin
    -- The two shapes most feeds write, told apart without a regular expression.
    if value like any (array['____-__-__T__:__:__+__:__', '____-__-__T__:__:__Z']) then
        return case
            when value collate "C" >= '1900' and value collate "C" < '2201' and ops.is_moment(value)
            then value::timestamptz at time zone 'UTC'
        end;
    end if;
    iso := ops.iso_text(value, patterns, templates);
    if iso is null then
        return null;
    elsif not ops.is_plain_moment(iso) then
        if iso !~ '^\d{4}-\d\d?-\d\d?([T ]([01]?\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,9})?)?( ?([AaPp][Mm]|Z|[+-](0\d|1[0-5])(:?[0-5]\d)?))?)?$'
            or not ops.is_moment(iso)
        then
            return null;
        elsif iso ~ ':.*[Z+-]' then
            return iso::timestamptz at time zone 'UTC';
        end if;
    end if;
    return iso::timestamp at time zone zone at time zone 'UTC';
end
$$;

-- A day. A timestamp will do when it is a midnight as written; null for what is no day.
create or replace function ops.to_date(value varchar, patterns varchar[], templates varchar[])
returns date
language plpgsql immutable strict parallel safe
as $$
declare
    iso varchar := ops.iso_text(value, patterns, templates);
begin
    if iso ~ '^\d{4}-\d\d?-\d\d?([T ]0?0:00(:00(\.0{1,9})?)?( ?(Z|[+-](0\d|1[0-5])(:?[0-5]\d)?))?)?$'
        and ops.is_moment(iso)
    then
        return substring(iso from '^[\d-]+')::date;
    end if;
    return null;
end
$$;

-- Plain decimal text, at most 12 digits before the point and 6 after it; nothing is rounded.
create or replace function ops.to_decimal(value varchar) returns numeric
language plpgsql immutable strict parallel safe
as $$ begin return case when value ~ '^-?\d{1,12}(\.\d{1,6})?$' then value::numeric end; end $$;

-- Plain digits, at most 18.
create or replace function ops.to_integer(value varchar) returns bigint
language plpgsql immutable strict parallel safe
as $$ begin return case when value ~ '^-?\d{1,18}$' then value::bigint end; end $$;

create or replace function ops.to_boolean(value varchar) returns boolean
language plpgsql immutable strict parallel safe
as $$
begin
    return case
        when lower(value) in ('true', 't', 'yes', 'y', '1') then true
        when lower(value) in ('false', 'f', 'no', 'n', '0') then false
    end;
end
$$;

-- The IANA zones this server knows, spelt as they are; abbreviations such as EST have no clock changes.
create table if not exists ops.time_zones (name varchar primary key);
insert into ops.time_zones
select name from pg_timezone_names where name ~ '^[A-Z][A-Za-z_]+/' or name = 'UTC'
on conflict do nothing;

create or replace function ops.to_zone(value varchar) returns varchar
language sql stable strict parallel safe
as $$ select name from ops.time_zones where name = value $$;
