-- What the plan has room for.

alter table connections
    add column e_full_at       bigint,
    add column e_limit_read_at timestamptz;
comment on column connections.e_full_at is 'Products online when E-Series said that its plan has no room for another, although maxProductLimit had; null when it has not said so';
comment on column connections.e_limit_read_at is 'When maxProductLimit was last read again; null when only at connecting';
create index dirty_no_room on dirty (connection_id, product_id) where park_code = 'plan_limit';
