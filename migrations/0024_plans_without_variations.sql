-- Whether the plan of a store has variations at all, so that nothing is taken off the web for a home that it cannot have.

alter table connections add column e_variations boolean;
comment on column connections.e_variations is 'Whether the plan of the E-Series store has variations: availableFeatures names COMBINATIONS, or one was refused for the plan; null when neither has told';
