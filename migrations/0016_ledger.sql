-- The ledger as a feature: what operators want of single fields (an undo, a choice in a conflict), and a ledger that
-- is kept in one partition a month, so that what is old goes without a delete.

-- ── partitions by the month in which an entry's id was made ─────────────────────────────────────────────────

create function ledger_floor(moment timestamptz) returns uuid
language sql immutable strict parallel safe as $$
    select rpad(lpad(to_hex(greatest(0, floor(extract(epoch from moment) * 1000))::bigint), 12, '0'), 32, '0')::uuid
$$;
comment on function ledger_floor is 'The lowest id (UUID version 7) that can be made at this time';

create function ledger_month(moment timestamptz, months integer) returns timestamptz
language sql stable strict as $$
    select (date_trunc('month', moment at time zone 'UTC') + make_interval(months => months)) at time zone 'UTC'
$$;
comment on function ledger_month is 'When the month (in UTC) begins that is so many months after the one of this time';

alter table ledger rename to ledger_whole;
create table ledger (like ledger_whole including all excluding indexes) partition by range (entry_id);
alter table ledger add column undone_by uuid;
comment on table ledger is 'The change-origin ledger: why every value is what it is. One partition a month';
comment on column ledger.undone_by is 'The operator''s entry that asked for its undoing; null while it stands';
create table ledger_rest (like ledger including all);
alter table ledger attach partition ledger_rest default;
comment on table ledger_rest is 'Entries of no month that has a partition: what outlived its month, and what came before its partition was made';
do $$
declare columns text;
begin
    select string_agg(quote_ident(attname), ', ' order by attnum) into columns
    from pg_attribute where attrelid = 'ledger_whole'::regclass and attnum > 0 and not attisdropped;
    execute format('insert into ledger (%1$s) select %1$s from ledger_whole', columns);
end $$;
drop table ledger_whole;
alter table ledger
    add primary key (connection_id, entry_id),
    add constraint ledger_connection foreign key (connection_id) references connections on delete cascade;
create index ledger_open on ledger (connection_id, product_id) where result is null;
create index ledger_by_product on ledger (connection_id, product_id, entry_id);
create index ledger_by_call on ledger (connection_id, call_id, entry_id) where call_id is not null;
create index ledger_by_cause on ledger (connection_id, cause, entry_id)
    where kind in ('write', 'create', 'remove', 'stock');

create function ledger_partition(moment timestamptz) returns boolean language plpgsql as $$
declare
    low uuid := ledger_floor(ledger_month(moment, 0));
    high uuid := ledger_floor(ledger_month(moment, 1));
    part text := 'ledger_' || to_char(moment at time zone 'UTC', 'YYYYMM');
