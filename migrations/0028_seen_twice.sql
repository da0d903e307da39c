-- What E-Series' lists do not show yet, and products that may be there twice.

alter table syncs
    drop constraint syncs_phase_check,
    add constraint syncs_phase_check check (phase in
        ('list_online', 'list_matrices', 'list_shop', 'list_recent', 'mark', 'compare', 'compare_online', 'mark_missing',
         'visit'));
comment on column syncs.phase is 'list_online: E-Series page by page; list_matrices and list_shop: R-Series page by page; list_recent: once more what changed on E-Series shortly before; mark: what was listed is marked, sellable products first; compare and compare_online: of a preview, what would be done; mark_missing: known records that were in no list are marked; visit: waits until every product has been visited';

alter table reviews add column settled_at timestamptz;
comment on table reviews is 'Products whose match is, or was, in doubt: a person says what they are';
comment on column reviews.product_id is 'The product that the shop has, or one that only E-Series has and that may be a product in step';
comment on column reviews.settled_at is 'When a visit did what the person said; kept, so that it is not asked again about the same candidates';
