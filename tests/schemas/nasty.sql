-- A database of everything that a clone may get wrong: names, types and their extreme values, tables that break
-- assumptions, partitions, inheritance, every constraint, views on views, functions, triggers, policies, comments,
-- owners, grants, sequences at odd values, large objects.
--
-- It needs a superuser, an empty database and the roles nasty_owner, nasty_reader and nasty_writer; the tests replace
-- these three names by ones of their own. It loads on PostgreSQL 15 and newer. Kinds of objects that a clone does not
-- know yet are not here: each issue that teaches it some adds them.

SET client_min_messages = warning;
SET check_function_bodies = off;
SET TimeZone = 'UTC';

-- Schemas and names ------------------------------------------------------------------------------------------------

CREATE SCHEMA app AUTHORIZATION nasty_owner;
CREATE SCHEMA "Odd ""Schema"" ßß";
CREATE SCHEMA empty_schema;
COMMENT ON SCHEMA app IS 'it''s the app''s; with \ and % and $1 and "quotes"';
COMMENT ON SCHEMA "Odd ""Schema"" ßß" IS E'two\nlines';
GRANT USAGE ON SCHEMA app TO nasty_reader, nasty_writer;
GRANT CREATE ON SCHEMA app TO nasty_writer WITH GRANT OPTION;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO nasty_reader;

CREATE EXTENSION btree_gist;
CREATE EXTENSION citext SCHEMA "Odd ""Schema"" ßß";
COMMENT ON EXTENSION btree_gist IS 'a comment of our own';

-- A table whose names are 63 bytes, with newline, quotes, percent, dollar, backslash, tab, a leading space.
CREATE TABLE "Odd ""Schema"" ßß"."line
break "" % $1 $$ \ 	tab" (
    " leading space" int,
    "percent % and %s" text DEFAULT '$$ $_$ \ '' %',
    "new
line" text,
    "select" int,
    "日本語の列" text,
    "sixty_three_bytes_sixty_three_bytes_sixty_three_bytes_sixty_thr" int,
    CONSTRAINT "check "" with
newline" CHECK ("select" IS NULL OR "select" > 0)
);
INSERT INTO "Odd ""Schema"" ßß"."line
break "" % $1 $$ \ 	tab" VALUES
    (1, DEFAULT, E'a\nb\tc\\d', 5, 'ü', -1), (2, '\.', '\N', NULL, '', 0), (NULL, NULL, NULL, NULL, NULL, NULL);
CREATE INDEX "index on line
break" ON "Odd ""Schema"" ßß"."line
break "" % $1 $$ \ 	tab" (" leading space", "new
line" DESC NULLS LAST);
COMMENT ON TABLE "Odd ""Schema"" ßß"."line
break "" % $1 $$ \ 	tab" IS E'-- not a comment\n\\connect nowhere\n';
COMMENT ON COLUMN "Odd ""Schema"" ßß"."line
break "" % $1 $$ \ 	tab"."new
line" IS '\.';
CREATE TABLE public."ÄÖÜ_31_two_byte_letters_and_more_ÄÖÜÄÖÜÄÖÜÄÖÜÄÖÜÄ" (id int PRIMARY KEY);
INSERT INTO public."ÄÖÜ_31_two_byte_letters_and_more_ÄÖÜÄÖÜÄÖÜÄÖÜÄÖÜÄ" VALUES (1);
CREATE TABLE public."user" ("order" int, "table" text, system_user_name text);
INSERT INTO public."user" VALUES (1, 'one', 'x');

-- Types ------------------------------------------------------------------------------------------------------------

CREATE TYPE app.mood AS ENUM ('sad', 'ok', 'it''s "happy"');
ALTER TYPE app.mood ADD VALUE 'fine' BEFORE 'ok';
ALTER TYPE app.mood ADD VALUE 'better' AFTER 'ok';
ALTER TYPE app.mood ADD VALUE 'best' AFTER 'better';
ALTER TYPE app.mood RENAME VALUE 'best' TO 'Best';
ALTER TYPE app.mood OWNER TO nasty_owner;
COMMENT ON TYPE app.mood IS 'how it feels';
REVOKE USAGE ON TYPE app.mood FROM PUBLIC;
GRANT USAGE ON TYPE app.mood TO nasty_reader;
CREATE TYPE app.no_labels AS ENUM ();

