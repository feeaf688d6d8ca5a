-- The twelve weighted KPIs of every technician and month, as one would write them without a
-- pipeline: one DuckDB script over parquet files of the delivered feeds, all text, rows in order of
-- delivery.
--
-- Reads <feed>.parquet and the policy's CSV files from the search path, and the variable as_of, a
-- UTC timestamp. Leaves the table kpis: technician_id, period_month, kpi_code, n, raw_value.
--
-- What it leaves out:
-- * policy that changes: limits stand here as numbers, every row of a policy file holds for all
--   days;
-- * corrections of other columns than those the sample company's people ask for;
-- * whatever cannot be typed: one bad value stops it (the pipeline rejects the row);
-- * an order that is reopened late more than once, and costs that a late reopening adds;
-- * chains of follow-up orders, and optional feeds that are not delivered;
-- * benchmarks as a record: they are computed from what is known today;
-- * clock changes inside working hours;
-- * a KPI without a record: full marks for complaint handling, weights that go elsewhere;
-- * points, scores, intervals, ranks, explanation lines, reasons, the sixteen KPIs without weight.

create or replace macro utc(moment) as cast(moment as timestamptz) at time zone 'UTC';
create or replace macro local_time(moment, zone) as (moment at time zone 'UTC') at time zone zone;
create or replace macro local_day(moment, zone) as cast(local_time(moment, zone) as date);
create or replace macro month_of(moment) as cast(date_trunc('month', moment) as date);
create or replace macro minutes(earlier, later) as (epoch_us(later) - epoch_us(earlier)) / 60e6;
-- DuckDB adds up numbers, not intervals.
create or replace macro length_of(earlier, later) as epoch_us(later) - epoch_us(earlier);
create or replace macro lasting(microseconds) as
    to_microseconds(cast(coalesce(microseconds, 0) as bigint));

-- The stretches of a table (order_id, started_at, ended_at), overlapping ones made one.
create or replace macro merged(stretches) as table (
    with marked as (
        select
            order_id, started_at, ended_at,
            coalesce(started_at > max(ended_at) over (
                partition by order_id order by started_at, ended_at
                rows between unbounded preceding and 1 preceding
            ), true) as opens
        from query_table(stretches)
    ),
    numbered as (
        select
            *,
            count(*) filter (where opens) over (
                partition by order_id order by started_at, ended_at
                rows between unbounded preceding and current row
            ) as stretch_no
        from marked
    )
    select order_id, stretch_no, min(started_at) as started_at, max(ended_at) as ended_at
    from numbered
    group by order_id, stretch_no
);

-- Newest versions ---------------------------------------------------------------------------------

-- What was upheld, of each record: a map from its columns to their last new values.
create or replace temp table corrections as
with upheld as (
    select target_feed, target_key, field, arg_max(new_value, utc(decided_at)) as new_value
    from (
        select * from read_parquet('corrections.parquet', file_row_number = true)
        qualify row_number() over (
            partition by correction_id order by utc(decided_at) desc, file_row_number desc
        ) = 1
    )
    where decision = 'upheld' and utc(decided_at) <= getvariable('as_of')
    group by all
)
select target_feed, target_key, map(list(field), list(new_value)) as fixes
from upheld
group by target_feed, target_key;

-- A correction holds for every version that says anything of its column, and for some silent ones.
create or replace macro corrected(fixes, field, said, silent_too) as
    case when said is not null or silent_too then coalesce(fixes[field], said) end;

create or replace temp table versions as
with numbered as (
    select
        orders.* exclude (version),
        corrections.fixes,
        row_number() over changes as version_no,
        count(*) over (partition by order_id) as last_version_no
    from read_parquet('work_orders.parquet', file_row_number = true) as orders
    left join corrections on target_feed = 'work_orders' and target_key = order_id
    window changes as (
        partition by order_id order by cast(version as integer), utc(updated_at), file_row_number
    )
)
select
    order_id, version_no,
    status, area_id, customer_id, appliance_serial, appliance_category, service_type,
    slot_requested_by, cancel_cause, follow_up_of,
    corrected(fixes, 'fault_code', fault_code, version_no in (1, last_version_no)) as fault_code,
    corrected(fixes, 'resolution', resolution, version_no = last_version_no) as resolution,
    corrected(fixes, 'technician_id', technician_id, version_no = last_version_no) as technician_id,
    utc(reported_at) as reported_at,
    utc(assigned_at) as assigned_at,
    utc(accepted_at) as accepted_at,
    utc(slot_end) as slot_end,
    utc(arrived_at) as arrived_at,
    utc(corrected(fixes, 'completed_at', completed_at, version_no = last_version_no))
        as completed_at,
    utc(cancelled_at) as cancelled_at,
    utc(updated_at) as updated_at
from numbered;

create or replace temp table survey_versions as
select
    survey_id, order_id, respondent_id,
    coalesce(fixes['reason'], reason) as reason,
    cast(rating as integer) as rating,
    utc(sent_at) as sent_at,
    utc(answered_at) as answered_at,
    row_number() over (
        partition by survey_id order by utc(updated_at), file_row_number
    ) as version_no
from read_parquet('surveys.parquet', file_row_number = true)
left join corrections on target_feed = 'surveys' and target_key = survey_id;

