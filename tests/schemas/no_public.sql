-- A database without schema public, and names that need quoting everywhere.
DROP SCHEMA public;
CREATE SCHEMA "a.b";
CREATE SCHEMA "new
line";
CREATE TABLE "new
line"."t "" able" ("c'ol" integer, "select" text);
CREATE VIEW "a.b"."%s" AS SELECT * FROM "new
line"."t "" able";
COMMENT ON COLUMN "new
line"."t "" able"."c'ol" IS '$$ $1 %s';
