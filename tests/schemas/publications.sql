-- Publications and event triggers.
-- Roles: mbs_owner, mbs_admin (a superuser).
CREATE SCHEMA app;
CREATE SCHEMA "Odd P";
CREATE TABLE app.orders (id integer PRIMARY KEY, total numeric, note text, secret text);
CREATE TABLE "Odd P"."Odd T" (id integer PRIMARY KEY, "a b" text);
CREATE TABLE app.parted (id integer PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE app.part_1 PARTITION OF app.parted FOR VALUES FROM (0) TO (10);
CREATE PUBLICATION nothing;
CREATE PUBLICATION "Odd pub" FOR TABLE app.orders, "Odd P"."Odd T" WITH (publish = 'insert, update');
CREATE PUBLICATION rooted FOR TABLE app.parted WITH (publish = 'delete, truncate', publish_via_partition_root = true);
CREATE PUBLICATION everything FOR ALL TABLES WITH (publish = '');
ALTER PUBLICATION rooted OWNER TO mbs_owner;
COMMENT ON PUBLICATION nothing IS 'none at all';
CREATE TABLE seen_ddl (tag text);
CREATE FUNCTION note_ddl() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.seen_ddl VALUES (tg_tag); END';
CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no more changes''; END';
CREATE EVENT TRIGGER "Note it" ON ddl_command_end EXECUTE FUNCTION note_ddl();
CREATE EVENT TRIGGER noted_tags ON ddl_command_start WHEN TAG IN ('CREATE TABLE', 'DROP TABLE') EXECUTE FUNCTION note_ddl();
CREATE EVENT TRIGGER noted_drop ON sql_drop EXECUTE FUNCTION note_ddl();
CREATE EVENT TRIGGER noted_rewrite ON table_rewrite EXECUTE FUNCTION note_ddl();
ALTER EVENT TRIGGER noted_drop ENABLE ALWAYS;
ALTER EVENT TRIGGER noted_rewrite ENABLE REPLICA;
ALTER EVENT TRIGGER noted_tags DISABLE;
ALTER EVENT TRIGGER noted_drop OWNER TO mbs_admin;
COMMENT ON EVENT TRIGGER "Note it" IS 'an event trigger';
TRUNCATE seen_ddl;
CREATE EVENT TRIGGER stopped ON ddl_command_start EXECUTE FUNCTION refuse();
