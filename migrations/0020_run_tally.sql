-- What a run has come to is what it was when the run ended, not what its products are by now.

alter table syncs add column tally jsonb;
comment on column syncs.tally is 'The last numbers of a run that has ended: done, linked, parked, reviews, failing, held; null while it goes on, and of runs that ended before these were kept';