CREATE FUNCTION app.is_even(int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 % 2 = 0';
CREATE DOMAIN app.even AS int DEFAULT 2 NOT NULL CHECK (app.is_even(VALUE)) CONSTRAINT small CHECK (VALUE < 1000000);
COMMENT ON DOMAIN app.even IS 'even numbers';
COMMENT ON CONSTRAINT small ON DOMAIN app.even IS 'not too big';
CREATE DOMAIN app.short AS varchar(10) COLLATE "C";
CREATE DOMAIN app.short_or_empty AS app.short CHECK (length(VALUE) < 5);
CREATE DOMAIN app.moods AS app.mood[] CHECK (array_length(VALUE, 1) < 9);
CREATE DOMAIN app.loose AS int;
ALTER DOMAIN app.loose ADD CONSTRAINT later CHECK (VALUE > 0) NOT VALID;

CREATE TYPE app.point3 AS (x double precision, y double precision, "Z z" numeric(10, 3));
COMMENT ON TYPE app.point3 IS 'three numbers';
COMMENT ON COLUMN app.point3."Z z" IS 'the third';
CREATE TYPE app.nested AS (p app.point3, many app.point3[], m app.mood, t text COLLATE "C");
CREATE TYPE app.nothing AS ();
CREATE TYPE app.textrange AS RANGE (subtype = text, collation = "C", multirange_type_name = app.many_texts);
CREATE TYPE app.floatrange AS RANGE (subtype = float8, subtype_diff = float8mi);
CREATE DOMAIN app.price AS numeric(12, 2) CHECK (VALUE >= 0);
CREATE DOMAIN app.place AS app.point3 CHECK (VALUE IS NULL OR (VALUE).x IS NOT NULL);
CREATE DOMAIN app.period AS app.floatrange;

CREATE TABLE app.of_types (
    id int PRIMARY KEY,
    m app.mood,
    ms app.mood[],
    e app.even,
    es app.even[],
    s app.short_or_empty,
    d app.moods,
    p app.point3,
    n app.nested,
    ns app.nested[],
    r app.textrange,
    mr app.many_texts,
    f app.floatrange[],
    z app.nothing,
    ci "Odd ""Schema"" ßß".citext,
    pl app.place,
    pe app.period,
    l app.loose
);
INSERT INTO app.of_types VALUES
    (1, 'it''s "happy"', '{sad,NULL,"it''s \"happy\"",Best}', 4, '{2,4}', 'abc', '{fine,better}', '(1.5,NaN,3.125)',
     ROW (ROW (1, 2, 3), ARRAY [ROW (4, 5, 6)::app.point3, NULL], 'sad', E'a"b,(c)\\\n'),
     ARRAY [NULL, ROW (NULL, NULL, NULL, NULL)]::app.nested[], '[a,"b,c")', '{[a,b],(c,)}',
     '{"[1,2)",empty,"(,)"}', ROW (), 'CaSe', '(1,2,3)', '[-Infinity,Infinity]', 5),
    (2, NULL, '{}', 2, NULL, '', '{}', '(,,)', NULL, '{}', 'empty', '{}', '{}', NULL, NULL, NULL, NULL, NULL);
INSERT INTO app.of_types (id, m, e) SELECT g, (enum_range(NULL::app.mood))[1 + g % 6], 2 * g FROM generate_series(3, 40) g;

-- Every built-in type that a column can have, extreme values of it, arrays of it, a domain over it, arrays of that.
CREATE SCHEMA types;
CREATE FUNCTION types.make(type text, VARIADIC inputs text[]) RETURNS void LANGUAGE plpgsql AS $make$
DECLARE
    input text;
    list text;
    id int := 0;
BEGIN
    EXECUTE format('CREATE DOMAIN types.%I AS %s', 'd_' || type, type);
    EXECUTE format('CREATE TABLE types.%I (id int, v %s, a %2$s[], d types.%3$I, da types.%3$I[], boxed %2$s[])',
        't_' || type, type, 'd_' || type);
    FOREACH input IN ARRAY inputs LOOP
        id := id + 1;
        list := format('ARRAY [%1$L, NULL, %1$L]', input);
        EXECUTE format('INSERT INTO types.%I VALUES ($1, %L::%s, %s::%3$s[], %2$L::%3$s, %4$s::types.%5$I[], '
            'array_fill(%2$L::%3$s, ARRAY [2, 2, 1], ARRAY [-1, 0, 7]))',
            't_' || type, input, type, list, 'd_' || type) USING id;
    END LOOP;
    EXECUTE format('INSERT INTO types.%I VALUES (0, NULL, NULL, NULL, ''{}'', ''{}'')', 't_' || type);
END
$make$;
SELECT types.make('boolean', 't', 'f');
SELECT types.make('bytea', '', '\x00', '\x0001feff5c0a27', 'abc');
SELECT types.make('"char"', 'a', '', '\377', '\');
SELECT types.make('name', '', 'a "name"', repeat('n', 63));
SELECT types.make('int8', '9223372036854775807', '-9223372036854775808', '0');
SELECT types.make('int2', '32767', '-32768');
SELECT types.make('int2vector', '1 2 -3', '');
SELECT types.make('int4', '2147483647', '-2147483648');
SELECT types.make('oid', '0', '4294967295');
SELECT types.make('oidvector', '1 4294967295', '');
SELECT types.make('text', '', ' ', E'\n', E'\\', '\N', '\.', 'NULL', '{}', '"', ',', E'a\tb\r\nc\bd\fe\vf', E'\x7f',
    E'\u0080\u07ff\u0800\uffff', U&'\+010000\+10FFFF', 'e' || E'\u0301', repeat('long ', 3000), repeat('x', 127), repeat('x', 128));
SELECT types.make('varchar(7)', '', 'seven c', 'ÄÖÜßéèñ');
SELECT types.make('varchar', 'any');
SELECT types.make('bpchar', 'a  ', 'b');
SELECT types.make('char(5)', 'a', 'ÄÖ', '');
SELECT types.make('json', '{"a":  1, "a" :2,
  "b":[ ]}', ' null ', '"\u0041"', '1e1000', '"\ud83d\ude00"');
SELECT types.make('jsonb', '{"b": 1, "a": [1.10, 1e5, null, "x\"y"]}', 'null', '{}', '1E+100', '"\\n"');
SELECT types.make('jsonpath', '$.a[*] ? (@ > 1)', 'strict $."b c"');
SELECT types.make('xml', '<a b="c">&amp;<![CDATA[<x>]]></a>', 'content only, <b/> no document', '<?xml version="1.0"?><doc/>',
    '<?xml version="1.0" encoding="LATIN1" standalone="yes"?><a>ä</a>', '<!DOCTYPE a><a/>');
SELECT types.make('tid', '(4294967295,65535)', '(0,1)');
SELECT types.make('xid', '4294967295');
SELECT types.make('xid8', '18446744073709551615');
SELECT types.make('cid', '7');
SELECT types.make('pg_lsn', 'FFFFFFFF/FFFFFFFF', '0/0');
SELECT types.make('pg_snapshot', '10:20:10,14,15');
SELECT types.make('txid_snapshot', '10:20:10,14,15');
SELECT types.make('point', '(1.1,-0)', '(NaN,Infinity)', '(1e308,1e-308)');
SELECT types.make('lseg', '[(1,2),(3,4)]');
SELECT types.make('path', '[(1,2),(3,4)]', '((1,2),(3,4))');
SELECT types.make('box', '(3,4),(1,2)');
SELECT types.make('polygon', '((0,0),(1,1),(1,0))');
SELECT types.make('line', '{1,-1,0.1}');
SELECT types.make('circle', '<(1,2),3.5>');
SELECT types.make('float4', 'NaN', 'Infinity', '-Infinity', '-0', '1e-45', '3.4028235e38', '0.1');
SELECT types.make('float8', 'NaN', 'Infinity', '-Infinity', '-0', '5e-324', '1.7976931348623157e308', '0.1', '0.30000000000000004');
SELECT types.make('numeric', 'NaN', 'Infinity', '-Infinity', '0', '0.000', '-1.10', repeat('9', 1000) || '.' || repeat('7', 500),
    '1e-16383', '1e131071');
SELECT types.make('numeric(10,3)', '1234567.891', '-0.001', 'NaN');
SELECT types.make('numeric(3,-2)', '12300', '-99900');
SELECT types.make('money', '-92233720368547758.08', '92233720368547758.07', '0.01');
SELECT types.make('macaddr', '08:00:2b:01:02:03');
SELECT types.make('macaddr8', '08:00:2b:01:02:03:04:05');
SELECT types.make('inet', '192.168.1.5/24', '::1', '2001:db8::/32', '0.0.0.0/0');
SELECT types.make('cidr', '192.168.1.0/24', '2001:db8::/32');
SELECT types.make('aclitem', 'postgres=arwdDxt/postgres', '=r*/postgres');
SELECT types.make('date', '0001-01-01 BC', '4713-01-01 BC', '5874897-12-31', 'infinity', '-infinity', '2024-02-29');
SELECT types.make('time', '00:00:00', '24:00:00', '12:34:56.789012');
SELECT types.make('time(2)', '12:34:56.79');
SELECT types.make('timetz', '24:00:00+15:59', '00:00:00-15:59:59', '12:34:56.789012+00');
SELECT types.make('timestamp', '294276-12-31 23:59:59.999999', '4713-01-01 00:00:00 BC', 'infinity', '-infinity', '0044-03-15 BC');
SELECT types.make('timestamptz', '294276-12-31 23:59:59.999999+00', '4713-01-01 00:00:00+00 BC', 'infinity', '-infinity', '2024-03-31 02:30:00+01');
SELECT types.make('interval', '178000000 years', '-1 mon +2 days -03:04:05.678901', '00:00:00', '1 year -1 day');
SELECT types.make('interval day to second(3)', '3 04:05:06.789');
SELECT types.make('bit(3)', '101', '000');
SELECT types.make('varbit', '', '1', '10101010101');
SELECT types.make('varbit(9)', '111111111');
SELECT types.make('uuid', '00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff');
SELECT types.make('refcursor', 'a "portal"');
SELECT types.make('tsvector', '''a b'':1A,16383D ''it''''s'':2', '');
SELECT types.make('tsquery', '!( ''a'' & ''b c'':*AB ) <3> ''d'' | ''e''', '');
SELECT types.make('int4range', '[1,10)', 'empty', '(,)', '[-2147483648,)');
SELECT types.make('int8range', '[1,10)', '(,5)');
SELECT types.make('numrange', '[1.10,NaN]', '(-Infinity,Infinity)', 'empty');
SELECT types.make('tsrange', '["2024-01-01 00:00:00","infinity"]');
SELECT types.make('tstzrange', '["2024-01-01 00:00:00+00","2024-01-02 00:00:00+00")');
SELECT types.make('daterange', '[0044-03-15 BC,infinity)');
SELECT types.make('int4multirange', '{[1,3),[5,7)}', '{}');
SELECT types.make('int8multirange', '{(,)}');
SELECT types.make('nummultirange', '{[1.0,2.00],(3,)}');
SELECT types.make('tsmultirange', '{["2024-01-01","2024-01-02")}');
SELECT types.make('tstzmultirange', '{["2024-01-01 00:00:00+00","2024-01-02 00:00:00+00")}');
SELECT types.make('datemultirange', '{[2024-01-01,2024-02-01)}');
SELECT types.make('regclass', 'app.of_types', '-', '"Odd ""Schema"" ßß"."line
break "" % $1 $$ \ 	tab"', 'pg_catalog.pg_class');
SELECT types.make('regproc', 'app.is_even', '-');
SELECT types.make('regprocedure', 'app.is_even(int)', '-');
SELECT types.make('regoper', 'pg_catalog.?&', '0');
SELECT types.make('regoperator', '+(int4,int4)', '0');
SELECT types.make('regtype', 'app.mood', 'app.mood[]', 'integer', '-');
SELECT types.make('regrole', 'postgres', 'nasty_owner', '-');
SELECT types.make('regnamespace', 'app', '-');
SELECT types.make('regconfig', 'english', '-');
SELECT types.make('regdictionary', 'simple', '-');
SELECT types.make('regcollation', '"C"', '-');
DROP FUNCTION types.make(text, text[]);

CREATE TYPE app.points_at AS (what regclass);
CREATE TABLE app.hidden_numbers (a app.points_at, b app.points_at[], c regtype[]);
INSERT INTO app.hidden_numbers VALUES (ROW ('app.of_types'), ARRAY [ROW ('app.of_types')::app.points_at], '{app.mood,text}');

-- Tables that break assumptions ------------------------------------------------------------------------------------

CREATE TABLE app.no_columns ();
INSERT INTO app.no_columns DEFAULT VALUES;
INSERT INTO app.no_columns DEFAULT VALUES;
INSERT INTO app.no_columns DEFAULT VALUES;
CREATE TABLE app.all_dropped (a int, b text);
INSERT INTO app.all_dropped SELECT g, 'x' FROM generate_series(1, 5) g;
ALTER TABLE app.all_dropped DROP a, DROP b;
CREATE TABLE app.holes (a int, gone1 text, b text, gone2 int, c int);
INSERT INTO app.holes SELECT g, 'gone', 'b' || g, g, -g FROM generate_series(1, 100) g;
ALTER TABLE app.holes DROP gone1, DROP gone2, ADD d int DEFAULT 17 NOT NULL, ADD e timestamptz DEFAULT '2020-01-01 00:00:00+00';
INSERT INTO app.holes (a, d) VALUES (101, 18);
CREATE TABLE app.zero_rows (a int PRIMARY KEY, b text NOT NULL);
CREATE UNLOGGED TABLE app.not_logged (a int PRIMARY KEY, b text);
INSERT INTO app.not_logged VALUES (1, 'one');
DO $$
BEGIN
    EXECUTE (SELECT format('CREATE TABLE app.wide (%s)', string_agg('c' || g || ' int', ', ' ORDER BY g)) FROM generate_series(1, 1600) g);
    EXECUTE (SELECT format('INSERT INTO app.wide SELECT %s FROM generate_series(1, 3) r', string_agg(format('r * %s', g), ', ' ORDER BY g)) FROM generate_series(1, 1600) g);
END
$$;
CREATE TABLE app.stored (
    a text,
    plain_text text,
    external_text text,
    main_text text,
    squeezed text COMPRESSION pglz,
    collated text COLLATE "C",
    counted int
) WITH (fillfactor = 70, autovacuum_enabled = off, toast.autovacuum_enabled = off);
ALTER TABLE app.stored ALTER plain_text SET STORAGE PLAIN, ALTER external_text SET STORAGE EXTERNAL, ALTER main_text SET STORAGE MAIN;
ALTER TABLE app.stored ALTER counted SET STATISTICS 500, ALTER a SET (n_distinct = -0.5);
INSERT INTO app.stored SELECT repeat('a' || g, 2000), 'p', repeat('e', 20000), repeat('m', 9000), repeat('s' || g, 9000), 'C', g FROM generate_series(1, 20) g;
ALTER TABLE app.stored OWNER TO nasty_owner;

CREATE FUNCTION app.next_even() RETURNS int LANGUAGE sql VOLATILE AS $$ SELECT (2 * nextval('app.counter'))::int $$;
CREATE SEQUENCE app.counter;
CREATE TABLE app.computed (
    id bigint GENERATED ALWAYS AS IDENTITY (START 100 INCREMENT 10 MAXVALUE 100000 CACHE 3),
    other int GENERATED BY DEFAULT AS IDENTITY (SEQUENCE NAME app."identity of ""other""" MINVALUE -50 START -50),
    name text NOT NULL,
    upper_name text GENERATED ALWAYS AS (upper(name)) STORED,
    "LENGTH" int GENERATED ALWAYS AS (length(name) * 2) STORED,
    e int DEFAULT app.next_even(),
    at timestamptz DEFAULT now(),
    serial_number serial
);
INSERT INTO app.computed (name) SELECT 'name ' || g FROM generate_series(1, 30) g;
ALTER TABLE app.computed ADD PRIMARY KEY (id), REPLICA IDENTITY FULL;
CREATE TABLE app.typed OF app.point3 (x DEFAULT 1, PRIMARY KEY (y));
INSERT INTO app.typed VALUES (1, 2, 3);

-- Sequences at odd values ------------------------------------------------------------------------------------------

CREATE SEQUENCE app.never_called START 42;
CREATE SEQUENCE app.descending INCREMENT -3 MINVALUE -100 MAXVALUE 50 START 10 CYCLE;
SELECT nextval('app.descending') FROM generate_series(1, 4);
CREATE SEQUENCE app.small AS smallint CACHE 5 CYCLE;
SELECT setval('app.small', 32767);
CREATE SEQUENCE app.full_up MAXVALUE 3;
SELECT nextval('app.full_up') FROM generate_series(1, 3);
CREATE SEQUENCE app."Set, not called" MINVALUE -9;
SELECT setval('app."Set, not called"', -5, false);
CREATE SEQUENCE app.largest;
SELECT setval('app.largest', 9223372036854775807);
CREATE SEQUENCE app.owned_by_holes OWNED BY app.holes.a;
CREATE UNLOGGED SEQUENCE app.not_logged_sequence;
SELECT nextval('app.not_logged_sequence');
COMMENT ON SEQUENCE app.descending IS 'it goes down';
ALTER SEQUENCE app.small OWNER TO nasty_owner;
GRANT SELECT, UPDATE ON SEQUENCE app.counter TO nasty_writer;
GRANT USAGE ON SEQUENCE app.small TO nasty_reader WITH GRANT OPTION;

-- Partitions and inheritance ---------------------------------------------------------------------------------------

CREATE TABLE app.events (id bigint NOT NULL, kind text, at date NOT NULL, note text DEFAULT 'none', CHECK (id > 0))
    PARTITION BY RANGE (at, id);
CREATE TABLE app.events_old PARTITION OF app.events FOR VALUES FROM (MINVALUE, MINVALUE) TO ('2020-01-01', 0);
CREATE TABLE app.events_2020 (note text DEFAULT 'other', gone int, at date NOT NULL, id bigint NOT NULL CONSTRAINT events_id_check CHECK (id > 0), kind text);
ALTER TABLE app.events_2020 DROP gone;
ALTER TABLE app.events ATTACH PARTITION app.events_2020 FOR VALUES FROM ('2020-01-01', 0) TO ('2021-01-01', 0);
CREATE TABLE app.events_2021 PARTITION OF app.events FOR VALUES FROM ('2021-01-01', 0) TO ('2022-01-01', MAXVALUE)
    PARTITION BY LIST (kind);
CREATE TABLE app.events_2021_ab PARTITION OF app.events_2021 FOR VALUES IN ('a', 'b') WITH (fillfactor = 50);
CREATE TABLE "Odd ""Schema"" ßß"."events 2021 'quoted'" PARTITION OF app.events_2021 FOR VALUES IN ('it''s "quoted"');
CREATE TABLE app.events_2021_rest PARTITION OF app.events_2021 DEFAULT;
CREATE TABLE app.events_rest PARTITION OF app.events DEFAULT;
INSERT INTO app.events (id, kind, at)
    SELECT g, (ARRAY ['a', 'b', '', 'it''s "quoted"', 'z'])[1 + g % 5], '2019-06-01'::date + g * 3 FROM generate_series(1, 500) g;
ALTER TABLE app.events ADD PRIMARY KEY (at, kind, id);
ALTER TABLE app.events_2021 ADD CONSTRAINT only_here CHECK (id < 1000000);
CREATE INDEX events_kind ON app.events (kind, (id % 7));
CREATE UNIQUE INDEX events_2020_own ON app.events_2020 (id);
CREATE INDEX not_everywhere ON ONLY app.events (note);
CREATE INDEX not_everywhere_old ON app.events_old (note);
ALTER INDEX app.not_everywhere ATTACH PARTITION app.not_everywhere_old;
COMMENT ON INDEX app.events_kind IS 'by kind';

CREATE TABLE app.by_mood (m app.mood, n int) PARTITION BY HASH (m);
CREATE TABLE app.by_mood_0 PARTITION OF app.by_mood FOR VALUES WITH (MODULUS 4, REMAINDER 0);
CREATE TABLE app.by_mood_1 PARTITION OF app.by_mood FOR VALUES WITH (MODULUS 4, REMAINDER 1);
CREATE TABLE app.by_mood_2 PARTITION OF app.by_mood FOR VALUES WITH (MODULUS 4, REMAINDER 2);
CREATE TABLE app.by_mood_3 PARTITION OF app.by_mood FOR VALUES WITH (MODULUS 4, REMAINDER 3);
INSERT INTO app.by_mood SELECT (enum_range(NULL::app.mood))[1 + g % 6], g FROM generate_series(1, 300) g;
CREATE TABLE app.by_hash (id int, t text) PARTITION BY HASH (id, t);
CREATE TABLE app.by_hash_0 PARTITION OF app.by_hash FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE app.by_hash_1 (t text, id int);
ALTER TABLE app.by_hash ATTACH PARTITION app.by_hash_1 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO app.by_hash SELECT g, 't' || g FROM generate_series(1, 200) g;
CREATE TABLE app.by_expression (t text COLLATE "C") PARTITION BY LIST (lower(t) COLLATE "C");
CREATE TABLE app.by_expression_a PARTITION OF app.by_expression FOR VALUES IN ('a', NULL);
INSERT INTO app.by_expression VALUES ('A'), ('a'), (NULL);
CREATE TABLE app.no_partitions (a int) PARTITION BY RANGE (a);

CREATE TABLE app.parent (id int NOT NULL, t text DEFAULT 'p', CONSTRAINT positive CHECK (id > 0), CONSTRAINT local_only CHECK (id < 100) NO INHERIT);
CREATE TABLE app.child (extra int, CHECK (extra IS DISTINCT FROM 7)) INHERITS (app.parent);
ALTER TABLE app.child ALTER t SET DEFAULT 'c', ALTER t SET NOT NULL;
CREATE TABLE app.second_parent (u uuid);
CREATE TABLE app.grandchild (own text) INHERITS (app.child, app.second_parent);
INSERT INTO app.parent VALUES (1), (2);
INSERT INTO app.child VALUES (3, 'x', 1), (1000, 'y', 2);
INSERT INTO app.grandchild VALUES (4, 'z', 3, '00000000-0000-0000-0000-000000000001', 'own');

-- Constraints and indexes ------------------------------------------------------------------------------------------

CREATE TABLE app.a (id int PRIMARY KEY, b_id int, name text UNIQUE, CONSTRAINT a_pair UNIQUE (id, b_id) INCLUDE (name));
CREATE TABLE app.b (id int CONSTRAINT "B key" PRIMARY KEY, a_id int, a_name text,
    CONSTRAINT no_nulls UNIQUE NULLS NOT DISTINCT (a_id) DEFERRABLE,
    UNIQUE (a_name, id) DEFERRABLE INITIALLY DEFERRED);
INSERT INTO app.a SELECT g, g, 'a' || g FROM generate_series(1, 50) g;
INSERT INTO app.b SELECT g, 51 - g, 'a' || g FROM generate_series(1, 50) g;
ALTER TABLE app.a ADD CONSTRAINT a_to_b FOREIGN KEY (b_id) REFERENCES app.b (id) ON DELETE SET NULL ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE app.b ADD CONSTRAINT b_to_a FOREIGN KEY (a_id) REFERENCES app.a (id) ON DELETE CASCADE;
ALTER TABLE app.b ADD CONSTRAINT b_to_a_name FOREIGN KEY (a_name) REFERENCES app.a (name) NOT VALID;
ALTER TABLE app.b ADD CONSTRAINT b_to_pair FOREIGN KEY (a_id, id) REFERENCES app.a (id, b_id) MATCH FULL ON DELETE SET NULL (a_id) NOT VALID;
COMMENT ON CONSTRAINT a_to_b ON app.a IS 'round and round';
CREATE TABLE app.tree (id int PRIMARY KEY, up int REFERENCES app.tree ON DELETE CASCADE);
INSERT INTO app.tree VALUES (3, 1), (1, NULL), (2, 3);
CREATE TABLE app.to_partitions (at date, kind text, id bigint, FOREIGN KEY (at, kind, id) REFERENCES app.events);
INSERT INTO app.to_partitions SELECT at, kind, id FROM app.events LIMIT 10;
CREATE TABLE app.event_numbers (id bigint PRIMARY KEY);
INSERT INTO app.event_numbers SELECT generate_series(1, 500);
ALTER TABLE app.events ADD CONSTRAINT events_to_numbers FOREIGN KEY (id) REFERENCES app.event_numbers DEFERRABLE;
CREATE TABLE app.not_valid (a int, b app.mood, CONSTRAINT "NO INHERIT" CHECK (a > 0) NO INHERIT);
INSERT INTO app.not_valid VALUES (1, 'ok'), (500, 'sad');
ALTER TABLE app.not_valid ADD CONSTRAINT too_big CHECK (a < 100) NOT VALID;
ALTER TABLE app.not_valid ADD CONSTRAINT whole_row CHECK (not_valid IS NOT NULL);
ALTER TABLE app.not_valid ADD CONSTRAINT by_function CHECK (app.is_even(a * 2));
COMMENT ON CONSTRAINT too_big ON app.not_valid IS 'some day';
CREATE TABLE app.rooms (
    room int,
    during tstzrange,
    cancelled boolean DEFAULT false,
    place point,
    CONSTRAINT no_overlap EXCLUDE USING gist (room WITH =, during WITH &&) WHERE (NOT cancelled),
    EXCLUDE USING gist (circle(place, 1) WITH &&) DEFERRABLE INITIALLY DEFERRED
);
INSERT INTO app.rooms SELECT g % 5, tstzrange('2024-01-01 00:00:00+00'::timestamptz + g * interval '1 hour', '2024-01-01 01:00:00+00'::timestamptz + g * interval '1 hour'), g % 3 = 0, point(g * 3, 0)
    FROM generate_series(1, 60) g;
CREATE TABLE app.indexed (id int NOT NULL, t text COLLATE "C", n numeric, j jsonb, ts tsvector, p point, i inet, arr int[], code text);
INSERT INTO app.indexed SELECT g, 't' || g, g / 7.0, jsonb_build_object('k', g), to_tsvector('simple', 'word' || g), point(g, g), '10.0.0.1', ARRAY [g, g + 1], 'C' || g
    FROM generate_series(1, 200) g;
CREATE INDEX plain ON app.indexed (t);
CREATE INDEX "by expression, it's" ON app.indexed ((t || ' it''s'), lower(t) COLLATE "POSIX" DESC NULLS LAST);
CREATE INDEX partial ON app.indexed (n) INCLUDE (t, id) WHERE n > 3 AND t <> 'a';
CREATE UNIQUE INDEX unique_expression ON app.indexed (abs(id));
CREATE UNIQUE INDEX unique_partial ON app.indexed (code) WHERE id > 10;
CREATE UNIQUE INDEX nulls_equal ON app.indexed (id, code) NULLS NOT DISTINCT;
CREATE INDEX hashed ON app.indexed USING hash (t);
CREATE INDEX documents ON app.indexed USING gin (j jsonb_path_ops) WITH (fastupdate = off);
CREATE INDEX words ON app.indexed USING gin (ts);
CREATE INDEX arrays ON app.indexed USING gin (arr);
CREATE INDEX places ON app.indexed USING gist (p);
CREATE INDEX signatures ON app.indexed USING gist (ts tsvector_ops (siglen = 100));
CREATE INDEX quad ON app.indexed USING spgist (p);
CREATE INDEX summary ON app.indexed USING brin (n) WITH (pages_per_range = 16, autosummarize = on);
CREATE INDEX patterns ON app.indexed (t text_pattern_ops) WITH (fillfactor = 60, deduplicate_items = off);
CREATE INDEX even_ids ON app.indexed (app.is_even(id), id) WHERE app.is_even(id);
ALTER INDEX app."by expression, it's" ALTER COLUMN 1 SET STATISTICS 250;
ALTER TABLE app.indexed ADD CONSTRAINT another_name UNIQUE (id, t) WITH (fillfactor = 80), CLUSTER ON plain;
ALTER TABLE app.indexed ADD CONSTRAINT made_of_an_index UNIQUE USING INDEX nulls_equal;
CREATE UNIQUE INDEX identity ON app.indexed (id);
ALTER TABLE app.indexed REPLICA IDENTITY USING INDEX identity;
ALTER TABLE app.holes REPLICA IDENTITY NOTHING;

-- Views ------------------------------------------------------------------------------------------------------------

CREATE VIEW app.z_first AS SELECT id, t, n FROM app.indexed WHERE n > 5;
CREATE VIEW app.a_second (number, "Text") WITH (security_barrier, check_option = local) AS SELECT id, t FROM app.z_first WHERE id > 2;
CREATE VIEW app.m_third WITH (security_invoker = true) AS
    SELECT s."Text", b.id, app.is_even(b.id) AS even FROM app.a_second s LEFT JOIN app.b ON b.id = s.number;
CREATE VIEW app.by_key AS SELECT a.id, a.name, count(*) AS n FROM app.a JOIN app.b ON b.a_id = a.id GROUP BY a.id;
CREATE VIEW app.cascaded AS SELECT * FROM app.a WHERE id > 5 WITH CASCADED CHECK OPTION;
CREATE RECURSIVE VIEW app.up (id, depth) AS SELECT id, 0 FROM app.tree WHERE up IS NULL UNION ALL SELECT t.id, depth + 1 FROM app.tree t JOIN up ON t.up = up.id;
CREATE VIEW app.whole_row AS SELECT h, (h).b FROM app.holes h;
CREATE VIEW app.no_view_columns AS SELECT;
CREATE VIEW app.with_default AS SELECT id, name FROM app.a;
ALTER VIEW app.with_default ALTER name SET DEFAULT 'from the view';
ALTER VIEW app.a_second OWNER TO nasty_owner;
COMMENT ON VIEW app.a_second IS 'second';
COMMENT ON COLUMN app.a_second."Text" IS 'a column of a view';
GRANT SELECT ON app.a_second TO nasty_reader;
GRANT UPDATE ("Text"), SELECT (number) ON app.a_second TO nasty_writer;
-- What the owner of the views below reads; without it filling them fails.
GRANT SELECT ON app.m_third, app.b, app.z_first, app.indexed TO nasty_owner;

CREATE MATERIALIZED VIEW app.filled WITH (fillfactor = 90) AS
    SELECT id % 7 AS seven, count(*) AS n, sum(number) AS numbers FROM app.m_third JOIN app.a_second USING ("Text") GROUP BY 1;
CREATE MATERIALIZED VIEW app.a_on_filled AS SELECT max(n) AS most FROM app.filled;
CREATE MATERIALIZED VIEW app.not_filled AS SELECT * FROM app.filled WITH NO DATA;
CREATE MATERIALIZED VIEW app.by_group AS SELECT a.id, a.name, count(*) FROM app.a JOIN app.b ON b.a_id = a.id GROUP BY a.id;
CREATE UNIQUE INDEX filled_seven ON app.filled (seven);
CREATE INDEX not_filled_n ON app.not_filled (n);
CREATE VIEW app.on_filled AS SELECT * FROM app.filled NATURAL JOIN (SELECT most AS n FROM app.a_on_filled) x;
ALTER MATERIALIZED VIEW app.filled CLUSTER ON filled_seven;
ALTER MATERIALIZED VIEW app.filled ALTER seven SET STATISTICS 10;
COMMENT ON MATERIALIZED VIEW app.filled IS 'filled';
ALTER MATERIALIZED VIEW app.filled OWNER TO nasty_owner;

CREATE TABLE app.points_to_relations (what regclass, type regtype);
INSERT INTO app.points_to_relations VALUES ('app.a_second', 'app.a_second'), ('app.filled', 'app.filled[]'), ('app.counter', NULL);

-- Functions, procedures, aggregates --------------------------------------------------------------------------------

CREATE FUNCTION app.everything(IN a int, INOUT "b c" text DEFAULT 'it''s $$', OUT d app.mood, VARIADIC e numeric[] DEFAULT '{}')
    LANGUAGE plpgsql STABLE STRICT LEAKPROOF SECURITY DEFINER PARALLEL SAFE COST 17
    SET search_path TO app, "Odd ""Schema"" ßß" SET work_mem = '8MB' SET "nasty.custom" TO 'it''s' AS $body$
BEGIN
    -- $$ and $_$ and \\ and 'quotes'
    "b c" := $x$ $bo$x$;
END
$body$;
CREATE FUNCTION app.rows_of(n int, OUT i int, OUT t text) RETURNS SETOF record LANGUAGE sql ROWS 7 PARALLEL RESTRICTED AS 'SELECT g, g::text FROM generate_series(1, n) g';
CREATE FUNCTION app.table_of(n int) RETURNS TABLE ("a a" int, b app.nested) LANGUAGE sql AS 'SELECT g, NULL::app.nested FROM generate_series(1, n) g';
CREATE FUNCTION app.standard(x int, y int DEFAULT 3) RETURNS int LANGUAGE sql IMMUTABLE RETURN x + y * 2;
CREATE FUNCTION app.standard_body(x int) RETURNS SETOF app.a LANGUAGE sql BEGIN ATOMIC
    SELECT * FROM app.a WHERE a.id = x;
    SELECT a.* FROM app.a JOIN app.a_second s ON s.number = a.id WHERE a.id > x;
END;
CREATE FUNCTION app.any_of(anyelement, anyarray) RETURNS anyelement LANGUAGE sql AS 'SELECT $1';
CREATE FUNCTION app.of_table(app.a) RETURNS text LANGUAGE sql AS 'SELECT ($1).name';
CREATE FUNCTION app.broken() RETURNS int LANGUAGE sql AS 'SELECT missing FROM nowhere.at_all';
CREATE FUNCTION app.carriage() RETURNS text LANGUAGE plpgsql AS E'BEGIN\r\n  RETURN E''\\r\\n'';\r\nEND';
CREATE FUNCTION app.overloaded(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION app.overloaded(text) RETURNS int LANGUAGE sql AS 'SELECT 2';
CREATE FUNCTION app.no_arguments() RETURNS void LANGUAGE sql AS '';
CREATE FUNCTION app.window_rank() RETURNS bigint LANGUAGE internal WINDOW AS 'window_rank';
CREATE FUNCTION app.never_public() RETURNS int LANGUAGE sql AS 'SELECT 1';
REVOKE ALL ON FUNCTION app.never_public() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.never_public() TO nasty_reader WITH GRANT OPTION;
ALTER FUNCTION app.never_public() OWNER TO nasty_owner;
COMMENT ON FUNCTION app.overloaded(text) IS 'the one with text';
CREATE PROCEDURE app.proceed(INOUT n int, OUT t text) LANGUAGE plpgsql AS 'BEGIN n := n + 1; t := n; END';
CREATE PROCEDURE app.commits() LANGUAGE sql BEGIN ATOMIC INSERT INTO app.zero_rows VALUES (1, 'x'); END;
COMMENT ON PROCEDURE app.proceed(int) IS 'a procedure';
GRANT EXECUTE ON PROCEDURE app.commits() TO nasty_writer;
CREATE FUNCTION app.add_up(numeric, app.even) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT coalesce($1, 0) + $2';
CREATE AGGREGATE app.total(app.even) (SFUNC = app.add_up, STYPE = numeric, INITCOND = '0', PARALLEL = SAFE, COMBINEFUNC = numeric_add);
CREATE FUNCTION app.unadd(numeric, numeric) RETURNS numeric LANGUAGE sql IMMUTABLE AS 'SELECT $1 - $2';
CREATE AGGREGATE app.moving(numeric) (SFUNC = numeric_add, STYPE = numeric, INITCOND = '0', MSFUNC = app.unadd, MINVFUNC = app.unadd, MSTYPE = numeric, MINITCOND = '0');
CREATE AGGREGATE app.middle(double precision ORDER BY anyelement) (SFUNC = ordered_set_transition, STYPE = internal, FINALFUNC = percentile_disc_final, FINALFUNC_EXTRA);
CREATE AGGREGATE app.smallest(int) (SFUNC = int4smaller, STYPE = int, SORTOP = <);
COMMENT ON AGGREGATE app.total(app.even) IS 'adds up';
ALTER AGGREGATE app.total(app.even) OWNER TO nasty_owner;
CREATE VIEW app.of_aggregate AS SELECT app.total(e) AS total FROM app.of_types;

-- Triggers, rules, policies ----------------------------------------------------------------------------------------

CREATE TABLE app.log (n serial, what text);
CREATE TABLE app.watched (id int PRIMARY KEY, a text, b text);
INSERT INTO app.watched SELECT g, 'a', 'b' FROM generate_series(1, 10) g;
CREATE FUNCTION app.note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO app.log (what) VALUES (tg_name); RETURN coalesce(new, old); END $$;
CREATE TRIGGER z_before BEFORE INSERT OR UPDATE OF a, b ON app.watched FOR EACH ROW WHEN (new.a <> 'x') EXECUTE FUNCTION app.note('it''s', E'new\nline', '\');
CREATE TRIGGER "After ""all""" AFTER DELETE ON app.watched REFERENCING OLD TABLE AS "old rows" FOR EACH STATEMENT EXECUTE FUNCTION app.note();
CREATE TRIGGER disabled AFTER INSERT ON app.watched EXECUTE FUNCTION app.note();
CREATE TRIGGER always AFTER INSERT ON app.watched EXECUTE FUNCTION app.note();
CREATE TRIGGER on_replica AFTER TRUNCATE ON app.watched EXECUTE FUNCTION app.note();
CREATE CONSTRAINT TRIGGER later AFTER UPDATE ON app.watched FROM app.log DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION app.note();
ALTER TABLE app.watched DISABLE TRIGGER disabled, ENABLE ALWAYS TRIGGER always, ENABLE REPLICA TRIGGER on_replica;
CREATE TRIGGER on_view INSTEAD OF INSERT ON app.m_third FOR EACH ROW EXECUTE FUNCTION app.note();
CREATE TRIGGER on_events AFTER INSERT ON app.events FOR EACH ROW EXECUTE FUNCTION app.note();
ALTER TABLE app.events_old DISABLE TRIGGER on_events;
CREATE TRIGGER on_leaf BEFORE UPDATE ON app.events_rest FOR EACH ROW EXECUTE FUNCTION app.note();
COMMENT ON TRIGGER z_before ON app.watched IS 'before';

CREATE RULE instead AS ON DELETE TO app.a_second DO INSTEAD DELETE FROM app.indexed WHERE id = old.number RETURNING id, t;
CREATE RULE also AS ON INSERT TO app.watched WHERE new.id > 100 DO ALSO INSERT INTO app.log (what) VALUES ('rule ''' || new.a);
CREATE RULE nothing AS ON UPDATE TO app.log DO INSTEAD NOTHING;
CREATE RULE off AS ON DELETE TO app.log DO ALSO NOTIFY app_log;
ALTER TABLE app.log DISABLE RULE off, ENABLE ALWAYS RULE nothing;
COMMENT ON RULE nothing ON app.log IS 'nothing happens';

CREATE TABLE app.private_rows (id int PRIMARY KEY, owner name DEFAULT current_user, text text);
INSERT INTO app.private_rows VALUES (1, 'postgres', 'a'), (2, 'somebody', 'b');
ALTER TABLE app.private_rows ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY own ON app.private_rows TO nasty_reader, nasty_writer USING (owner = current_user) WITH CHECK (owner = current_user AND text <> 'it''s');
CREATE POLICY "read ""all""" ON app.private_rows AS RESTRICTIVE FOR SELECT TO PUBLIC USING (id > 0);
CREATE POLICY adding ON app.private_rows FOR INSERT WITH CHECK (EXISTS (SELECT FROM app.a WHERE a.id = private_rows.id));
CREATE TABLE app.policies_off (id int);
CREATE POLICY unused ON app.policies_off FOR DELETE USING (app.is_even(id));
COMMENT ON POLICY own ON app.private_rows IS 'one''s own';

-- Owners and grants ------------------------------------------------------------------------------------------------

ALTER TABLE app.zero_rows OWNER TO nasty_owner;
GRANT SELECT ON app.zero_rows TO nasty_reader WITH GRANT OPTION;
GRANT INSERT, UPDATE (b), REFERENCES (a), SELECT (a) ON app.zero_rows TO nasty_writer;
GRANT SELECT ON app.zero_rows TO PUBLIC;
GRANT ALL ON ALL TABLES IN SCHEMA types TO nasty_reader;
REVOKE ALL ON app.wide FROM postgres;
GRANT SELECT ON app.wide TO postgres;
GRANT SELECT (c1600) ON app.wide TO nasty_reader;
ALTER TABLE app.events_2020 OWNER TO nasty_owner;
GRANT TRUNCATE, TRIGGER ON app.events TO nasty_writer;
SET ROLE nasty_owner;
CREATE TABLE app.made_by_owner (a int PRIMARY KEY, b int DEFAULT 5);
GRANT SELECT ON app.made_by_owner TO nasty_reader;
RESET ROLE;

-- Large objects ----------------------------------------------------------------------------------------------------

SELECT lo_create(1000001);
SELECT lo_from_bytea(1000002, '\x00');
SELECT lo_from_bytea(1000003, decode(repeat('0123456789abcdef00ff', 512 * 1024), 'hex'));
SELECT lo_create(1000004);
SELECT lo_put(1000004, 3000000, '\x6566');
SELECT lo_from_bytea(4294967295, 'the last');
ALTER LARGE OBJECT 1000002 OWNER TO nasty_owner;
GRANT SELECT ON LARGE OBJECT 1000003 TO nasty_reader;
GRANT UPDATE ON LARGE OBJECT 1000003 TO nasty_writer WITH GRANT OPTION;
COMMENT ON LARGE OBJECT 1000003 IS 'five megabytes';
CREATE TABLE app.pictures (id int, picture oid);
INSERT INTO app.pictures VALUES (1, 1000003);
