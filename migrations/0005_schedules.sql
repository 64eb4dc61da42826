-- Work that comes round by the clock, and each time that it did.

create table schedules (
    id uuid primary key,
    owner_id uuid not null references users (id) on delete cascade,
    name text not null,
    -- Six fields, from seconds to days of the week, in the time zone's own time.
    cron text not null,
    time_zone text not null,
    action jsonb not null,
    -- Null once it never comes round again.
    next_run_at timestamptz,
    last_tick timestamptz,
    created_at timestamptz not null,
    constraint schedules_owner_name unique (owner_id, name)
);
create index schedules_due on schedules (next_run_at);

-- One row for each tick, whichever replica made it and however many tried.
create table schedule_runs (
    id uuid primary key,
    owner_id uuid not null references users (id) on delete cascade,
    schedule_id uuid not null references schedules (id) on delete cascade,
    tick timestamptz not null,
    state text not null check (state in ('waiting', 'running', 'done', 'failed', 'skipped')),
    attempts integer not null default 0,
    -- Who holds it, until when; a worker that is not the row's may not write.
    worker_id uuid,
    lease_until timestamptz,
    started_at timestamptz,
    ended_at timestamptz,
    outcome jsonb,
    reason text,
    created_at timestamptz not null,
    constraint schedule_runs_tick unique (schedule_id, tick)
);
create index schedule_runs_open on schedule_runs (tick) where state in ('waiting', 'running');
create index schedule_runs_ended on schedule_runs (owner_id, ended_at) where ended_at is not null;
