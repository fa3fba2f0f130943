-- Functions, procedures and aggregates.
CREATE SCHEMA lib;
CREATE TABLE lib.item (id integer PRIMARY KEY, name text, price numeric);
CREATE FUNCTION lib.plain(a integer, b text DEFAULT 'x, ''y''', VARIADIC c integer[] DEFAULT '{}') RETURNS text
    LANGUAGE plpgsql STABLE STRICT LEAKPROOF SECURITY DEFINER PARALLEL SAFE COST 7
    SET search_path TO lib, public, "we ird" SET work_mem TO '8MB' SET "DateStyle" FROM CURRENT
    AS $f$ BEGIN RETURN $$inner$$ || $_$under$_$ || E'\\back' || b; END $f$;
CREATE FUNCTION lib.body_with_cr() RETURNS text LANGUAGE sql AS E'SELECT \'a\r\nb\'::text';
CREATE FUNCTION lib."Quoted Name"("Arg 1" integer, OUT "select" text, INOUT z integer) LANGUAGE sql AS 'SELECT ''x''::text, 1';
CREATE FUNCTION lib.rows_of() RETURNS TABLE (id integer, label text) LANGUAGE sql ROWS 5 AS 'SELECT 1, ''a''';
CREATE FUNCTION lib.set_of() RETURNS SETOF lib.item LANGUAGE sql STABLE AS 'SELECT * FROM lib.item';
CREATE FUNCTION lib.any_of(anyelement, anyarray) RETURNS anyelement LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE FUNCTION lib.missing_things() RETURNS integer LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT nowhere.x FROM nowhere); END';
SET check_function_bodies = off;
CREATE FUNCTION lib.missing_sql() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM not_there_at_all';
SET check_function_bodies = on;
CREATE FUNCTION lib.atomic(n integer) RETURNS SETOF text LANGUAGE sql
    BEGIN ATOMIC SELECT i.name FROM lib.item i WHERE i.id > n; SELECT 'last; one' AS last; END;
CREATE FUNCTION lib.needs_key() RETURNS SETOF text LANGUAGE sql
    BEGIN ATOMIC SELECT i.name FROM lib.item i GROUP BY i.id; END;
CREATE FUNCTION lib.returning(a integer) RETURNS integer LANGUAGE sql IMMUTABLE RETURN a + 1;
CREATE FUNCTION lib.calls_later(a integer) RETURNS integer LANGUAGE sql RETURN lib.returning(a) + 1;
CREATE PROCEDURE lib.proc(a integer, OUT c integer, INOUT b text DEFAULT 'b') LANGUAGE plpgsql AS 'BEGIN c := 1; END';
CREATE PROCEDURE lib.atomic_proc(a integer) LANGUAGE sql BEGIN ATOMIC INSERT INTO lib.item VALUES (a); END;
CREATE FUNCTION lib.on_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE FUNCTION lib.my_row_number() RETURNS bigint LANGUAGE internal WINDOW IMMUTABLE STRICT AS 'window_row_number';
CREATE FUNCTION lib.sum_step(numeric, numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT coalesce($1, 0) + coalesce($2, 0)';
CREATE FUNCTION lib.sum_back(numeric, numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT $1 - coalesce($2, 0)';
CREATE FUNCTION lib.sum_done(numeric, numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT $1';
CREATE AGGREGATE lib.total(numeric) (SFUNC = lib.sum_step, STYPE = numeric, SSPACE = 64, INITCOND = '0', COMBINEFUNC = lib.sum_step,
    MSFUNC = lib.sum_step, MINVFUNC = lib.sum_back, MSTYPE = numeric, MINITCOND = '0', PARALLEL = SAFE);
CREATE AGGREGATE lib.total_extra(numeric) (SFUNC = lib.sum_step, STYPE = numeric, FINALFUNC = lib.sum_done, FINALFUNC_EXTRA,
    FINALFUNC_MODIFY = SHAREABLE, PARALLEL = RESTRICTED);
CREATE AGGREGATE lib.smallest(integer) (SFUNC = int4smaller, STYPE = integer, SORTOP = OPERATOR(pg_catalog.<));
CREATE AGGREGATE lib.average(float8) (SFUNC = float8_accum, STYPE = float8[], FINALFUNC = float8_avg, INITCOND = '{0,0,0}', COMBINEFUNC = float8_combine);
CREATE AGGREGATE lib.count_all(*) (SFUNC = int8inc, STYPE = bigint, INITCOND = '0');
CREATE AGGREGATE lib.collect(VARIADIC "any") (SFUNC = ordered_set_transition_multi, STYPE = internal, FINALFUNC = rank_final, FINALFUNC_EXTRA, FINALFUNC_MODIFY = READ_WRITE);
CREATE AGGREGATE lib.percentile(float8 ORDER BY anyelement) (SFUNC = ordered_set_transition, STYPE = internal, FINALFUNC = percentile_disc_final, FINALFUNC_EXTRA = true, FINALFUNC_MODIFY = READ_WRITE);
CREATE AGGREGATE lib.ranked(VARIADIC "any" ORDER BY VARIADIC "any") (SFUNC = ordered_set_transition_multi, STYPE = internal, FINALFUNC = rank_final, FINALFUNC_EXTRA = true, HYPOTHETICAL);
CREATE AGGREGATE lib.sum_int(int8) (SFUNC = int8_avg_accum, STYPE = internal, FINALFUNC = numeric_poly_avg, COMBINEFUNC = int8_avg_combine, SERIALFUNC = int8_avg_serialize, DESERIALFUNC = int8_avg_deserialize, PARALLEL = SAFE);
COMMENT ON FUNCTION lib.plain(integer, text, integer[]) IS 'has "quotes" and ''apostrophes''';
COMMENT ON FUNCTION lib."Quoted Name"(integer, integer) IS 'quoted';
COMMENT ON PROCEDURE lib.proc(integer, OUT integer, INOUT text) IS 'a procedure';
COMMENT ON AGGREGATE lib.count_all(*) IS 'no arguments';
COMMENT ON AGGREGATE lib.percentile(float8 ORDER BY anyelement) IS 'ordered';
COMMENT ON AGGREGATE lib.ranked(VARIADIC "any" ORDER BY VARIADIC "any") IS 'hypothetical';
