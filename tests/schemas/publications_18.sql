-- Publications of generated columns.
CREATE TABLE computed (id integer PRIMARY KEY, twice integer GENERATED ALWAYS AS (id * 2) STORED);
CREATE PUBLICATION generated FOR TABLE computed WITH (publish_generated_columns = stored);
CREATE PUBLICATION listed FOR TABLE computed (id, twice);
