-- Other shops can be connected than those that a connection was made with.

alter table links add column r_stock_shops bigint[];
comment on column links.r_stock_shops is 'R-Series shops over which the stock in the shadow was summed, ascending: others than the connection''s until a change of its shops has been carried, which is how a fall of the stock is known to be an operator''s doing; null while no stock was carried';
update links l set r_stock_shops = c.r_shop_ids from connections c
where c.connection_id = l.connection_id and l.shadow #> '{r_series,stock}' is not null;

alter table links add column owed_shop_id bigint;
comment on column links.owed_shop_id is 'R-Series shop in which owed_on_r is to be put back, which need not be the primary one any more; null while nothing is owed';
update links l set owed_shop_id = c.r_primary_shop_id from connections c
where c.connection_id = l.connection_id and l.owed_on_r <> 0;
