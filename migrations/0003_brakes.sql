-- Brakes: what a sweep wants to take away beyond a set share waits for an operator. And the full look, a run
-- that lists both sides and only marks what was missed.

create table brakes (
    connection_id uuid not null references connections on delete cascade,
    product_id    uuid not null,
    act           text not null check (act in ('removal', 'zero')),
    state         text not null check (state in ('passed', 'held', 'released')),
    at            timestamptz not null,
    primary key (connection_id, product_id, act),
    foreign key (connection_id, product_id) references links on delete cascade
);
comment on table brakes is 'What the sweep took away, or wants to: counted against the caps of the connection';
comment on column brakes.connection_id is 'Whose';
comment on column brakes.product_id is 'Which product';
comment on column brakes.act is 'removal: an archived item takes its product off the web; zero: stock falls to nothing on the other side';
comment on column brakes.state is 'passed: done within the cap; held: beyond it, the product is parked; released: let through once by an operator';
comment on column brakes.at is 'When it came to be in this state; passed ones count for an hour';
create index brakes_by_state on brakes (connection_id, act, state, at);

alter table syncs drop constraint syncs_mode_check;
alter table syncs add constraint syncs_mode_check check (mode in ('preview', 'apply', 'full_look'));
alter table syncs drop constraint syncs_phase_check;
alter table syncs add constraint syncs_phase_check
    check (phase in ('list_online', 'list_shop', 'mark_missing', 'visit'));
comment on column syncs.mode is 'preview writes nothing on either platform; apply has every item visited; full_look only what differs from the look before, or is missing';
comment on column syncs.phase is 'list_online: E-Series page by page; list_shop: R-Series page by page; mark_missing: known records that were in no list are marked; visit: waits until every product has been visited';
comment on column sightings.feed is 'As in cursors; look_r_item and look_e_product are the rows of the newest full look';
comment on column sightings.seen_at is 'The row''s own time; older ones than the overlap are dropped. In a full look, when that look began';
