-- Currencies without decimals: the shop's prices are then rounded as the store shows them.

alter table connections add column e_price_decimals smallint;
comment on column connections.e_price_decimals is 'E-Series formatsAndUnits.currencyPrecision: decimals of an amount in the store''s currency; null while it is not known';