create or replace temp table visit_rows as
select
    visit_id, order_id, technician_id, role, outcome,
    coalesce(cast(diagnosis_recorded as boolean), false) as diagnosis_recorded,
    utc(departed_at) as departed_at,
    utc(arrived_at) as arrived_at,
    utc(left_at) as left_at,
    utc(coalesce(arrived_at, slot_start, updated_at)) as visited_at
from read_parquet('visits.parquet', file_row_number = true)
qualify row_number() over (
    partition by visit_id order by utc(updated_at) desc, file_row_number desc
) = 1;

create or replace temp table complaints as
select
    complaint_id, order_id, category, evidence_ref,
    cast(valid as boolean) as valid,
    cast(final_rating as integer) as final_rating,
    utc(received_at) as received_at,
    utc(responded_at) as responded_at,
    utc(resolved_at) as resolved_at
from read_parquet('complaints.parquet', file_row_number = true)
qualify row_number() over (
    partition by complaint_id order by utc(updated_at) desc, file_row_number desc
) = 1;

create or replace temp table claims as
select
    expense_id, technician_id, status, order_id, trip_id,
    cast(coalesce(fixes['amount'], amount) as decimal(18, 6)) as amount,
    cast(incurred_on as date) as incurred_on,
    utc(updated_at) as updated_at
from read_parquet('expenses.parquet', file_row_number = true)
left join corrections on target_feed = 'expenses' and target_key = expense_id
where kind = 'travel'
qualify row_number() over (
    partition by expense_id order by utc(updated_at) desc, file_row_number desc
) = 1;

create or replace temp table parts as
select
    order_id,
    cast(quantity_used as decimal(18, 6)) * cast(unit_cost as decimal(18, 6)) as cost
from read_parquet('parts.parquet', file_row_number = true)
qualify row_number() over (
    partition by part_line_id order by utc(updated_at) desc, file_row_number desc
) = 1;

create or replace temp table pauses as
select
    order_id, owner, evidence_ref,
    utc(started_at) as started_at,
    utc(ended_at) as ended_at,
    utc(entered_at) as entered_at
from read_parquet('pauses.parquet', file_row_number = true)
qualify row_number() over (partition by pause_id order by file_row_number desc) = 1;

create or replace temp table inspections as
select
    order_id,
    utc(inspected_at) as inspected_at,
    cast(points_possible as decimal(18, 6)) as possible,
    cast(points_earned as decimal(18, 6)) as earned
from read_parquet('inspections.parquet', file_row_number = true)
qualify row_number() over (partition by inspection_id order by file_row_number desc) = 1;

create or replace temp table roster as
select
    technician_id,
    cast(work_date as date) as day,
    cast(available_minutes as double) as available_minutes
from read_parquet('roster.parquet', file_row_number = true)
qualify row_number() over (
    partition by technician_id, work_date order by file_row_number desc
) = 1;

create or replace temp table areas as
select area_id, time_zone, calendar_id
from read_parquet('areas.parquet', file_row_number = true)
qualify row_number() over (partition by area_id order by file_row_number desc) = 1;

create or replace temp table technician_versions as
select
    technicians.technician_id,
    technicians.grade,
    cast(technicians.hired_on as date) as hired_on,
    cast(technicians.left_on as date) as left_on,
    areas.time_zone,
    local_day(utc(technicians.updated_at), areas.time_zone) as changed_on,
    row_number() over (
        partition by technicians.technician_id
        order by utc(technicians.updated_at), technicians.file_row_number
    ) as version_no
from read_parquet('technicians.parquet', file_row_number = true) as technicians
inner join areas using (area_id);

-- Orders ------------------------------------------------------------------------------------------

create or replace temp table completions as
with first_shown as (
    select
        order_id,
        min(version_no) as version_no,
        arg_min(updated_at, version_no) as shown_at,
        arg_min(completed_at, version_no) as shown_completed_at,
        arg_min_null(technician_id, version_no) as technician_id
    from versions
    where status = 'completed' and completed_at <= getvariable('as_of')
    group by order_id
),
later as (
    select
        versions.*,
        first_shown.technician_id as first_completed_by,
        versions.status = 'completed' and (
            versions.completed_at <= first_shown.shown_at
            or versions.completed_at = first_shown.shown_completed_at
        ) as corrects,
        versions.status <> 'completed' or (
            versions.completed_at > first_shown.shown_at
            and versions.completed_at <> first_shown.shown_completed_at
        ) as reopens
    from versions
    inner join first_shown
        on first_shown.order_id = versions.order_id
        and first_shown.version_no <= versions.version_no
)
select
    order_id,
    arg_max(completed_at, version_no) filter (where corrects) as first_completed_at,
    arg_max_null(resolution, version_no) filter (where corrects) as first_resolution,
    any_value(first_completed_by) as first_completed_by,
    min(updated_at) filter (where reopens) as reopened_at
from later
group by order_id
having bool_or(corrects);

create or replace temp table visits as
with judged as (
    select
        visit_rows.*,
        completions.first_completed_at,
        completions.reopened_at,
        coalesce(visited_at <= first_completed_at, false) as is_before_completion,
        coalesce(role = 'lead' and outcome <> 'no_access', false) as is_effective,
        coalesce(outcome <> 'no_access', role = 'assistant') as is_credited
    from visit_rows
    left join completions using (order_id)
)
select
    judged.*,
    case when is_effective then row_number() over (
        partition by order_id, is_effective order by visited_at, visit_id
    ) end as visit_no
from judged;

