-- The tables of Concord. Every table that holds a merchant's data has a key that starts with
-- connection_id: connections share nothing.

create table instance (
    key   text primary key,
    value text not null
);
comment on table instance is 'Facts about this installation, few and small';
comment on column instance.key is 'Name of the fact, such as admin_token_hash';
comment on column instance.value is 'The fact; never a secret in the clear';

create table connections (
    connection_id    uuid primary key,
    name             text not null,
    state            text not null check (state in ('active', 'paused', 'needs_attention')),
    state_reason     text,
    r_account_id     bigint not null,
    r_shop_ids       bigint[] not null,
    r_primary_shop_id bigint not null,
    r_online_level_id bigint,
    e_store_id       bigint not null,
    e_product_limit  bigint,
    plan             text not null,
    settings         jsonb not null,
    created_at       timestamptz not null,
    updated_at       timestamptz not null,
    swept_at         timestamptz,
    sweep_due_at     timestamptz not null,
    sweep_found      bigint not null default 0,
    constraint connections_r_account unique (r_account_id),
    constraint connections_e_store unique (e_store_id)
);
comment on table connections is 'One merchant''s pair of accounts';
comment on column connections.connection_id is 'Id handed out by the REST interface';
comment on column connections.name is 'What the operator calls it';
comment on column connections.state is 'active: worked on; paused: by an operator; needs_attention: credentials or rights do not suffice';
comment on column connections.state_reason is 'Why it is not active, in words';
comment on column connections.r_account_id is 'R-Series accountID';
comment on column connections.r_shop_ids is 'R-Series shops whose stock is summed';
comment on column connections.r_primary_shop_id is 'R-Series shop in which stock sold on the web is booked';
comment on column connections.r_online_level_id is 'R-Series price level of the web; null when the account has none';
comment on column connections.e_store_id is 'E-Series storeId; its webhooks are matched by it';
comment on column connections.e_product_limit is 'maxProductLimit of the E-Series store when it was last read';
comment on column connections.plan is 'venture, business or unlimited';
comment on column connections.settings is 'Way and rule per field, SKU source';
comment on column connections.created_at is 'When it was connected';
comment on column connections.updated_at is 'When it was last changed by an operator';
comment on column connections.swept_at is 'When the last complete change poll ended';
comment on column connections.sweep_due_at is 'When the next change poll is due';
comment on column connections.sweep_found is 'Changes that the last complete sweep found and that no notice had told';

create table secrets (
    connection_id uuid not null references connections on delete cascade,
    kind          text not null,
    sealed        bytea not null,
    key_id        text not null,
    updated_at    timestamptz not null,
    primary key (connection_id, kind)
);
comment on table secrets is 'Tokens and keys, sealed with XChaCha20-Poly1305';
comment on column secrets.connection_id is 'Whose; also the associated data of the seal';
comment on column secrets.kind is 'r_access_token, r_refresh_token, r_webhook_secret or e_access_token';
comment on column secrets.sealed is 'Nonce and ciphertext';
comment on column secrets.key_id is 'Which master key seals it';
comment on column secrets.updated_at is 'When it was last replaced';

create table links (
    connection_id uuid not null references connections on delete cascade,
    product_id    uuid not null,
    r_item_id     bigint,
    e_product_id  bigint,
    standing      text not null check (standing in ('new', 'linked', 'only_online', 'archived', 'gone_online', 'gone_in_shop')),
    shadow        jsonb not null default '{}',
    holds         jsonb not null default '{}',
    owed_on_r     bigint not null default 0,
    name          text not null default '',
    sku           text not null default '',
    enabled       boolean not null default false,
    created_at    timestamptz not null,
    linked_at     timestamptz,
    proven_at     timestamptz,
    primary key (connection_id, product_id),
    constraint links_r_item unique (connection_id, r_item_id),
    constraint links_e_product unique (connection_id, e_product_id),
    check (r_item_id is not null or e_product_id is not null)
);
comment on table links is 'Which R-Series item is which E-Series product. Half a link gives a notice about an unknown record a home';
comment on column links.connection_id is 'Whose';
comment on column links.product_id is 'The product as Concord knows it';
comment on column links.r_item_id is 'R-Series itemID';
comment on column links.e_product_id is 'E-Series product id';
comment on column links.standing is 'new: not looked at yet; linked; only_online; archived: in the shop; gone_online, gone_in_shop: the record vanished there';
comment on column links.shadow is 'What each side showed when it was last in step: {"r_series":{…},"e_series":{…}}';
comment on column links.holds is 'Fields that stay as they are, with the reason: {"price":{"code","reason"}}';
comment on column links.owed_on_r is 'Pieces to put back on R-Series, because an absolute write of ours trampled a change';
comment on column links.name is 'Name when last looked at, for lists';
comment on column links.sku is 'SKU when last looked at, for lists';
comment on column links.enabled is 'Offered on the web when last looked at, for lists';
comment on column links.created_at is 'When Concord first heard of it';
comment on column links.linked_at is 'When both halves were known';
comment on column links.proven_at is 'When both sides were last seen in step';
create index links_by_name on links (connection_id, name, product_id);
create index links_by_sku on links (connection_id, sku);

