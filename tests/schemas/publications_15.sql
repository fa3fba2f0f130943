-- Publications with column lists, row filters and schemas.
CREATE SCHEMA app;
CREATE SCHEMA "Odd P";
CREATE TYPE app.state AS ENUM ('open', 'closed');
CREATE TABLE app.orders (id integer PRIMARY KEY, total numeric, state app.state, dropped text, "a b" text);
ALTER TABLE app.orders DROP COLUMN dropped;
CREATE PUBLICATION columns FOR TABLE app.orders ("a b", id);
CREATE PUBLICATION filtered FOR TABLE app.orders WHERE (total > 10 AND "a b" = 'open') WITH (publish = 'insert');
CREATE PUBLICATION both_ways FOR TABLE app.orders (id, total) WHERE (id > 5);
CREATE PUBLICATION schemas FOR TABLES IN SCHEMA "Odd P", app;
CREATE PUBLICATION mixed FOR TABLES IN SCHEMA "Odd P", TABLE app.orders;