create or replace temp table leads as
select
    order_id,
    min(departed_at) as departed_at,
    min(arrived_at) as arrived_at,
    coalesce(
        arg_max(technician_id, visit_no) filter (where outcome = 'fixed' and is_before_completion),
        arg_max(technician_id, visit_no) filter (where is_before_completion),
        arg_max(technician_id, visit_no) filter (where reopened_at is null)
    ) as technician_id
from visits
group by order_id;

create or replace temp table orders as
with newest as (
    select * from versions
    qualify row_number() over (partition by order_id order by version_no desc) = 1
),
customer_slots as (
    select order_id, arg_min(slot_end, version_no) as slot_end
    from versions
    where slot_requested_by = 'customer'
    group by order_id
),
joined as (
    select
        newest.* exclude (
            area_id, arrived_at, cancelled_at, service_type, fault_code, appliance_category,
            slot_end
        ),
        areas.area_id,
        areas.time_zone,
        areas.calendar_id,
        local_day(newest.reported_at, areas.time_zone) as reported_on,
        coalesce(newest.appliance_category, dispatched.appliance_category) as appliance_category,
        dispatched.service_type,
        dispatched.appliance_category as dispatched_category,
        coalesce(
            families.fault_family, nullif(split_part(dispatched.fault_code, '-', 1), '')
        ) as fault_family,
        least(newest.arrived_at, leads.arrived_at) as arrived_at,
        case when newest.status = 'cancelled' then newest.cancelled_at end as cancelled_at,
        coalesce(
            newest.status = 'cancelled' and newest.cancel_cause in ('duplicate', 'test'), false
        ) as is_no_order,
        least(newest.arrived_at, leads.departed_at, leads.arrived_at) < newest.cancelled_at
            as departed_before_cancellation,
        customer_slots.slot_end as customer_slot_end,
        completions.first_completed_at,
        completions.reopened_at,
        case when newest.status = 'completed' and newest.completed_at <= getvariable('as_of')
            then newest.completed_at end as final_completed_at,
        case when completions.order_id is null then newest.resolution
            else completions.first_resolution end as first_resolution,
        newest.status = 'completed' and newest.completed_at is null
            and completions.first_completed_at is null as is_completion_unknown,
        coalesce(leads.technician_id, completions.first_completed_by, newest.technician_id)
            as accountable_id,
        leads.order_id is not null as has_visits
    from newest
    inner join versions as dispatched
        on dispatched.order_id = newest.order_id and dispatched.version_no = 1
    inner join areas on areas.area_id = newest.area_id
    left join completions on completions.order_id = newest.order_id
    left join leads on leads.order_id = newest.order_id
    left join customer_slots on customer_slots.order_id = newest.order_id
    left join 'fault_families.csv' as families on families.fault_code = dispatched.fault_code
),
cased as (
    -- The case as it is now, and as it stood at first completion.
    select
        joined.*,
        concat_ws('|', coalesce(service_type, '?'), coalesce(dispatched_category, '?'),
            coalesce(fault_family, '?')) as stratum,
        case
            when is_no_order then 'no order'
            when cancel_cause is null then 'cancelled for no cause'
            when departed_before_cancellation then 'cancelled after departure'
            else 'cancelled before departure'
        end || case when cancel_cause = 'technician' then ' by technician' else '' end
            as cancelled_case
    from joined
)
select
    cased.*,
    case
        when status = 'cancelled' then cancelled_case
        when service_type <> 'repair' then 'no repair'
        when resolution in ('irreparable', 'quote_refused') then 'not repaired'
        when resolution in ('no_fault_found', 'user_education') then 'nothing to fix'
        when resolution = 'remote_fix' then 'remote fix'
        when first_completed_at is not null and resolution is null then 'unknown'
        else 'ordinary'
    end as case_now,
    case
        when is_no_order or (status = 'cancelled' and first_completed_at is null)
            then cancelled_case
        when service_type <> 'repair' then 'no repair'
        when first_resolution in ('irreparable', 'quote_refused') then 'not repaired'
        when first_resolution in ('no_fault_found', 'user_education') then 'nothing to fix'
        when first_resolution = 'remote_fix' then 'remote fix'
        when first_completed_at is not null and first_resolution is null then 'unknown'
        else 'ordinary'
    end as case_then
from cased;

-- Clocks ------------------------------------------------------------------------------------------

create or replace temp table excuses as
from (
    select
        order_id,
        reported_at as started_at,
        case
            when assigned_at <= getvariable('as_of') then assigned_at
            else least(getvariable('as_of'), cancelled_at, reported_at + interval 14 day)
        end as ended_at
    from orders
    where assigned_at is not null or (technician_id is null and first_completed_at is null)

    union all

    select
        pauses.order_id,
        greatest(pauses.started_at, orders.reported_at) as started_at,
        case
            when pauses.ended_at <= getvariable('as_of') then pauses.ended_at
            else least(getvariable('as_of'), pauses.started_at + interval 14 day)
        end as stretch_ended_at
    from pauses
    inner join orders using (order_id)
    where
        pauses.owner in (select owner from 'excused_pause_owners.csv')
        and not (
            coalesce(pauses.entered_at > orders.first_completed_at, false)
            and pauses.evidence_ref is null
        )
)
where ended_at > started_at;

create or replace temp table excused_stretches as
select
    *,
    lasting(sum(length_of(started_at, ended_at)) over (
        partition by order_id order by stretch_no rows between unbounded preceding and 1 preceding
    )) as paused_before
from merged(excuses);

