-- What operators want of many products at once.

create table wishes (
    connection_id uuid not null,
    product_id    uuid not null,
    enabled       boolean not null,
    entry_id      uuid not null,
    primary key (connection_id, product_id),
    foreign key (connection_id, product_id) references links on delete cascade
);
comment on table wishes is 'Products that an operator wants to be offered on the web, or not to be, until a visit has seen to it';
comment on column wishes.connection_id is 'Whose';
comment on column wishes.product_id is 'Which product';
comment on column wishes.enabled is 'To be offered';
comment on column wishes.entry_id is 'The ledger entry of the order that asked for it';
create index wishes_by_order on wishes (connection_id, entry_id);