begin
    if to_regclass(part) is not null then
        return false;
    end if;
    -- Waits for nobody: whoever meets somebody at work tries again later.
    lock table connections in share row exclusive mode nowait;
    lock table ledger in access exclusive mode nowait;
    execute format('create table %I (like ledger including all)', part);
    execute format('comment on table %I is %L', part, 'Entries of the ledger of one month');
    execute format(
        'with moved as (delete from ledger_rest where entry_id >= %L and entry_id < %L returning *)
         insert into %I select * from moved', low, high, part);
    execute format('alter table ledger attach partition %I for values from (%L) to (%L)', part, low, high);
    return true;
end $$;
comment on function ledger_partition is 'Makes the partition of the month of this time; false when it is there';

create function ledger_chapter(kind text, side text) returns text language sql immutable parallel safe as $$
    select case when kind in ('write', 'stock', 'verdict') then 'value'
                when kind in ('create', 'remove', 'link') then coalesce('half on ' || side, 'half')
                when kind in ('hold', 'operator') then kind end
$$;
comment on function ledger_chapter is 'Entries of one chapter about the same field of a product replace one another as its explanation';

-- What outlives its month: open writes; of every product that is still known the newest word about its halves (the
-- snapshot of a removal among them) and about each field; and what a wish, a decision or an edit that waits points to.
create function ledger_survivors(part text) returns setof ledger language plpgsql as $$
begin
    return query execute format($query$
        with newest as (
            select distinct on (p.connection_id, p.product_id, p.field, ledger_chapter(p.kind, p.side))
                   p.connection_id, p.product_id, p.field, ledger_chapter(p.kind, p.side) as chapter, p.entry_id
            from %1$I p join links l on l.connection_id = p.connection_id and l.product_id = p.product_id
            where p.result = 'landed' and ledger_chapter(p.kind, p.side) is not null
            order by p.connection_id, p.product_id, p.field, ledger_chapter(p.kind, p.side), p.entry_id desc
        ), kept as (
            select n.connection_id, n.entry_id from newest n
            where not exists (
                select from ledger later
                where later.connection_id = n.connection_id and later.product_id = n.product_id
                  and later.entry_id > n.entry_id and later.field is not distinct from n.field
                  and ledger_chapter(later.kind, later.side) = n.chapter and later.result = 'landed')
            union select p.connection_id, p.entry_id from %1$I p where p.result is null
            union select connection_id, entry_id from wishes
            union select connection_id, entry_id from decisions
            union select connection_id, unnest(undoes || order_id || write_id) from edits
        )
        select p.* from %1$I p
        where exists (select from kept k where k.connection_id = p.connection_id and k.entry_id = p.entry_id)
    $query$, part);
end $$;
comment on function ledger_survivors is 'Entries of a partition that are kept although it goes';

create function ledger_retire(before timestamptz) returns integer language plpgsql as $$
declare
    part text;
    gone integer := 0;
    cutoff uuid := ledger_floor(ledger_month(before, 0));
begin
    perform from pg_inherits i join pg_class c on c.oid = i.inhrelid
    where i.inhparent = 'ledger'::regclass and c.relname < 'ledger_' || to_char(before at time zone 'UTC', 'YYYYMM');
    if found then
        lock table connections, ledger in access exclusive mode nowait;
    end if;
    for part in
        select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = 'ledger'::regclass
          and c.relname < 'ledger_' || to_char(before at time zone 'UTC', 'YYYYMM')
        order by c.relname
    loop
        create temporary table survivors on commit drop as select * from ledger_survivors(part);
        execute format('alter table ledger detach partition %I', part);
        insert into ledger select * from survivors;
        execute format('drop table %I', part);
        drop table survivors;
        gone := gone + 1;
    end loop;
    -- What outlived its month may have been replaced since.
    if exists (select from ledger_rest where entry_id < cutoff) then
        create temporary table survivors on commit drop as
            select connection_id, entry_id from ledger_survivors('ledger_rest');
        delete from ledger_rest r
        where r.entry_id < cutoff
          and not exists (select from survivors s where s.connection_id = r.connection_id and s.entry_id = r.entry_id);
        drop table survivors;
    end if;
    delete from conflicts where state <> 'open' and at < ledger_month(before, 0);
    return gone;
end $$;
comment on function ledger_retire is 'Drops the partitions of months that ended before the month of this time, but for what is still needed. Returns how many';

-- ── what an operator wants of single fields ─────────────────────────────────────────────────────────────────

create table edits (
    connection_id uuid not null,
    edit_id       uuid not null,
    product_id    uuid not null,
    act           text not null check (act in ('values', 'stock', 'remove')),
    field         text,
    side          text check (side in ('r_series', 'e_series')),
    r_value       jsonb,
    e_value       jsonb,
    r_expected    jsonb,
    e_expected    jsonb,
    delta         bigint,
    undoes        uuid[] not null default '{}',
    conflict_id   uuid,
    choice        text check (choice in ('r_series', 'e_series')),
    order_id      uuid not null,
    write_id      uuid,
    primary key (connection_id, edit_id),
    foreign key (connection_id, product_id) references links on delete cascade
);
comment on table edits is 'What an operator wants of a product, until a visit has seen to it: an undo, or a choice in a conflict';
comment on column edits.connection_id is 'Whose';
comment on column edits.edit_id is 'Id';
comment on column edits.product_id is 'Which product';
comment on column edits.act is 'values: a field is to show these; stock: pieces are to be added; remove: the product is to leave the web';
comment on column edits.field is 'Which field; null for a removal';
comment on column edits.side is 'Of stock, the side to which the pieces are added';
comment on column edits.r_value is 'What R-Series is to show; null: it is not written';
comment on column edits.e_value is 'What E-Series is to show; null: it is not written';
comment on column edits.r_expected is 'What R-Series must show before, or the edit is dropped; null: anything';
comment on column edits.e_expected is 'The same of E-Series';
comment on column edits.delta is 'Signed pieces to add';
comment on column edits.undoes is 'The ledger entries that it undoes';
comment on column edits.conflict_id is 'The conflict in which it is the choice';
comment on column edits.choice is 'Whose value was chosen there';
comment on column edits.order_id is 'The operator''s entry in the ledger that asked for it';
comment on column edits.write_id is 'Of stock, the write under which the pieces were sent last';
create unique index edits_one_a_field on edits (connection_id, product_id, act, coalesce(field, ''), coalesce(side, ''));
create index edits_by_order on edits (connection_id, order_id);

create table withdrawn (
    connection_id uuid not null,
    product_id    uuid not null,
    order_id      uuid not null,
    at            timestamptz not null,
    primary key (connection_id, product_id),
    foreign key (connection_id, product_id) references links on delete cascade
);
comment on table withdrawn is 'Products whose creation on the web an operator has undone: not created again until asked';
comment on column withdrawn.connection_id is 'Whose';
comment on column withdrawn.product_id is 'Which product';
comment on column withdrawn.order_id is 'The operator''s entry in the ledger that asked for it';
comment on column withdrawn.at is 'When it left the web';

create index conflicts_by_product on conflicts (connection_id, product_id, field, at);
create index inbox_by_age on inbox (received_at);
create index strays_by_age on strays (received_at);

-- ── the months that are there, this one, and the next three ─────────────────────────────────────────────────

do $$
declare month timestamptz;
begin
    for month in
        select distinct ledger_month(to_timestamp(
            ('x' || left(replace(entry_id::text, '-', ''), 12))::bit(48)::bigint / 1000.0), 0)
        from ledger_rest
        union select ledger_month(now(), ahead) from generate_series(0, 3) ahead
    loop
        perform ledger_partition(month);
    end loop;
end $$;