create or replace temp table clocks as
with timed as (
    select
        orders.order_id,
        greatest(
            any_value(orders.reported_at) + interval 24 hour + lasting(
                sum(length_of(pauses.started_at, pauses.ended_at)) filter (
                    where pauses.started_at
                        < orders.reported_at + interval 24 hour + pauses.paused_before
                )
            ),
            any_value(orders.customer_slot_end)
        ) as due_at,
        greatest(
            any_value(orders.reported_at) + interval 7 day + lasting(
                sum(length_of(pauses.started_at, pauses.ended_at)) filter (
                    where pauses.started_at
                        < orders.reported_at + interval 7 day + pauses.paused_before
                )
            ),
            any_value(orders.customer_slot_end)
        ) as aged_at,
        any_value(orders.first_completed_at) as first_completed_at,
        any_value(coalesce(orders.accepted_at, orders.arrived_at)) as answered_at
    from orders
    left join excused_stretches as pauses using (order_id)
    group by orders.order_id
)
select
    timed.order_id,
    any_value(due_at) as due_at,
    any_value(aged_at) as aged_at,
    -- Who held it: the last version of then, or the first one.
    coalesce(
        arg_max_null(versions.technician_id, version_no) filter (
            where updated_at <= least(due_at, timed.first_completed_at)
        ),
        case when min(updated_at) > any_value(least(due_at, timed.first_completed_at))
            then arg_min_null(versions.technician_id, version_no) end
    ) as due_holder,
    coalesce(
        arg_max_null(versions.technician_id, version_no) filter (where updated_at <= aged_at),
        case when min(updated_at) > any_value(aged_at)
            then arg_min_null(versions.technician_id, version_no) end
    ) as aged_holder,
    coalesce(
        arg_max_null(versions.technician_id, version_no) filter (
            where updated_at <= coalesce(answered_at, updated_at)
        ),
        case when min(updated_at) > any_value(answered_at)
            then arg_min_null(versions.technician_id, version_no) end
    ) as accepter
from timed
inner join versions using (order_id)
group by timed.order_id;

-- What became of an order: its end, who shares in it, what came after it --------------------------

create or replace temp table endings as
select
    orders.*,
    case when is_late then first_completed_at else final_completed_at end as ended_completed_at,
    coalesce(
        case when is_late then first_completed_at else final_completed_at end, cancelled_at
    ) as ended_at,
    case when is_late then case_then else case_now end as ending_case
from (
    select
        *, coalesce(reopened_at > first_completed_at + interval 7 day, false) as is_late
    from orders
) as orders
where coalesce(case when is_late then first_completed_at else final_completed_at end, cancelled_at)
    is not null;

create or replace temp table credit as
with on_site as (
    select
        endings.order_id,
        visits.technician_id,
        any_value(endings.accountable_id) as accountable_id,
        sum(minutes(visits.arrived_at, visits.left_at)) as minutes
    from endings
    inner join visits using (order_id)
    where is_credited and left_at > visits.arrived_at and visits.arrived_at <= ended_at
    group by endings.order_id, visits.technician_id
),
shared as (
    select
        *,
        round(minutes / sum(minutes) over (partition by order_id), 6) as share,
        -- The rest of the rounding goes to the accountable one, or to who was there longest.
        row_number() over (
            partition by order_id
            order by technician_id = accountable_id desc, minutes desc, technician_id
        ) as place
    from on_site
)
select
    order_id,
    technician_id,
    case when place = 1 then 1 - coalesce(sum(share) filter (where place > 1) over (
        partition by order_id
    ), 0) else share end as share
from shared

union all

select order_id, accountable_id as technician_id, 1 as share
from endings
anti join on_site using (order_id);

create or replace temp table follow_ups as
with last_visits as (
    select order_id, arg_max(outcome, visit_no) as outcome
    from visits
    where is_before_completion or first_completed_at is null
    group by order_id
)
select orders.order_id, orders.follow_up_of
from orders
inner join last_visits on last_visits.order_id = orders.follow_up_of
where last_visits.outcome = 'parts_needed' and orders.status <> 'cancelled';

create or replace temp table repeats as
with earlier as (
    select order_id, appliance_serial, customer_id, appliance_category, fault_family,
        unnest(list_distinct([first_completed_at, final_completed_at])) as completed_at
    from orders
    where not is_no_order
),
later as (
    select * from orders
    anti join follow_ups using (order_id)
    where service_type = 'repair' and status <> 'cancelled'
),
matched as (
    select
        later.order_id, later.reported_at, later.fault_family as family,
        earlier.order_id as repeated_order_id, earlier.completed_at,
        earlier.fault_family as earlier_family
    from later
    inner join earlier using (appliance_serial)

    union all

    select
        later.order_id, later.reported_at, later.fault_family as family,
        earlier.order_id as repeated_order_id, earlier.completed_at,
        earlier.fault_family as earlier_family
    from later
    inner join earlier using (customer_id, appliance_category)
    where later.appliance_serial is null or earlier.appliance_serial is null
)
select matched.*, reported_at <= completed_at + interval 7 day as is_within_7_days
from matched
where
    order_id <> repeated_order_id
    and reported_at > completed_at
    and reported_at <= completed_at + interval 30 day
    and coalesce(family = earlier_family, true)
qualify row_number() over (
    partition by order_id order by completed_at desc, repeated_order_id
) = 1;

