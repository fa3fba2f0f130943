-- Extensions: never their members; what is put on a member is kept.
CREATE SCHEMA ext;
CREATE EXTENSION pg_trgm WITH SCHEMA ext;
CREATE EXTENSION citext;
CREATE EXTENSION btree_gist WITH SCHEMA ext;
CREATE TABLE uses_ext (name citext, id integer);
CREATE INDEX uses_ext_trgm ON uses_ext USING gin ((name::text) ext.gin_trgm_ops);
CREATE FUNCTION depends_on_extension() RETURNS integer LANGUAGE sql AS 'SELECT 1';
ALTER FUNCTION depends_on_extension() DEPENDS ON EXTENSION citext;
REVOKE ALL ON FUNCTION ext.similarity(text, text) FROM PUBLIC;
COMMENT ON EXTENSION pg_trgm IS 'changed';
