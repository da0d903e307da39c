-- A preview of a connection that is paused needs a process that works on it, too.

create view connections_at_work as
    select connection_id, turn from connections c
    where state = 'active'
       or state = 'paused' and exists (select from syncs s where s.connection_id = c.connection_id
                                         and s.mode = 'preview' and s.state = 'running');
comment on view connections_at_work is 'Connections that some process has to work on';
comment on column connections_at_work.connection_id is 'Which';
comment on column connections_at_work.turn is 'Order in which connections are served';