create or replace temp table standards as
select
    endings.order_id,
    case when ending_case in ('nothing to fix', 'not repaired')
        then cast(diagnosis_points as double) else cast(points as double) end as points,
    case when ending_case in ('nothing to fix', 'not repaired')
        then cast(diagnosis_minutes as double) else cast(standards.minutes as double) end as minutes
from endings
inner join 'standard_work.csv' as standards
    on standards.service_type = endings.service_type
    and coalesce(standards.appliance_category, dispatched_category, '?')
        = coalesce(dispatched_category, '?')
    and coalesce(standards.fault_family, endings.fault_family, '?')
        = coalesce(endings.fault_family, '?')
qualify row_number() over (
    partition by endings.order_id
    order by standards.fault_family nulls last, standards.appliance_category nulls last
) = 1;

-- The records of each KPI: who, when, how much of how much ----------------------------------------

create or replace temp table records (
    kpi_code varchar, technician_id varchar, business_date date, matures_at timestamp,
    numerator double, denominator double, stratum varchar, order_id varchar, quantity double
);

-- Satisfaction: of an order's valid answers the last one.
insert into records by name
with anchored as (
    select
        orders.order_id, orders.time_zone, orders.case_then, orders.accountable_id,
        coalesce(first_completed_at, cancelled_at, due_at) as anchored_at
    from orders
    inner join clocks using (order_id)
),
sendings as (
    select order_id, min(sent_at) as first_sent_at from survey_versions group by order_id
),
windows as (
    select
        anchored.*,
        local_day(anchored_at, time_zone) as business_date,
        least(
            sendings.first_sent_at + interval 7 day,
            (date_trunc('month', local_time(anchored_at, time_zone)) + interval 1 month
                + interval 8 day) at time zone time_zone at time zone 'UTC'
        ) as closes_at
    from anchored
    inner join sendings using (order_id)
),
corrected as (
    -- A version with the same answered_at corrects that answer.
    select * from survey_versions
    qualify row_number() over (
        partition by survey_id, answered_at order by version_no desc
    ) = 1
),
valid as (
    select corrected.*, windows.* exclude (order_id)
    from corrected
    inner join windows using (order_id)
    where
        rating is not null
        and answered_at >= sent_at + interval 3 second
        and answered_at <= closes_at
        and coalesce(respondent_id, '') not in (select respondent_id from 'staff_respondents.csv')
    qualify row_number() over (
        partition by order_id order by answered_at desc, version_no desc, survey_id desc
    ) = 1
)
select
    'csat_top2' as kpi_code,
    accountable_id as technician_id,
    business_date,
    answered_at as matures_at,
    cast(rating >= 4 as integer) as numerator,
    1 as denominator
from valid
where
    not starts_with(case_then, 'cancelled') and case_then <> 'no order'
    and coalesce(reason, '') not in ('price', 'product', 'dispatch');

-- First-time fix: on one visit, or on an excused second one, and neither reopened nor repeated.
insert into records by name
with own as (
    select
        order_id,
        nullif(count(*) filter (where is_before_completion or first_completed_at is null), 0)
            as visit_count,
        any_value(technician_id) filter (where visit_no = 1 and is_before_completion)
            as first_technician_id,
        coalesce(bool_or(outcome = 'parts_needed' and diagnosis_recorded) filter (
            where visit_no = 1 and is_before_completion
        ), false) as needed_part
    from visits
    where is_effective
    group by order_id
),
further as (
    select follow_up_of as order_id, sum(coalesce(visit_count, 1)) as visit_count
    from follow_ups
    left join own using (order_id)
    group by follow_up_of
),
wants as (
    select pauses.order_id
    from pauses
    inner join orders using (order_id)
    where
        owner = 'parts'
        and coalesce(ended_at, getvariable('as_of')) > started_at
        and not (coalesce(entered_at > first_completed_at, false) and evidence_ref is null)
    union
    select order_id from parts
),
wanted as (
    select order_id from wants
    union
    select follow_up_of from follow_ups inner join wants using (order_id)
),
came_back as (
    select repeated_order_id as order_id, min(reported_at) as reported_at
    from repeats
    group by repeated_order_id
),
judged as (
    select
        orders.*,
        coalesce(own.visit_count, 1) + coalesce(further.visit_count, 0) as visit_count,
        own.first_technician_id,
        coalesce(own.needed_part, false) and wanted.order_id is not null as wants_part,
        coalesce(
            least(reopened_at, came_back.reported_at) <= first_completed_at + interval 7 day, false
        ) as came_back
    from orders
    left join own using (order_id)
    left join further using (order_id)
    left join wanted using (order_id)
    left join came_back using (order_id)
    where
        first_completed_at is not null
        and service_type = 'repair'
        and (appliance_serial is not null
            or (customer_id is not null and appliance_category is not null))
)
select
    'first_time_fix' as kpi_code,
    case
        when visit_count > 1 and not (visit_count = 2 and wants_part)
            then coalesce(first_technician_id, accountable_id)
        else accountable_id
    end as technician_id,
    local_day(first_completed_at, time_zone) as business_date,
    first_completed_at + interval 7 day as matures_at,
    cast(
        not came_back and (visit_count = 1 or (visit_count = 2 and wants_part)) as integer
    ) as numerator,
    1 as denominator
from judged
anti join follow_ups using (order_id)
where case_then in ('ordinary', 'remote fix') or (case_then = 'nothing to fix' and came_back);

