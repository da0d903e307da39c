-- What an operator decides about a product that is on one side alone.

create table decisions (
    connection_id uuid not null,
    product_id    uuid not null,
    choice        text not null check (choice in ('create_on_r_series', 'recreate', 'unpublish')),
    entry_id      uuid not null,
    primary key (connection_id, product_id),
    foreign key (connection_id, product_id) references links on delete cascade
);
comment on table decisions is 'What an operator decided about products that are on one side alone, until a visit has seen to it';
comment on column decisions.connection_id is 'Whose';
comment on column decisions.product_id is 'Which product';
comment on column decisions.choice is 'create_on_r_series: born on E-Series, to be created on R-Series; recreate: deleted on E-Series, to be created there again; unpublish: deleted on E-Series, to be taken off the web in the shop as well';
comment on column decisions.entry_id is 'The ledger entry of the decision';
