-- What each shop has, so that other shops can be looked ahead at.

create table shop_counts (
    connection_id uuid not null,
    product_id    uuid not null,
    counts        jsonb not null,
    primary key (connection_id, product_id),
    foreign key (connection_id, product_id) references links on delete cascade
);
comment on table shop_counts is 'Pieces of a simple product or variant in each R-Series shop, connected or not, when it was last carried; the shadow knows their sum over the connected ones alone';
comment on column shop_counts.connection_id is 'Whose';
comment on column shop_counts.product_id is 'Which product';
comment on column shop_counts.counts is 'By shopID; a shop that is missing has none';