-- Inspection: points earned of those possible.
insert into records by name
select
    'inspection' as kpi_code,
    accountable_id as technician_id,
    local_day(ended_completed_at, time_zone) as business_date,
    greatest(ended_completed_at, inspected_at) as matures_at,
    earned as numerator,
    possible as denominator
from inspections
inner join endings using (order_id)
where
    ended_completed_at is not null
    and possible > 0
    and earned <= possible
    and not starts_with(ending_case, 'cancelled')
    and ending_case <> 'no order';

-- Complaints: the rate of orders complained of, and how complaints were handled.
create or replace temp table counted_complaints as
select
    complaints.*,
    orders.accountable_id,
    orders.time_zone,
    coalesce(first_completed_at, cancelled_at, due_at) as anchored_at,
    category is null or valid is null as is_undecided,
    received_at + interval 72 hour as handled_by,
    coalesce(responded_at <= received_at + interval 24 hour, false) as is_answered,
    coalesce(resolved_at <= received_at + interval 72 hour, false) as is_resolved,
    coalesce(final_rating >= 4, false) as is_satisfied
from complaints
inner join orders using (order_id)
inner join clocks using (order_id)
where
    received_at <= coalesce(first_completed_at, cancelled_at, due_at) + interval 7 day
    and evidence_ref is not null
    and coalesce(category, 'technician') = 'technician'
    and coalesce(valid, true)
    and case_then <> 'no order';

insert into records by name
select
    'complaint_handling' as kpi_code,
    accountable_id as technician_id,
    local_day(anchored_at, time_zone) as business_date,
    handled_by as matures_at,
    100.0 * (40 * is_answered::integer + 40 * is_resolved::integer + 20 * is_satisfied::integer)
    / (80 + 20 * (final_rating is not null)::integer) as numerator,
    1 as denominator
from counted_complaints
where not is_undecided;

insert into records by name
with complained as (
    select
        order_id,
        bool_or(is_undecided) as is_undecided,
        max(handled_by) filter (where not is_undecided) as handled_by,
        max(case when is_resolved and is_satisfied then 0.5 when is_resolved then 0.75 else 1 end)
            filter (where not is_undecided) as weight
    from counted_complaints
    group by order_id
)
select
    'complaint_rate' as kpi_code,
    accountable_id as technician_id,
    local_day(coalesce(first_completed_at, cancelled_at, due_at), time_zone) as business_date,
    case when not coalesce(is_undecided, false) then greatest(
        coalesce(first_completed_at, cancelled_at, due_at) + interval 7 day, handled_by
    ) end as matures_at,
    coalesce(weight, 0) as numerator,
    1 as denominator
from orders
inner join clocks using (order_id)
left join complained using (order_id)
where (first_completed_at is not null or complained.order_id is not null)
    and case_then <> 'no order';

-- On time, and completed within seven days.
insert into records by name
select
    'on_time_24h' as kpi_code,
    due_holder as technician_id,
    local_day(due_at, time_zone) as business_date,
    least(due_at, first_completed_at) as matures_at,
    cast(
        coalesce(first_completed_at <= due_at, false)
        and not (
            case_now = 'no repair'
            and coalesce(reopened_at <= first_completed_at + interval 7 day, false)
        ) as integer
    ) as numerator,
    1 as denominator
from orders
inner join clocks using (order_id)
where
    not is_completion_unknown
    and coalesce(first_completed_at >= reported_at, true)
    and not (
        (starts_with(case_now, 'cancelled') or case_now = 'no order')
        and case_now <> 'cancelled after departure by technician'
        and (is_no_order or coalesce(cancelled_at <= due_at, true))
    );

insert into records by name
select
    'completion' as kpi_code,
    aged_holder as technician_id,
    local_day(aged_at, time_zone) as business_date,
    aged_at as matures_at,
    cast(coalesce(first_completed_at <= aged_at, false) as integer) as numerator,
    1 as denominator
from orders
inner join clocks using (order_id)
where
    not is_completion_unknown
    and not (
        (starts_with(case_now, 'cancelled') or case_now = 'no order')
        and not case_now like '%by technician'
        and (is_no_order or coalesce(cancelled_at <= aged_at, true))
    );

-- Workload: standard points of the jobs, per available day's part of a month's standard.
insert into records by name
with charged as (
    select repeats.*, orders.accountable_id as charged_id
    from repeats
    inner join orders on orders.order_id = repeats.repeated_order_id
    where is_within_7_days
),
repeated as (
    select distinct endings.order_id
    from endings
    inner join charged
        on charged.repeated_order_id = endings.order_id and charged.completed_at <= endings.ended_at
    where endings.service_type = 'repair'
)
select
    'workload_points' as kpi_code,
    credit.technician_id,
    local_day(ended_at, time_zone) as business_date,
    ended_at as matures_at,
    case
        when
            (
                endings.service_type = 'repair'
                and coalesce(reopened_at <= first_completed_at + interval 7 day, false)
            )
            or repeated.order_id is not null
            or coalesce(charged.charged_id = credit.technician_id, false)
            then 0
        when ending_case = 'cancelled after departure' then 0.3 * share
        else share * points
    end as numerator,
    0 as denominator,
    endings.order_id
from endings
inner join credit using (order_id)
left join standards using (order_id)
left join repeated using (order_id)
left join charged on charged.order_id = endings.order_id
where
    ending_case not in (
        'no order', 'cancelled for no cause', 'cancelled before departure',
        'cancelled before departure by technician', 'cancelled after departure by technician'
    )
    and (points is not null or ending_case = 'cancelled after departure');