create table dirty (
    connection_id uuid not null,
    product_id    uuid not null,
    generation    bigint not null default 1,
    due_at        timestamptz not null,
    marked_at     timestamptz not null,
    attempts      integer not null default 0,
    noticed       boolean not null default false,
    swept         boolean not null default false,
    lease_token   uuid,
    leased_until  timestamptz,
    parked_at     timestamptz,
    park_code     text,
    park_reason   text,
    primary key (connection_id, product_id),
    foreign key (connection_id, product_id) references links on delete cascade,
    check ((lease_token is null) = (leased_until is null))
);
comment on table dirty is 'The set of products not known to be in step. One row a product, however many notices came';
comment on column dirty.connection_id is 'Whose';
comment on column dirty.product_id is 'Which product';
comment on column dirty.generation is 'Counts marks: a visit that began under an older generation does not clear the row';
comment on column dirty.due_at is 'Not to be visited before';
comment on column dirty.marked_at is 'Since when it is not known to be in step';
comment on column dirty.attempts is 'Visits that failed through the product''s own fault';
comment on column dirty.noticed is 'A notice asked for this visit';
comment on column dirty.swept is 'The sweep asked for this visit';
comment on column dirty.lease_token is 'The claim of the worker that visits it; fences a worker that lost it';
comment on column dirty.leased_until is 'When that claim runs out';
comment on column dirty.parked_at is 'Set while it waits for its inputs to change instead of for time';
comment on column dirty.park_code is 'Reason for programs';
comment on column dirty.park_reason is 'Reason for the merchant';
create index dirty_due on dirty (due_at) where parked_at is null;

create table inbox (
    connection_id uuid not null references connections on delete cascade,
    side          text not null check (side in ('r_series', 'e_series')),
    event_id      text not null,
    event_type    text not null,
    entity_id     bigint,
    received_at   timestamptz not null,
    product_id    uuid,
    handled_at    timestamptz,
    meaning       text,
    primary key (connection_id, side, event_id)
);
comment on table inbox is 'Every genuine notice, written before it is acknowledged';
comment on column inbox.connection_id is 'Whose';
comment on column inbox.side is 'Which platform tells';
comment on column inbox.event_id is 'The sender''s id of the event: the same id again is acknowledged and dropped';
comment on column inbox.event_type is 'Such as product.updated';
comment on column inbox.entity_id is 'The record it is about. A hint where to look, never data';
comment on column inbox.received_at is 'When it came in';
comment on column inbox.product_id is 'The product to look at; null for kinds that are kept and not worked on';
comment on column inbox.handled_at is 'When a visit had looked';
comment on column inbox.meaning is 'What the visit found: change, echo or nothing';
create index inbox_open on inbox (connection_id, product_id) where handled_at is null and product_id is not null;

create table strays (
    side        text not null,
    event_id    text not null,
    account     text not null,
    event_type  text not null,
    received_at timestamptz not null,
    primary key (side, event_id)
);
comment on table strays is 'Genuine notices about stores that are not connected: kept, counted, not worked on';
comment on column strays.side is 'Which platform tells';
comment on column strays.event_id is 'The sender''s id of the event';
comment on column strays.account is 'The store it is about';
comment on column strays.event_type is 'Such as product.updated';
comment on column strays.received_at is 'When it came in';

create table ledger (
    connection_id uuid not null references connections on delete cascade,
    entry_id      uuid not null,
    call_id       uuid,
    at            timestamptz not null,
    kind          text not null check (kind in ('write', 'create', 'stock', 'verdict', 'conflict', 'echo', 'link', 'hold', 'operator')),
    origin        text not null check (origin in ('r_series', 'e_series', 'operator', 'sweep', 'echo')),
    side          text check (side in ('r_series', 'e_series')),
    product_id    uuid,
    field         text,
    before        jsonb,
    after         jsonb,
    source        jsonb,
    cause         text,
    detail        jsonb,
    result        text,
    closed_at     timestamptz,
    primary key (connection_id, entry_id)
);
comment on table ledger is 'The change-origin ledger: why every value is what it is';
comment on column ledger.connection_id is 'Whose';
comment on column ledger.entry_id is 'Id of the entry; of a write, the id under which it is sent where the platform takes one';
comment on column ledger.call_id is 'Entries with the same call_id travelled in one call';
comment on column ledger.at is 'When it was written down; of a write, before the call';
comment on column ledger.kind is 'write: fields replaced; create; stock: pieces added; verdict: news taken without a call; conflict: both changed; echo: our own write came back; link; hold; operator';
comment on column ledger.origin is 'Where the change came from';
comment on column ledger.side is 'The side that was written, or that told';
comment on column ledger.product_id is 'Which product';
comment on column ledger.field is 'Which field; null for whole products';
comment on column ledger.before is 'What the side showed before';
comment on column ledger.after is 'What it was to show; of a conflict, the winning value';
comment on column ledger.source is 'The value on the other side that was carried';
comment on column ledger.cause is 'The notice, the sweep or the entry that led to it';
comment on column ledger.detail is 'What recovery needs to judge an unclear outcome; of a conflict, the loser';
comment on column ledger.result is 'null while a write is open; landed, not_landed, superseded or refused afterwards';
comment on column ledger.closed_at is 'When the result became known';
create index ledger_open on ledger (connection_id, product_id) where result is null;
create index ledger_by_product on ledger (connection_id, product_id, entry_id);

