-- Sequences whose values our role cannot read: no SELECT on them, or no USAGE on their schema.
-- $1 schemas and $2 names of the sequences to be read, in the same order. Any role may read this.
SELECT n.nspname AS schema,
       c.relname AS name,
       pg_catalog.pg_get_userbyid(c.relowner)::pg_catalog.text AS owner
  FROM ROWS FROM (pg_catalog.unnest($1::pg_catalog.text[]), pg_catalog.unnest($2::pg_catalog.text[]))
       AS wanted (schema, name)
  JOIN pg_catalog.pg_namespace AS n ON n.nspname OPERATOR(pg_catalog.=) wanted.schema
  JOIN pg_catalog.pg_class AS c
    ON c.relnamespace OPERATOR(pg_catalog.=) n.oid
   AND c.relname OPERATOR(pg_catalog.=) wanted.name
 WHERE NOT pg_catalog.has_table_privilege(c.oid, 'SELECT')
    OR NOT pg_catalog.has_schema_privilege(n.oid, 'USAGE')
 ORDER BY n.nspname, c.relname