create or replace temp table workdays as
with stretches as (
    select
        *,
        case when version_no > 1 then changed_on else date '0001-01-01' end as valid_from,
        coalesce(
            lead(changed_on) over (partition by technician_id order by version_no),
            date '9999-12-31'
        ) as valid_to,
        last_value(hired_on) over everything as newest_hired_on,
        last_value(left_on) over everything as newest_left_on
    from technician_versions
    window everything as (
        partition by technician_id order by version_no
        rows between unbounded preceding and unbounded following
    )
)
select
    roster.technician_id,
    roster.day,
    round(round(available_minutes / 480, 6) * cast(coalesce(own.points, other.points) as double)
        / 21.75, 6) as standard
from roster
inner join stretches
    on stretches.technician_id = roster.technician_id
    and roster.day >= valid_from and roster.day < valid_to
left join 'workload_standards.csv' as own on own.grade = stretches.grade
inner join 'workload_standards.csv' as other on other.grade is null
where
    available_minutes > 0
    and roster.day < local_day(getvariable('as_of'), time_zone)
    and roster.day >= coalesce(newest_hired_on, roster.day)
    and roster.day <= coalesce(newest_left_on, roster.day);

-- Duration: net minutes on site against the standard minutes.
create or replace temp table stays as
select endings.order_id, visits.arrived_at as started_at, visits.left_at as ended_at
from endings
inner join visits using (order_id)
where is_credited and left_at > visits.arrived_at and visits.arrived_at <= ended_completed_at

union all

select order_id, arrived_at as started_at, ended_completed_at as stay_ended_at
from endings
where not has_visits and arrived_at < ended_completed_at
    and coalesce(resolution, '') <> 'remote_fix';

create or replace temp table on_site as
with stretches as (from merged(stays)),
paused as (
    select
        stays.order_id,
        sum(minutes(
            greatest(pauses.started_at, stays.started_at), least(pauses.ended_at, stays.ended_at)
        )) as minutes
    from stretches as stays
    inner join excused_stretches as pauses
        on pauses.order_id = stays.order_id
        and pauses.started_at < stays.ended_at
        and pauses.ended_at > stays.started_at
    group by stays.order_id
)
select stretches.order_id,
    sum(minutes(started_at, ended_at)) - coalesce(any_value(paused.minutes), 0) as minutes
from stretches
left join paused using (order_id)
group by stretches.order_id;

insert into records by name
select
    'duration_index' as kpi_code,
    credit.technician_id,
    local_day(ended_at, time_zone) as business_date,
    ended_at as matures_at,
    share as numerator,
    share * standards.minutes as denominator,
    stratum,
    endings.order_id,
    on_site.minutes as quantity
from endings
inner join credit using (order_id)
inner join standards using (order_id)
inner join on_site using (order_id)
where
    on_site.minutes > 0
    and not starts_with(ending_case, 'cancelled')
    and ending_case not in ('no order', 'remote fix');

-- Response: working minutes of the area's calendar from report to acceptance, pauses taken out.
insert into records by name
with spans as (
    select
        order_id, calendar_id, time_zone, 1 as sign,
        reported_at as started_at, coalesce(accepted_at, arrived_at) as ended_at
    from orders
    where coalesce(accepted_at, arrived_at) >= reported_at

    union all

    select
        orders.order_id, calendar_id, time_zone, -1 as sign,
        greatest(pauses.started_at, reported_at) as started_at,
        least(pauses.ended_at, coalesce(accepted_at, arrived_at)) as ended_at
    from orders
    inner join excused_stretches as pauses
        on pauses.order_id = orders.order_id
        and pauses.started_at < coalesce(accepted_at, arrived_at)
        and pauses.ended_at > reported_at
    where coalesce(accepted_at, arrived_at) >= reported_at
),
span_days as (
    select
        *,
        cast(unnest(generate_series(
            local_day(started_at, time_zone), local_day(ended_at, time_zone), interval 1 day
        )) as date) as day
    from spans
),
opened as (
    select
        span_days.*,
        -- A day of its own in the calendar replaces the weekday's hours; a holiday has none.
        day + cast(
            case when special.day is null then weekly.opens else special.opens end as time
        ) as local_opens_at,
        day + cast(
            case when special.day is null then weekly.closes else special.closes end as time
        ) as local_closes_at
    from span_days
    left join 'calendar_days.csv' as special using (calendar_id, day)
    left join 'calendar_hours.csv' as weekly
        on weekly.calendar_id = span_days.calendar_id and weekly.weekday = isodow(span_days.day)
),
worked as (
    select
        order_id,
        sum(sign * greatest(0, minutes(
            greatest(started_at, local_opens_at at time zone time_zone at time zone 'UTC'),
            least(ended_at, local_closes_at at time zone time_zone at time zone 'UTC')
        ))) filter (where local_opens_at is not null) as minutes
    from opened
    group by order_id
)
select
    'response_time' as kpi_code,
    accepter as technician_id,
    local_day(coalesce(accepted_at, arrived_at), time_zone) as business_date,
    coalesce(accepted_at, arrived_at) as matures_at,
    coalesce(minutes, 0) as numerator,
    1 as denominator
from orders
inner join clocks using (order_id)
inner join worked using (order_id)
where case_now <> 'no order';

