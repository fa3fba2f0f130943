-- Enum, domain, composite and range types with what makes each of them difficult.
CREATE SCHEMA "Types & more";
CREATE TYPE mood AS ENUM ('sad', 'ok', 'it''s "fine"', 'back\slash');
ALTER TYPE mood ADD VALUE 'meh' BEFORE 'ok';
ALTER TYPE mood ADD VALUE 'quite ok' AFTER 'meh';
ALTER TYPE mood RENAME VALUE 'sad' TO 'glum';
CREATE TYPE "Types & more".nothing AS ENUM ();
CREATE TYPE shell_only;
CREATE TYPE point3 AS (x double precision, y double precision, "Z z" numeric(10, 3), label text COLLATE "C");
CREATE TYPE empty_composite AS ();
CREATE TYPE nested AS (points point3[], feeling mood, spans int4range[]);
ALTER TYPE nested DROP ATTRIBUTE feeling;
ALTER TYPE nested ADD ATTRIBUTE feeling mood;
CREATE DOMAIN positive AS numeric(12, 2) DEFAULT 1.50 NOT NULL
    CONSTRAINT over_zero CHECK (VALUE > 0) CONSTRAINT under_a_million CHECK (VALUE < 1000000);
CREATE DOMAIN shout AS varchar(20) COLLATE "C" CHECK (upper(VALUE) = VALUE);
CREATE DOMAIN moods AS mood[] CHECK (array_length(VALUE, 1) < 5);
CREATE DOMAIN over_domain AS positive CHECK (VALUE <> 13);
CREATE DOMAIN of_range AS int4range DEFAULT 'empty';
CREATE DOMAIN of_composite AS point3 CHECK ((VALUE).x > 0);
CREATE DOMAIN lately AS date DEFAULT CURRENT_DATE;
CREATE DOMAIN not_yet AS integer;
CREATE TABLE uses_not_yet (a not_yet);
INSERT INTO uses_not_yet VALUES (-1);
ALTER DOMAIN not_yet ADD CONSTRAINT positive_one_day CHECK (VALUE > 0) NOT VALID;
-- A check that calls a function that takes the domain: a circle.
CREATE DOMAIN circular AS text;
CREATE FUNCTION circular_ok(circular) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN true; END';
ALTER DOMAIN circular ADD CONSTRAINT through_function CHECK (circular_ok(VALUE));
CREATE TYPE text_span AS RANGE (subtype = text, collation = "C", subtype_opclass = text_pattern_ops);
CREATE TYPE float_span AS RANGE (subtype = float8, subtype_diff = float8mi, multirange_type_name = "Types & more"."Float spans");
CREATE TYPE stepped;
CREATE FUNCTION stepped_canonical(stepped) RETURNS stepped LANGUAGE internal IMMUTABLE STRICT AS 'int4range_canonical';
CREATE FUNCTION stepped_diff(integer, integer) RETURNS double precision LANGUAGE sql IMMUTABLE AS 'SELECT ($1 - $2)::double precision';
CREATE TYPE stepped AS RANGE (subtype = integer, canonical = stepped_canonical, subtype_diff = stepped_diff);
CREATE TABLE uses_types (
    m mood DEFAULT 'ok', p point3, ps point3[], n nested, d positive, s shout, r float_span,
    mr "Types & more"."Float spans", st stepped, sts stepped[], c circular, o of_composite);
COMMENT ON TYPE mood IS 'how one feels';
COMMENT ON TYPE point3 IS 'a point';
COMMENT ON COLUMN point3."Z z" IS 'upwards';
COMMENT ON DOMAIN positive IS 'more than nothing';
COMMENT ON CONSTRAINT over_zero ON DOMAIN positive IS 'really';
COMMENT ON CONSTRAINT through_function ON DOMAIN circular IS 'round and round';
COMMENT ON CONSTRAINT positive_one_day ON DOMAIN not_yet IS 'later';
COMMENT ON TYPE float_span IS 'floats';
COMMENT ON SCHEMA "Types & more" IS E'a schema\nof two lines, and a back\\slash';
