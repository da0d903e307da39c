-- Pictures that existed online alone, kept before they go, so that they can be put back.

create table kept_pictures (
    connection_id uuid not null,
    product_id    uuid not null,
    url           text not null,
    bytes         bytea not null,
    kept_at       timestamptz not null,
    primary key (connection_id, product_id, url),
    foreign key (connection_id, product_id) references links on delete cascade
);
comment on table kept_pictures is 'Pictures that existed on E-Series alone, read before their product was removed or they were taken down: the address in the ledger leads nowhere after that';
comment on column kept_pictures.connection_id is 'Whose';
comment on column kept_pictures.product_id is 'Which product; of a removal the one that was removed, for the pictures of its variations too';
comment on column kept_pictures.url is 'Where it was, as the ledger names it';
comment on column kept_pictures.bytes is 'The picture, at most 20 MB';
comment on column kept_pictures.kept_at is 'When it was read; it goes with the ledger of that time, unless its product is still off the web';
create index kept_pictures_by_time on kept_pictures (kept_at);

alter table edits drop constraint edits_act_check;
alter table edits add constraint edits_act_check check (act in ('values', 'stock', 'remove', 'pictures'));
alter table edits add column pictures text[];
comment on column edits.act is 'values: a field is to show these; stock: pieces are to be added; remove: the product is to leave the web; pictures: these are to be shown again';
comment on column edits.pictures is 'Where the pictures were that are to be shown again, as the ledger names them';
