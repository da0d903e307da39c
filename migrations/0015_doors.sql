-- Who may use the interface, what was asked for already, who did what, and how settings came to be.
--
-- The first three tables are of the installation and not of a connection, so their keys do not begin with one: a key
-- of the interface is for all connections, and a request can be about none, or make the connection it is about.

create table api_keys (
    key_id       uuid primary key,
    name         text not null,
    hash         bytea not null,
    scopes       text[] not null,
    created_at   timestamptz not null,
    created_by   text not null,
    expires_at   timestamptz,
    last_used_at timestamptz,
    revoked_at   timestamptz
);
comment on table api_keys is 'Keys of the REST interface. A key itself is shown once and kept nowhere';
comment on column api_keys.key_id is 'Id; a part of the key, by which its row is found';
comment on column api_keys.name is 'What the operator calls it';
comment on column api_keys.hash is 'SHA-256 of the whole key, which is random: nothing is gained by guessing';
comment on column api_keys.scopes is 'What it is good for: read, operate, admin';
comment on column api_keys.created_at is 'When it was made';
comment on column api_keys.created_by is 'Who made it: the id of a key, or admin for the admin token';
comment on column api_keys.expires_at is 'From then on it is refused; null is never';
comment on column api_keys.last_used_at is 'When it was last used, to some minutes: not every request is written down';
comment on column api_keys.revoked_at is 'When it was revoked. The row stays, so that the audit can name it';

create table answers (
    caller      text not null,
    idem_key    text not null,
    fingerprint bytea not null,
    attempt     uuid not null,
    began_at    timestamptz not null,
    status      integer,
    media_type  text,
    sealed      bytea,
    key_id      text,
    primary key (caller, idem_key)
);
comment on table answers is 'Answers to requests with an Idempotency-Key, for a day';
comment on column answers.caller is 'Who asked: the id of a key, or admin';
comment on column answers.idem_key is 'The Idempotency-Key';
comment on column answers.fingerprint is 'SHA-256 of method, address and body: the same key with another request is refused';
comment on column answers.attempt is 'The request that is under way: one that was given up does not write its answer over a later one''s';
comment on column answers.began_at is 'When the request came in';
comment on column answers.status is 'HTTP status of the answer; null while the request is under way';
comment on column answers.media_type is 'Content type of the answer';
comment on column answers.sealed is 'Body of the answer, sealed like a secret: it may hold one that is shown once';
comment on column answers.key_id is 'Which master key seals it';
create index answers_by_age on answers (began_at);

create table audit (
    audit_id      uuid primary key,
    at            timestamptz not null,
    actor         text not null,
    actor_name    text not null,
    address       text,
    request_id    text not null,
    act           text not null,
    method        text not null,
    path          text not null,
    connection_id uuid,
    detail        jsonb,
    status        integer
);
comment on table audit is 'Every act through the REST interface: who, when, from where, what. Not tied to connections, so that it outlives them';
comment on column audit.audit_id is 'Id; later ones sort behind earlier ones';
comment on column audit.at is 'When it was asked for';
comment on column audit.actor is 'Who: the id of a key, admin for the admin token, or merchant for a browser that came back from a platform';
comment on column audit.actor_name is 'The name of that key at the time';
comment on column audit.address is 'The network address it was asked from';
comment on column audit.request_id is 'X-Request-Id of the request, as it stands in the log';
comment on column audit.act is 'The operation, as the interface document calls it';
comment on column audit.method is 'HTTP method';
comment on column audit.path is 'Path of the request';
comment on column audit.connection_id is 'The connection it was about; null where it was about none';
comment on column audit.detail is 'More about what was done; never a secret';
comment on column audit.status is 'HTTP status of the answer; null when the process died before it was known';
create index audit_by_connection on audit (connection_id, audit_id);

alter table connections add column generation bigint not null default 1;
comment on column connections.generation is 'Counts changes of name, plan and settings; the ETag of the connection';

create table settings_history (
    connection_id uuid not null references connections on delete cascade,
    generation    bigint not null,
    at            timestamptz not null,
    changed_by    text not null,
    before        jsonb not null,
    after         jsonb not null,
    primary key (connection_id, generation)
);
comment on table settings_history is 'Every change of a connection''s name, plan and settings. Kept as long as the connection';
comment on column settings_history.connection_id is 'Whose';
comment on column settings_history.generation is 'The generation that the change led to';
comment on column settings_history.at is 'When';
comment on column settings_history.changed_by is 'Name of the key that changed it';
comment on column settings_history.before is '{"name","plan","settings"} before';
comment on column settings_history.after is 'The same afterwards';
