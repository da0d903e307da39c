-- A matrix is one product with variants. A variant is a link of its own with a parent, so that everything that
-- holds for a product (one visit at a time, shadows, open writes, holds) holds for each variant.

alter table links
    add column r_matrix_id bigint,
    add column e_combination_id bigint,
    add column parent_id uuid,
    add constraint links_r_matrix unique (connection_id, r_matrix_id),
    add constraint links_parent foreign key (connection_id, parent_id)
        references links (connection_id, product_id) on delete cascade,
    drop constraint links_check,
    add constraint links_some_half
        check (r_item_id is not null or r_matrix_id is not null or e_product_id is not null),
    add constraint links_matrix_is_whole
        check (r_matrix_id is null or (r_item_id is null and parent_id is null)),
    add constraint links_variation_has_product
        check (e_combination_id is null or (e_product_id is not null and parent_id is not null)),
    add constraint links_variant_has_own_half
        check (parent_id is null or r_item_id is not null or e_combination_id is not null),
    drop constraint links_e_product;

-- A product and its variations share the product's id.
create unique index links_e_product on links (connection_id, e_product_id) where e_combination_id is null;
create unique index links_e_variation on links (connection_id, e_product_id, e_combination_id)
    where e_combination_id is not null;
create index links_children on links (connection_id, parent_id) where parent_id is not null;

comment on column links.r_item_id is 'R-Series itemID, of a simple product or of a variant';
comment on column links.r_matrix_id is 'R-Series itemMatrixID, of a product with variants';
comment on column links.e_product_id is 'E-Series product id; of a variant, the product its variation belongs to';
comment on column links.e_combination_id is 'E-Series variation (combination) id, of a variant';
comment on column links.parent_id is 'The product a variant belongs to';

alter table ledger
    drop constraint ledger_kind_check,
    add constraint ledger_kind_check
        check (kind in ('write', 'create', 'remove', 'stock', 'verdict', 'conflict', 'echo', 'link', 'hold', 'operator'));
comment on column ledger.kind is 'write: fields replaced; create; remove: with everything it had in before; stock: pieces added; verdict: news taken without a call; conflict: both changed; echo: our own write came back; link; hold; operator';

alter table syncs
    drop constraint syncs_phase_check,
    add constraint syncs_phase_check
        check (phase in ('list_online', 'list_matrices', 'list_shop', 'mark_missing', 'visit'));
comment on column syncs.phase is 'list_online: E-Series page by page; list_matrices and list_shop: R-Series page by page; mark_missing: known records that were in no list are marked; visit: waits until every product has been visited';
