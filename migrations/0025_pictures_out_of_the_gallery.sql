-- A variant whose item has no picture of its own shows one out of the gallery of its matrix.

comment on column image_owners.carried is 'The pictures that R-Series had when they were last carried completely, in their order; "gallery" and one picture where a variant without any shows one of its matrix; null when never';
