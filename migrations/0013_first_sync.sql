-- The first sync as something that can be previewed, watched, trusted and broken off.

alter table syncs
    drop constraint syncs_state_check,
    add constraint syncs_state_check
        check (state in ('running', 'done', 'failed', 'awaiting_approval', 'cancelled')),
    drop constraint syncs_phase_check,
    add constraint syncs_phase_check check (phase in
        ('list_online', 'list_matrices', 'list_shop', 'mark', 'compare', 'compare_online', 'mark_missing', 'visit')),
    add column variants    bigint not null default 0,
    add column visits_from timestamptz,
    add column e_calls     bigint not null default 0,
    add column r_drips     double precision not null default 0,
    add column counts      jsonb not null default '{}';
comment on column syncs.state is 'running; done; failed; awaiting_approval: all but what the brake holds is done; cancelled by an operator';
comment on column syncs.phase is 'list_online: E-Series page by page; list_matrices and list_shop: R-Series page by page; mark: what was listed is marked, sellable products first; compare and compare_online: of a preview, what would be done; mark_missing: known records that were in no list are marked; visit: waits until every product has been visited';
comment on column syncs.variants is 'Of the items listed, those that are variants of a matrix';
comment on column syncs.visits_from is 'When the listing was over and the visits could begin';
comment on column syncs.e_calls is 'Calls to E-Series that the visits are expected to take';
comment on column syncs.r_drips is 'Drips on R-Series that the visits are expected to take';
comment on column syncs.counts is 'Of a preview: how many products of each kind, and what they cost';

create table looks (
    connection_id uuid not null references connections on delete cascade,
    kind          text not null check (kind in ('r_item', 'r_matrix', 'e_product')),
    record_id     bigint not null,
    sync_id       uuid not null,
    matrix_id     bigint,
    rank          smallint not null,
    record        text not null,
    log_id        bigint,
    asked_at      timestamptz not null,
    primary key (connection_id, kind, record_id)
);
comment on table looks is 'Records as the pages of a run showed them, until the run ends: its visits need not read them again';
comment on column looks.connection_id is 'Whose';
comment on column looks.kind is 'r_item, r_matrix or e_product';
comment on column looks.record_id is 'The platform''s id of the record';
comment on column looks.sync_id is 'The run';
comment on column looks.matrix_id is 'Of an item: the matrix it belongs to';
comment on column looks.rank is 'Of an item or a matrix: 1 published and in stock, 2 published, 3 neither';
comment on column looks.record is 'The record as JSON; not jsonb, which has no room for every text that JSON has';
comment on column looks.log_id is 'Of an item: place in the inventory log that was read before it';
comment on column looks.asked_at is 'When the platform was asked for it';
create index looks_of_matrix on looks (connection_id, matrix_id) where matrix_id is not null;

create table listed_skus (
    connection_id    uuid not null references connections on delete cascade,
    e_product_id     bigint not null,
    e_combination_id bigint not null,
    sku              text not null,
    marker           text not null,
    folded           text not null generated always as (lower(btrim(sku))) stored,
    primary key (connection_id, e_product_id, e_combination_id)
);
comment on table listed_skus is 'SKUs and markers that the pages of a run showed on E-Series, until the run ends';
comment on column listed_skus.connection_id is 'Whose';
comment on column listed_skus.e_product_id is 'The product';
comment on column listed_skus.e_combination_id is 'The variation; 0 for the product itself';
comment on column listed_skus.sku is 'Its SKU; may be empty';
comment on column listed_skus.marker is 'Its externalReferenceId; may be empty';
comment on column listed_skus.folded is 'The SKU without outer spaces and case';
create index listed_skus_folded on listed_skus (connection_id, folded);
create index listed_skus_marker on listed_skus (connection_id, marker) where marker <> '';

create table sync_items (
    connection_id uuid not null,
    sync_id       uuid not null,
    product_id    uuid not null,
    action        text not null,
    e_product_id  bigint,
    item          jsonb not null,
    primary key (connection_id, sync_id, product_id),
    check (action in ('create', 'link', 'change', 'remove', 'left_out', 'review', 'in_step', 'only_online')),
    foreign key (connection_id, sync_id) references syncs on delete cascade
);
comment on table sync_items is 'What a preview found, product by product';
comment on column sync_items.connection_id is 'Whose';
comment on column sync_items.sync_id is 'The run';
comment on column sync_items.product_id is 'The product';
comment on column sync_items.action is 'What a run would do';
comment on column sync_items.e_product_id is 'The E-Series product it is, or would be tied to';
comment on column sync_items.item is 'The same in full, as the REST interface shows it';

create table reviews (
    connection_id       uuid not null,
    product_id          uuid not null,
    code                text not null,
    reason              text not null,
    candidates          jsonb not null,
    found_at            timestamptz not null,
    choice              text check (choice in ('link', 'create')),
    chosen_e_product_id bigint,
    chosen_at           timestamptz,
    primary key (connection_id, product_id),
    foreign key (connection_id, product_id) references links on delete cascade,
    check ((choice = 'link') = (chosen_e_product_id is not null) or choice is null)
);
comment on table reviews is 'Products whose match is in doubt: a person says what they are';
comment on column reviews.connection_id is 'Whose';
comment on column reviews.product_id is 'The product that the shop has';
comment on column reviews.code is 'Reason for programs';
comment on column reviews.reason is 'Reason for the merchant';
comment on column reviews.candidates is 'Products on E-Series that it may be';
comment on column reviews.found_at is 'When the doubt arose';
comment on column reviews.choice is 'What the person said; null until then';
comment on column reviews.chosen_e_product_id is 'The product it is, if that was said';
comment on column reviews.chosen_at is 'When it was said';

alter table links add column r_seen_at timestamptz;
comment on column links.r_seen_at is 'When R-Series was asked for what the product was last compared with: nothing older is believed';
create index links_by_folded_sku on links (connection_id, lower(btrim(sku)));

alter table dirty
    add column run       boolean not null default false,
    add column behind    smallint not null default 0,
    add column r_told_at timestamptz;
comment on column dirty.run is 'Only a run over the whole catalogue asked for this visit';
comment on column dirty.behind is 'Minutes by which it stands behind others that are due at the same time';
comment on column dirty.r_told_at is 'When it was last said that its record on R-Series may have changed';
