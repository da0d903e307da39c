-- The shop's tree of categories on E-Series.

create table trees (
    connection_id uuid primary key references connections on delete cascade,
    generation    bigint not null default 1,
    due_at        timestamptz,
    looked_at     timestamptz,
    attempts      integer not null default 0,
    lease_token   uuid,
    leased_until  timestamptz,
    check ((lease_token is null) = (leased_until is null))
);
comment on table trees is 'When the shop''s tree of categories is to be compared with the store''s, one row a connection';
comment on column trees.connection_id is 'Whose';
comment on column trees.generation is 'Counts marks: a look that began under an older generation does not clear the mark';
comment on column trees.due_at is 'Not to be looked at before; null when nothing asks for it';
comment on column trees.looked_at is 'When both trees were last compared to the end';
comment on column trees.attempts is 'Looks in a row that could not be brought to their end';
comment on column trees.lease_token is 'The claim of the worker that is at it; fences a worker that lost it';
comment on column trees.leased_until is 'When that claim runs out';
create index trees_due on trees (due_at) where due_at is not null;
insert into trees (connection_id, due_at) select connection_id, now() from connections;

create table categories (
    connection_id uuid not null references connections on delete cascade,
    r_category_id bigint not null,
    e_category_id bigint,
    r_parent_id   bigint not null default 0,
    name          text not null default '',
    path          text[] not null default '{}',
    position      integer,
    state         text not null default 'waiting' check (state in ('waiting', 'in_step', 'held', 'gone')),
    gone          boolean not null default false,
    code          text,
    reason        text,
    wanted        jsonb,
    shown         jsonb,
    tried         jsonb,
    failures      integer not null default 0,
    retry_at      timestamptz,
    set_backs     integer not null default 0,
    set_back_at   timestamptz,
    updated_at    timestamptz not null,
    primary key (connection_id, r_category_id),
    constraint categories_e unique (connection_id, e_category_id)
);
comment on table categories is 'The categories of the shop, and which category of the store each is';
comment on column categories.connection_id is 'Whose';
comment on column categories.r_category_id is 'R-Series categoryID';
comment on column categories.e_category_id is 'E-Series category id, once there is one';
comment on column categories.r_parent_id is 'R-Series parentID; 0 for a root';
comment on column categories.name is 'Name in the shop; empty until it has been looked at';
comment on column categories.path is 'Names from the root down';
comment on column categories.position is 'Place in the display order of the shop, over the whole tree; null when the shop has it no more';
comment on column categories.state is 'waiting: to be seen to; in_step; held: not as the shop has it, with a reason; gone: neither in the shop nor, as far as Concord made or tied it, online';
comment on column categories.gone is 'The shop has it no more';
comment on column categories.code is 'Why it waits or is held, for programs';
comment on column categories.reason is 'Why it waits or is held, for the merchant';
comment on column categories.wanted is 'Name, parent and order as last carried';
comment on column categories.shown is 'Name, parent and order as E-Series showed them then';
comment on column categories.tried is 'What the store last refused: tried again when something else is wanted, or after retry_at';
comment on column categories.failures is 'Tries in a row that were turned away';
comment on column categories.retry_at is 'When what was turned away is tried again';
comment on column categories.set_backs is 'How often an edit on E-Series was set back within the hour';
comment on column categories.set_back_at is 'When that hour began';
comment on column categories.updated_at is 'When this row last changed';
