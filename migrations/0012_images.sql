-- Pictures: what the shop was seen to have, whose pictures are news, and what was uploaded where.

create table image_owners (
    connection_id         uuid not null references connections on delete cascade,
    owner                 text not null check (owner in ('item', 'matrix')),
    owner_id              bigint not null,
    news                  bigint not null default 1,
    seen                  bigint not null default 0,
    carried               text,
    e_product_id          bigint,
    e_combination_id      bigint,
    primary key (connection_id, owner, owner_id)
);
comment on table image_owners is 'Items and matrices of R-Series that have, or had, pictures: whether a visit has to look at them';
comment on column image_owners.connection_id is 'Whose';
comment on column image_owners.owner is 'item or matrix';
comment on column image_owners.owner_id is 'R-Series itemID or itemMatrixID';
comment on column image_owners.news is 'Counts reasons to look; more than seen means that a visit has to';
comment on column image_owners.seen is 'The count at the last visit that carried the pictures completely';
comment on column image_owners.carried is 'The pictures that R-Series had when they were last carried completely, in their order; null when never';
comment on column image_owners.e_product_id is 'E-Series product that they were carried to; another one gets them anew';
comment on column image_owners.e_combination_id is 'Its variation, of a variant';

create table image_sightings (
    connection_id uuid not null references connections on delete cascade,
    r_image_id    bigint not null,
    owner         text not null check (owner in ('item', 'matrix')),
    owner_id      bigint not null,
    digest        text not null,
    record        jsonb not null,
    seen_at       timestamptz not null,
    primary key (connection_id, r_image_id)
);
comment on table image_sightings is 'Every picture that R-Series was seen to have: a deletion leaves no other trace there';
comment on column image_sightings.connection_id is 'Whose';
comment on column image_sightings.r_image_id is 'R-Series imageID';
comment on column image_sightings.owner is 'item or matrix';
comment on column image_sightings.owner_id is 'R-Series itemID or itemMatrixID';
comment on column image_sightings.digest is 'Hash of what is carried of it';
comment on column image_sightings.record is 'What is carried of it, so that a first visit need not read it again';
comment on column image_sightings.seen_at is 'When the walk over all pictures began that last saw it, or the poll that found it';
create index image_sightings_by_time on image_sightings (connection_id, seen_at);
create index image_sightings_by_owner on image_sightings (connection_id, owner, owner_id);

create table images (
    connection_id    uuid not null,
    product_id       uuid not null,
    r_image_id       bigint not null,
    public_id        text not null,
    e_product_id     bigint not null,
    e_combination_id bigint,
    e_url            text,
    state            text not null check (state in ('online', 'refused')),
    code             text,
    reason           text,
    at               timestamptz not null,
    primary key (connection_id, product_id, r_image_id, public_id),
    foreign key (connection_id, product_id) references links on delete cascade
);
comment on table images is 'Which picture of R-Series was uploaded to which product or variation of E-Series, or why not';
comment on column images.connection_id is 'Whose';
comment on column images.product_id is 'Which product';
comment on column images.r_image_id is 'R-Series imageID';
comment on column images.public_id is 'R-Series publicID: together with the imageID it tells one picture from all others';
comment on column images.e_product_id is 'E-Series product that it was uploaded to';
comment on column images.e_combination_id is 'Its variation, of a variant';
comment on column images.e_url is 'Address of the original on E-Series when last looked at: it tells the picture where E-Series shows no externalId';
comment on column images.state is 'online: uploaded; refused: parked with the reason';
comment on column images.code is 'Reason for programs, of one that is refused';
comment on column images.reason is 'Reason for the merchant';
comment on column images.at is 'When it was uploaded or refused';
