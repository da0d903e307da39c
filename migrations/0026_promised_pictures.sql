-- E-Series answers an asynchronous upload before it has read the picture: until a copy of it is seen, it is promised.

alter table images drop constraint images_state_check;
alter table images add constraint images_state_check check (state in ('online', 'promised', 'missed', 'refused'));

comment on column images.state is 'online: uploaded; promised: E-Series has its address and was not seen to have the picture yet; missed: it never came, and is to be uploaded as bytes; refused: parked with the reason';
comment on column images.e_url is 'Address of the original on E-Series when last looked at, of one that is promised perhaps that on R-Series: it tells the picture where E-Series shows no externalId';
comment on column images.at is 'When it was uploaded, promised or refused';

create index images_promised on images (connection_id, product_id) where state in ('promised', 'missed');
