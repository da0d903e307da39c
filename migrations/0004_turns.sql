-- Connections take turns: the one that was served longest ago is served next, however much another has waiting.

create sequence turns as bigint;

alter table connections add column turn bigint not null default 0;
comment on column connections.turn is 'When it was last served, as a number of the sequence turns: the lowest is served next; 0 is never';
create index connections_by_turn on connections (turn, connection_id) where state = 'active';

-- Is anything of this connection due, and what is due first? Replaces an index over all connections together.
create index dirty_by_connection on dirty (connection_id, due_at, product_id) where parked_at is null;
drop index dirty_due;