-- Costs: parts used, and approved travel.
insert into records by name
with used as (select order_id, sum(cost) as cost from parts group by order_id)
select
    'parts_cost_index' as kpi_code,
    credit.technician_id,
    local_day(ended_at, time_zone) as business_date,
    ended_at as matures_at,
    share * coalesce(cost, 0) as numerator,
    share as denominator,
    stratum
from endings
inner join credit using (order_id)
left join used using (order_id)
where
    ending_case not in ('no order', 'cancelled for no cause')
    and (not starts_with(ending_case, 'cancelled')
        or ending_case = 'cancelled after departure by technician');

insert into records by name
with visited as (
    select distinct visits.order_id, visits.technician_id,
        local_day(visited_at, time_zone) as visited_on
    from visits
    inner join orders using (order_id)
    where is_credited and not is_no_order

    union

    select order_id, accountable_id,
        local_day(coalesce(arrived_at, first_completed_at), time_zone)
    from orders
    where
        not has_visits and not is_no_order
        and coalesce(arrived_at, first_completed_at) is not null
        and coalesce(resolution, '') <> 'remote_fix'
),
reached as (
    select claims.* exclude (order_id), visited.order_id
    from claims
    inner join visited
        on visited.technician_id = claims.technician_id and visited.visited_on = claims.incurred_on
    where trip_id is not null

    union all by name

    select * from claims where trip_id is null and order_id is not null
),
spent as (
    select *, amount / count(*) over (partition by expense_id) as share from reached
),
approved as (
    select order_id, technician_id, sum(share) as amount, max(updated_at) as approved_at
    from spent
    where status = 'approved'
    group by order_id, technician_id
)
select
    'travel_cost_index' as kpi_code,
    approved.technician_id,
    local_day(ended_at, time_zone) as business_date,
    greatest(ended_at, approved_at) as matures_at,
    amount as numerator,
    1 as denominator,
    area_id as stratum
from approved
inner join endings using (order_id)
where ending_case not in ('no order', 'cancelled for no cause')
    and not starts_with(ending_case, 'cancelled before departure');

-- Benchmarks: of the three months before, of a stratum or its nearest parent with enough ----------

create or replace temp table benchmarks as
with known as (
    select
        *,
        month_of(business_date) as period_month,
        cast(month_of(
            local_time(matures_at, 'Asia/Shanghai') - interval 1 day - interval 1 second
        ) + interval 1 month as date) as mature_for,
        -- Percentiles are of orders, of which several technicians may hold shares.
        row_number() over (partition by kpi_code, order_id order by technician_id) as share_no,
        -- One per month whose benchmark it is in.
        unnest([1, 2, 3]) as months_later
    from records
    where stratum is not null and technician_id is not null
        and matures_at <= getvariable('as_of')
),
levelled as (
    select
        *,
        cast(period_month + to_months(months_later) as date) as benchmark_of,
        unnest(list_distinct([
            stratum,
            array_to_string(string_split(stratum, '|')[1:2], '|'),
            split_part(stratum, '|', 1),
            'all'
        ])) as level
    from known
)
select
    kpi_code,
    benchmark_of as period_month,
    level as stratum,
    sum(numerator) / sum(denominator) as mean,
    quantile_cont(quantity, 0.01) filter (where share_no = 1) as low,
    quantile_cont(quantity, 0.99) filter (where share_no = 1) as high
from levelled
where mature_for <= benchmark_of
group by kpi_code, benchmark_of, level
having count(*) >= 30 and count(distinct technician_id) >= 5;

create or replace temp table benchmarked as
with strata as (
    select distinct kpi_code, month_of(business_date) as period_month, stratum
    from records
    where stratum is not null
),
parents as (
    select
        *,
        unnest([
            stratum,
            array_to_string(string_split(stratum, '|')[1:2], '|'),
            split_part(stratum, '|', 1),
            'all'
        ]) as level,
        unnest([1, 2, 3, 4]) as distance
    from strata
)
select parents.kpi_code, parents.period_month, parents.stratum, mean, low, high
from parents
inner join benchmarks
    on benchmarks.kpi_code = parents.kpi_code
    and benchmarks.period_month = parents.period_month
    and benchmarks.stratum = parents.level
qualify row_number() over (
    partition by parents.kpi_code, parents.period_month, parents.stratum order by distance
) = 1;

-- Values ------------------------------------------------------------------------------------------

create or replace table kpis as
with standards as (
    select technician_id, month_of(day) as period_month, sum(standard) as standard
    from workdays
    group by all
),
summed as (
    select
        records.technician_id,
        month_of(business_date) as period_month,
        records.kpi_code,
        count(*) as n,
        sum(case
            when records.kpi_code = 'duration_index'
                then numerator * greatest(low, least(high, quantity))
            else numerator
        end) as numerator,
        sum(denominator * case records.kpi_code
            when 'parts_cost_index' then coalesce(mean, 40)
            when 'travel_cost_index' then coalesce(mean, 30)
            else 1
        end) as denominator
    from records
    left join benchmarked
        on benchmarked.kpi_code = records.kpi_code
        and benchmarked.period_month = month_of(business_date)
        and benchmarked.stratum = records.stratum
    where technician_id is not null and matures_at <= getvariable('as_of')
    group by all
)
select
    technician_id,
    period_month,
    kpi_code,
    n,
    numerator / nullif(
        case when kpi_code = 'workload_points' then coalesce(standard, 0) else denominator end, 0
    ) as raw_value
from summed
left join standards using (technician_id, period_month);