create table conflicts (
    connection_id uuid not null references connections on delete cascade,
    conflict_id   uuid not null,
    product_id    uuid not null,
    field         text not null,
    r_value       jsonb not null,
    e_value       jsonb not null,
    state         text not null check (state in ('open', 'decided', 'resolved')),
    winner        text check (winner in ('r_series', 'e_series')),
    at            timestamptz not null,
    entry_id      uuid,
    primary key (connection_id, conflict_id),
    foreign key (connection_id, product_id) references links on delete cascade
);
comment on table conflicts is 'Fields that both sides changed since they were last in step';
comment on column conflicts.connection_id is 'Whose';
comment on column conflicts.conflict_id is 'Id handed out by the REST interface';
comment on column conflicts.product_id is 'Which product';
comment on column conflicts.field is 'Which field';
comment on column conflicts.r_value is 'What R-Series said';
comment on column conflicts.e_value is 'What E-Series said';
comment on column conflicts.state is 'open: waits for a choice; decided: by the field''s rule; resolved: by an operator';
comment on column conflicts.winner is 'Whose value was taken';
comment on column conflicts.at is 'When it was found';
comment on column conflicts.entry_id is 'The ledger entry of the write that settled it';
create unique index conflicts_open on conflicts (connection_id, product_id, field) where state = 'open';

create table cursors (
    connection_id uuid not null references connections on delete cascade,
    feed          text not null,
    position      jsonb not null,
    updated_at    timestamptz not null,
    primary key (connection_id, feed)
);
comment on table cursors is 'How far each change feed has been read';
comment on column cursors.connection_id is 'Whose';
comment on column cursors.feed is 'r_item, r_item_shop, r_inventory_log, e_product or e_deleted';
comment on column cursors.position is 'Highest timestamp and id seen; reading starts some minutes before';
comment on column cursors.updated_at is 'When it last moved';

create table sightings (
    connection_id uuid not null references connections on delete cascade,
    feed          text not null,
    entity_id     bigint not null,
    digest        text not null,
    seen_at       timestamptz not null,
    primary key (connection_id, feed, entity_id)
);
comment on table sightings is 'Rows of a feed that were seen already: feeds are read with overlap';
comment on column sightings.connection_id is 'Whose';
comment on column sightings.feed is 'As in cursors';
comment on column sightings.entity_id is 'Id of the row in the feed';
comment on column sightings.digest is 'Hash of the row as it was seen: a change within the same second is another row';
comment on column sightings.seen_at is 'The row''s own time; older ones than the overlap are dropped';

create table syncs (
    connection_id uuid not null references connections on delete cascade,
    sync_id       uuid not null,
    mode          text not null check (mode in ('preview', 'apply')),
    state         text not null check (state in ('running', 'done', 'failed', 'awaiting_approval')),
    phase         text not null check (phase in ('list_online', 'list_shop', 'visit')),
    cursor        text,
    total         bigint not null default 0,
    unreadable    bigint not null default 0,
    started_at    timestamptz not null,
    due_at        timestamptz not null,
    finished_at   timestamptz,
    error         text,
    primary key (connection_id, sync_id)
);
comment on table syncs is 'Runs over a whole catalogue';
comment on column syncs.connection_id is 'Whose';
comment on column syncs.sync_id is 'Id handed out by the REST interface';
comment on column syncs.mode is 'preview writes nothing on either platform';
comment on column syncs.state is 'running, done, failed or awaiting_approval';
comment on column syncs.phase is 'list_online: E-Series page by page; list_shop: R-Series page by page; visit: waits until every product has been visited';
comment on column syncs.cursor is 'Next page of the present phase';
comment on column syncs.total is 'Items listed on R-Series so far';
comment on column syncs.unreadable is 'Records that could not be read';
comment on column syncs.started_at is 'When it was asked for';
comment on column syncs.due_at is 'When the next page may be read';
comment on column syncs.finished_at is 'When it ended';
comment on column syncs.error is 'Why it failed';
