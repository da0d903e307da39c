-- Accounts that are granted by OAuth and can be connected anew, and replicas that share the connections.

alter table connections add column token_generation bigint not null default 0;
comment on column connections.token_generation is 'Grows when other tokens are stored for the connection: what a process has in memory is then out of date';
alter table connections add column e_uninstalled_at timestamptz;
comment on column connections.e_uninstalled_at is 'When E-Series told that the application was removed from the store, until that was looked into; the notice''s body is not signed, so it is only a hint';

create table grants (
    connection_id  uuid not null,
    side           text not null check (side in ('r_series', 'e_series')),
    reconnect      boolean not null,
    outcome        text not null check (outcome in ('waiting', 'exchanging', 'granted', 'failed', 'done')),
    state_hash     text,
    verifier       bytea,
    bound          boolean not null default false,
    account        bigint,
    scopes         text,
    access         bytea,
    refresh        bytea,
    reason         text,
    started_at     timestamptz not null,
    expires_at     timestamptz not null,
    primary key (connection_id, side)
);
comment on table grants is 'Permissions that merchants are asked for, or have given, and that no connection uses yet';
comment on column grants.connection_id is 'The connection that is to be connected anew; for a new one an id of the grant''s own, under which its secrets are sealed. No foreign key, because of the latter';
comment on column grants.side is 'r_series or e_series';
comment on column grants.reconnect is 'For a connection that exists';
comment on column grants.outcome is 'waiting: for the merchant; exchanging: the code is being traded, which is done once; granted: tokens lie here; failed: with a reason; done: the connection has them';
comment on column grants.state_hash is 'SHA-256 of the state that the platform has to hand back, in hex; null once it came back';
comment on column grants.verifier is 'Sealed code_verifier of R-Series (PKCE)';
comment on column grants.bound is 'The state came back with the code. Without it the operator has to name the account';
comment on column grants.account is 'accountID or storeId that the tokens belong to';
comment on column grants.scopes is 'What was granted, parted by blanks, where the platform says so';
comment on column grants.access is 'Sealed access token';
comment on column grants.refresh is 'Sealed refresh token of R-Series';
comment on column grants.reason is 'Why it failed, in words';
comment on column grants.started_at is 'When it was asked for';
comment on column grants.expires_at is 'Until when the state, and afterwards the grant, may be used';
create index grants_by_age on grants (expires_at);

create table replicas (
    replica_id uuid primary key,
    place      text,
    seen_at    timestamptz not null
);
comment on table replicas is 'Processes that work on this database. No merchant''s data: which connections a process works on stands in leases';
comment on column replicas.replica_id is 'One process; a new one at each start';
comment on column replicas.place is 'Hash of the machine and the address it listens at, which only one process can have at a time: whoever starts there knows that the one before is gone';
comment on column replicas.seen_at is 'When it last said that it lives';
create index replicas_by_place on replicas (place);

create table leases (
    connection_id uuid primary key references connections on delete cascade,
    holder        uuid not null,
    until         timestamptz not null,
    left_by       uuid,
    e_calls       jsonb not null default '[]'
);
comment on table leases is 'Which process works on a connection: its visits, its sweep, and most of its share of the platforms'' limits are there and nowhere else';
comment on column leases.connection_id is 'Which connection';
comment on column leases.holder is 'The process';
comment on column leases.until is 'Until when, unless it is extended';
comment on column leases.left_by is 'The process that had it before';
comment on column leases.e_calls is 'Calls to E-Series within the last minute as pairs of second and number, those that may be made until the next extension included: whoever takes over counts on from there';
create index leases_by_holder on leases (holder);
