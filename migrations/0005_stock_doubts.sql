-- Sales booked from the web, and what is needed to doubt a fall of the stock to nothing.

alter table connections add column web_sale jsonb;
comment on column connections.web_sale is 'Register, employee and payment type of sales booked from the web: {"register_id","employee_id","payment_type_id"}; null while web sales are booked as counts';

alter table dirty add column vouched boolean not null default false;
comment on column dirty.vouched is 'An operator has said that the counts are right as they are now; cleared once that was used';
alter table dirty add column fall_seen_at timestamptz;
comment on column dirty.fall_seen_at is 'When a fall of the shop''s stock to nothing was first seen that its inventory log does not explain';

create table stock_marks (
    connection_id uuid not null,
    product_id    uuid not null,
    log_id        bigint not null,
    count         bigint not null,
    primary key (connection_id, product_id),
    foreign key (connection_id, product_id) references links on delete cascade
);
comment on table stock_marks is 'How the shop''s stock stood when both sides were last seen in step, for comparing its falls with the inventory log';
comment on column stock_marks.connection_id is 'Whose';
comment on column stock_marks.product_id is 'Which product';
comment on column stock_marks.log_id is 'inventoryLogID up to which every row is part of the count';
comment on column stock_marks.count is 'Pieces in the connected shops';
